"""Candle files of other programs: the same candles from each format, and a sentence for a damaged one."""

import builtins
import gzip
import io
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.market.cache import CandleCache
from firstwatch.market.files import read_candles, read_funding, write_candles
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.timeframe import Timeframe
from tests.backtest.specifications import random_candles
from tests.candles import generated_candles

CANDLES = generated_candles(4, 60)
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore\n"
)
"""As the archive files of Binance's futures have it; those of its spot market have none."""


def rows(candles):
    return candles.timeframe, candles.bars()


def binance(scale, *, header):
    """Return a monthly archive file; ``scale``: epoch units per ms, by powers of ten."""
    lines = [
        f"{int(bar.time_ms * scale)},{bar.open!r},{bar.high!r},{bar.low!r},{bar.close!r},{bar.volume!r},"
        f"{int((bar.time_ms + 3_600_000) * scale) - 1},123.45,17,0.5,61.7,0\n"
        for bar in CANDLES.bars()
    ]
    return ((HEADER if header else "") + "".join(lines)).encode()


def zipped(*members, level=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", level) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def table(**changed):
    """Return the table that freqtrade keeps: date, open, high, low, close, volume."""
    columns = {
        "date": pa.array(CANDLES.time_ms, pa.timestamp("ms", tz="UTC")),
        **{name: getattr(CANDLES, name) for name in ("open", "high", "low", "close", "volume")},
    }
    return pa.table(columns | changed)


def parquet(frame, **options):
    file = io.BytesIO()
    pq.write_table(frame, file, **options)
    return file.getvalue()


def feathered(frame, **options):
    file = io.BytesIO()
    feather.write_feather(frame, file, **options)
    return file.getvalue()


def freqtrade_json(candles=CANDLES):
    return json.dumps([list(bar) for bar in candles.bars()]).encode()


def rest_answer():
    """Return klines as an exchange's REST interface answers them: text in quotes, more cells, indented."""
    answer = [[bar.time_ms, *map(str, bar[1:]), bar.time_ms + 3_599_999, "12.5", 3] for bar in CANDLES.bars()]
    return json.dumps(answer, indent=1).encode()


TIMES = {
    "s": pa.array(CANDLES.time_ms // 1000, pa.timestamp("s")),
    "us": pa.array(CANDLES.time_ms * 1000, pa.timestamp("us", tz="Europe/Berlin")),
    "ns": pa.array(CANDLES.time_ms * 1_000_000, pa.timestamp("ns", tz="UTC")),
    "number": pa.array(CANDLES.time_ms),
    "seconds": pa.array(CANDLES.time_ms / 1000),
}
FILES = {
    **{
        f"binance {unit} header={header}": binance(scale, header=header)
        for unit, scale in {"s": 1e-3, "ms": 1, "µs": 1000}.items()
        for header in (True, False)
    },
    "binance zipped": zipped(("BTCUSDT-1h-2024-01.csv", binance(1000, header=False))),
    "binance stored": zipped(("BTCUSDT-1h-2024-01.csv", binance(1, header=True)), level=zipfile.ZIP_STORED),
    "binance gzipped": gzip.compress(binance(1, header=True)),
    "a folder in the zip": zipped(("data/", ""), ("data/one.csv", binance(1, header=True))),
    "okx": (
        "instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm\n"
        + "".join(
            f"BTC-USDT-SWAP,{b.open!r},{b.high!r},{b.low!r},{b.close!r},{b.volume * 100!r},{b.volume!r},9,"
            f"{b.time_ms},1\n"
            for b in CANDLES.bars()
        )
    ).encode(),
    "bybit": (
        "startTime,open,high,low,close,volume,turnover\n"
        + "".join(f"{','.join(map(repr, b))},77.7\n" for b in CANDLES.bars())
    ).encode(),
    "freqtrade json": freqtrade_json(),
    "freqtrade json.gz": gzip.compress(freqtrade_json()),
    "json zipped": zipped(("BTC_USDT-1h.json", freqtrade_json())),
    "rest answer": rest_answer(),
    "parquet": parquet(table()),
    "parquet zstd": parquet(table(), compression="zstd", row_group_size=7),
    "parquet more columns": parquet(table(symbol=["BTC"] * 60).select([6, 5, 4, 3, 2, 1, 0])),
    "parquet float32 volume": parquet(table(volume=pa.array(CANDLES.volume))),
    "feather": feathered(table(), compression="lz4"),
    "feather zstd": feathered(table(), compression="zstd"),
    "feather plain": feathered(table(), compression="uncompressed", chunksize=7),
    "feather more columns": feathered(table(kind=pa.array(["x", "y"] * 30).dictionary_encode())),
    **{f"parquet {unit}": parquet(table(date=times)) for unit, times in TIMES.items()},
    **{f"feather {unit}": feathered(table(date=times)) for unit, times in TIMES.items()},
    "feather in a zip": zipped(("x.feather", feathered(table()))),
    "capitals": feathered(table().rename_columns(["Date", "Open", "High", "Low", "Close", "Volume"])),
}


@pytest.mark.parametrize("name", FILES)
def test_each_format_gives_the_same_candles(tmp_path, name):
    path = tmp_path / "candles"
    path.write_bytes(FILES[name])
    assert rows(read_candles(path).candles) == rows(CANDLES)
    cached = CandleCache(tmp_path / "cache")
    assert rows(cached.read(path).candles) == rows(cached.read(path).candles) == rows(CANDLES)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), bars=st.integers(3, 120))
