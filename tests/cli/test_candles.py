"""``firstwatch candles``: record, import, list, and the archive where a file is asked for."""

import threading
import time

import pytest

from firstwatch.market.archive import extend, read_series, series_of
from firstwatch.market.files import write_candles
from firstwatch.strategy.specification import sample_toml
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles

CANDLES = generated_candles(8, 900)
SYMBOL = "BTC/USDC:USDC"


@pytest.fixture
def files(tmp_path):
    """Two overlapping candle files with a symbol in their names."""
    paths = [tmp_path / "BTCUSDC_1h_a.csv", tmp_path / "BTCUSDC_1h_b.csv"]
    write_candles(paths[0], CANDLES.part(0, 500))
    write_candles(paths[1], CANDLES.part(450, 900))
    return paths


def test_files_are_imported_listed_and_used(firstwatch, files, tmp_path):
    said = firstwatch("candles", "import", *files, "--json").json
    assert [(each["added"], each["known"], each["differing"]) for each in said] == [(500, 0, 0), (400, 50, 0)]
    assert said[1]["symbol"] == SYMBOL
    (listed,) = firstwatch("candles", "list", "--json").json
    assert (listed["bars"], listed["missing"], listed["holes"]) == (900, 0, [])
    assert (listed["source"], listed["timeframe"]) == ("files", "1h")
    (tmp_path / "a.toml").write_text(sample_toml())
    write_candles(tmp_path / "BTCUSDC_whole.csv", CANDLES)
    from_archive = firstwatch("backtest", "a.toml", "--candles", f"archive:{SYMBOL}@1h", "--json")
    from_file = firstwatch("backtest", "a.toml", "--candles", "BTCUSDC_whole.csv", "--json")
    assert from_archive.code == from_file.code == 0
    assert from_archive.json["trades"] == from_file.json["trades"] != []


def test_a_row_that_differs_is_said_and_the_archived_one_kept(firstwatch, files, home, tmp_path):
    firstwatch("candles", "import", files[0])
    text = files[0].read_text().splitlines()
    cells = text[7].split(",")
    text[7] = ",".join([*cells[:5], "0.5"])
    files[0].write_text("\n".join(text))
    said = firstwatch("candles", "import", files[0])
    assert said.code == 0
    assert "0 added, 499 known, 1 differ" in said.out
    assert f"{cells[0]}: the archive keeps volume" in said.err
    kept = read_series(home, series_of("files", SYMBOL, Timeframe.H1)).candles
    assert kept.bars() == CANDLES.part(0, 500).bars()


def test_each_hole_is_said(firstwatch, tmp_path):
    write_candles(tmp_path / "one.csv", CANDLES.part(0, 10))
    write_candles(tmp_path / "two.csv", CANDLES.part(12, 20))
    said = firstwatch("candles", "import", "one.csv", "two.csv", "--symbol", SYMBOL)
    assert "2 missing, 2024-01-01T10:00:00Z to 2024-01-01T11:00:00Z" in said.err
    assert "2 missing" in said.out
    (listed,) = firstwatch("candles", "list", "--json").json
    assert listed["holes"] == [{"from": "2024-01-01T10:00:00Z", "to": "2024-01-01T11:00:00Z", "bars": 2}]


def test_one_bad_file_imports_none(firstwatch, files, tmp_path):
    (tmp_path / "BTCUSDC_bad.csv").write_text("date,open,high,low,close,volume\n2024-01-01,1,0,1,1,1\n")
    said = firstwatch("candles", "import", files[0], tmp_path / "BTCUSDC_bad.csv")
    assert said.code == 2
    assert firstwatch("candles", "list", "--json").json == []


def test_a_file_without_a_symbol_in_its_name_needs_one(firstwatch, tmp_path):
    write_candles(tmp_path / "x.csv", CANDLES)
    said = firstwatch("candles", "import", "x.csv")
    assert said.code == 2
    assert "--symbol" in said.err


def test_an_empty_archive_says_how_to_fill_it(firstwatch):
    assert "candles record" in firstwatch("candles", "list").out
    said = firstwatch("candles", "list", "--json")
    assert said.json == []


def test_a_damaged_month_does_not_hide_the_others(firstwatch, files, home):
    firstwatch("candles", "import", *files)
    extend(home, series_of("other", SYMBOL, Timeframe.H1), CANDLES)
    month = next((home / "archive" / "other").rglob("*.candles"))
    month.write_bytes(b"damaged")
    said = firstwatch("candles", "list")
    assert said.code == 1
    assert "archive:files:BTC/USDC:USDC@1h" in said.out
    assert "Move it away" in said.err


def test_the_candles_of_a_venue_are_recorded_through_its_protocol(firstwatch, home, tmp_path):
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text('[venues.paper]\nkind = "paper"\nstart = "2025-03-01"\n')
    said = firstwatch(
        "candles", "record", "--venue", "paper", "--symbol", SYMBOL, "--timeframe", "1h", "--json"
    )
    assert said.code == 0, said.err
    assert said.json["to"] == "2025-02-28T22:00:00Z"
    assert said.json["added"] == said.json["bars"] == 5_000
    again = firstwatch(
        "candles", "record", "--venue", "paper", "--symbol", SYMBOL, "--timeframe", "1h", "--json"
    )
    assert (again.json["added"], again.json["differing"]) == (0, 0)
    # A reader of a venue leaves its books alone.
    assert firstwatch("run", "list", "--json").json == []


def test_recording_goes_on_until_a_signal(firstwatch, home, monkeypatch):
    from firstwatch.cli import candles, waiting

    rounds = []
    monkeypatch.setattr(candles, "_pause_s", lambda _timeframe: rounds.append(time.monotonic()) or 0.01)
    stopped = waiting.stopped_by_signals

    class Stopped:
        def __enter__(self):
            self._held = stopped()
            event = self._held.__enter__()
            threading.Thread(target=self._stop, args=(event,), daemon=True).start()
            return event

        def _stop(self, event):
            while len(rounds) < 3:
                event.wait(0.01)
            event.set()

        def __exit__(self, *error):
            return self._held.__exit__(*error)

    monkeypatch.setattr(waiting, "stopped_by_signals", Stopped)
    said = firstwatch(
        "candles", "record", "--venue", "paper", "--symbol", SYMBOL, "--timeframe", "1m", "--follow"
    )
    assert said.code == 0, said.err
    assert len(rounds) >= 3
    assert said.out.count("added") == 1


@pytest.mark.parametrize(("venue", "symbol"), [("none", SYMBOL), ("paper", "ETH/USDC:USDC")])
def test_what_cannot_be_recorded_is_a_sentence(firstwatch, venue, symbol):
    said = firstwatch("candles", "record", "--venue", venue, "--symbol", symbol)
    assert said.code in {1, 2}
    assert "market" in said.err or "venue" in said.err
    assert "Unexpected" not in said.err