def test_any_candles_survive_every_format(tmp_path_factory, seed, bars):
    candles = random_candles(seed, bars, 0.02)
    folder = tmp_path_factory.mktemp("formats")
    if len(candles) < 3 or (np.diff(candles.time_ms) != 3_600_000).mean() > 0.4:
        return
    frame = pa.table(
        {"date": pa.array(candles.time_ms, pa.timestamp("ms")),
         **{name: getattr(candles, name) for name in ("open", "high", "low", "close", "volume")}}
    )  # fmt: skip
    write_candles(folder / "csv", candles)
    (folder / "json").write_bytes(freqtrade_json(candles))
    (folder / "parquet").write_bytes(parquet(frame))
    (folder / "feather").write_bytes(feathered(frame))
    (folder / "zip").write_bytes(zipped(("a.csv", (folder / "csv").read_bytes())))
    read = [read_candles(path, Timeframe.H1) for path in sorted(folder.iterdir())]
    assert all(rows(each.candles) == rows(candles) for each in read)
    spans = [[(hole.first_ms, hole.last_ms, hole.bars) for hole in each.holes] for each in read]
    assert all(each == spans[0] for each in spans)


def test_a_hole_is_reported_by_row_where_there_are_no_lines(tmp_path):
    lost = table().slice(0, 10).to_pylist() + table().slice(12).to_pylist()
    for name, data in {
        "x.feather": feathered(pa.Table.from_pylist(lost, schema=table().schema)),
        "x.json": json.dumps(
            [list(bar) for i, bar in enumerate(CANDLES.bars()) if i not in (10, 11)]
        ).encode(),
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        for found in (read_candles(path), CandleCache(tmp_path / "c").read(path)):
            assert str(found.holes[0]).startswith(
                "row 11: 2 bars are missing before it, 2024-01-01T10:00:00Z"
            )


def test_funding_rates_of_freqtrade_are_read(tmp_path):
    times = pa.array(CANDLES.time_ms[::8], pa.timestamp("ms", tz="UTC"))
    zeros, rates = np.zeros(8), np.linspace(-1e-4, 2e-4, 8)
    frame = pa.table(
        {"date": times, "open": rates, **dict.fromkeys(("high", "low", "close", "volume"), zeros)}
    )
    (tmp_path / "f").write_bytes(feathered(frame))
    assert read_funding(tmp_path / "f").rate.tolist() == rates.tolist()
    (tmp_path / "candles").write_bytes(feathered(table()))
    with pytest.raises(WrongUseError, match="holds candles"):
        read_funding(tmp_path / "candles")


def refusal(tmp_path, data):
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(WrongUseError) as caught:
        read_candles(path)
    assert len(str(caught.value)) < 2_000
    return str(caught.value)


BAD = {
    "two in a zip": (zipped(("a.csv", b"x"), ("b.csv", b"y")), "holds 2 files"),
    "none in a zip": (zipped(), "holds 0 files"),
    "cut zip": (zipped(("a.csv", binance(1, header=True)))[:200], "zip"),
    "zip bomb": (zipped(("a.csv", b"1704067200,1,1,1,1,1\n" * 3_000_000)), "no file of candles is so long"),
    "json object": (b'{"data": [[1704067200000, 1, 1, 1, 1, 1]]}', "no list of rows"),
    "json objects": (b'[{"open": 1}]', "no list of rows"),
    "json empty": (b" [ ] ", "no rows"),
    "json of nothing": (b"[[]]", "columns"),
    "json cell": (
        b"[[1704067200000, 1, 1, 1, 1, null], [1704070800000, 1, 1, 1, 1, 1]]", "row 1, column volume",
    ),
    "json short": (b"[[1704067200000, 1, 1, 1, 1, 1], [1704070800000, 1]]", "row 2, 2 cells instead of 6"),
    "json deep": (b"[" * 100_000, "no list of rows"),
    "json newest first": (
        b"[[1704070800000, 1, 1, 1, 1, 1], [1704067200000, 1, 1, 1, 1, 1]]", "row 2, column time",
    ),
    "no volume": (feathered(table().drop_columns(["volume"])), "no column for volume; it has date, open"),
    "text": (parquet(table(open=["1"] * 60)), "column open (open) holds string"),
    "text time": (parquet(table(date=["2024-01-01"] * 60)), "must hold a timestamp"),
    "time of day": (parquet(table(date=pa.array([0] * 60, pa.time32("s")))), "must hold a timestamp"),
    "missing number": (
        feathered(table(high=pa.array([None] + [1.0] * 59))), "row 1, column high: the number is missing",
    ),
    "missing time": (
        feathered(table(date=pa.array([None, *CANDLES.time_ms[1:].tolist()], pa.timestamp("ms")))),
        "row 1, column time: the time is missing",
    ),
    "not a number": (parquet(table(close=np.full(60, np.nan))), "60 mistakes"),
    "infinite": (parquet(table(high=np.full(60, np.inf))), "60 mistakes"),
    "negative": (parquet(table(low=-CANDLES.low)), "is not above zero"),
    "far time": (feathered(table(date=pa.array([2**62] * 60, pa.timestamp("s")))), "1970 to 2199"),
    "negative time": (parquet(table(date=pa.array([-5] * 60))), "1970 to 2199"),
    "no rows": (feathered(table().slice(0, 0)), "no rows"),
    "cut parquet": (parquet(table())[:-9], "damaged Parquet or Feather"),
    "cut feather": (feathered(table())[:700], "damaged Parquet or Feather"),
    "nothing but a mark": (b"PAR1", "damaged Parquet or Feather"),
    "feather 1": (b"FEA1" + bytes(60), "version 1"),
    "two columns of one name": (
        parquet(pa.table([pa.array([1]), pa.array([1.0]), pa.array([1.0])], names=["date", "open", "open"])),
        "no column for",
    ),
    "nested": (parquet(table(more=[{"a": 1, "b": 2}] * 60)), "nested"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_a_sentence(tmp_path, name):
    data, word = BAD[name]
    assert word in refusal(tmp_path, data)


def test_a_feather_bomb_is_refused_by_its_heads(tmp_path):
    rows_ = 1 << 25
    nothing = pa.array(np.zeros(rows_))
    names = ["date", "open", "high", "low", "close", "volume"]
    bomb = feathered(pa.table([nothing] * 6, names=names), compression="zstd", chunksize=rows_)
    assert len(bomb) < 1 << 20
    assert "more than any file of candles has" in refusal(tmp_path, bomb)


def test_a_parquet_bomb_is_refused_by_its_foot(tmp_path):
    nothing = pa.array(np.zeros(1 << 25))
    names = ["date", "open", "high", "low", "close", "volume"]
    bomb = parquet(pa.table([nothing] * 6, names=names), compression="zstd")
    assert len(bomb) < 1 << 20
    assert "more than any file of candles has" in refusal(tmp_path, bomb)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    imported = builtins.__import__

    def refused(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refused)
    assert "pip install 'firstwatch[arrow]'" in refusal(tmp_path, FILES["feather"])
    # All other formats need nothing.
    (tmp_path / "candles").write_bytes(FILES["freqtrade json"])
    assert rows(read_candles(tmp_path / "candles").candles) == rows(CANDLES)


@pytest.mark.parametrize(
    "name",
    ["parquet", "parquet zstd", "feather", "feather zstd", "feather plain", "binance zipped",
     "freqtrade json", "binance gzipped"],
)  # fmt: skip
def test_mutated_files_are_read_or_a_sentence(tmp_path, name):
    drawn = random.Random(name)
    path = tmp_path / "mutated"
    refused = 0
    for _ in range(150):
        path.write_bytes(mutated(drawn, FILES[name]))
        try:
            candles = read_candles(path).candles
        except WrongUseError:
            refused += 1
            continue
        assert np.isfinite([candles.open, candles.high, candles.low, candles.close, candles.volume]).all()
    assert refused > 10


def mutated(drawn, data):
    """Return bytes with a few changed, cut or repeated."""
    data = bytearray(data)
    for _ in range(drawn.randint(1, 4)):
        place = drawn.randrange(len(data)) if data else 0
        match drawn.randrange(4):
            case 0:
                data[place : place + 1] = bytes([drawn.randrange(256)])
            case 1:
                data[place : place + 8] = drawn.randbytes(8)
            case 2:
                del data[place : place + drawn.randint(1, 64)]
            case _:
                data[place:place] = data[place : place + drawn.randint(1, 64)]
    return bytes(data)


def test_a_name_says_nothing_about_the_format(tmp_path):
    path = Path(tmp_path) / "candles.csv"
    path.write_bytes(FILES["parquet"])
    assert rows(read_candles(path).candles) == rows(CANDLES)
