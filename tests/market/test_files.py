"""Reading history files: every accepted form, and every mistake by its line."""

import csv
import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.market.files import read_candles, read_funding, write_candles, write_funding
from firstwatch.market.funding import FundingSeries
from firstwatch.market.synthetic import SyntheticMarket
from firstwatch.trading.clock import parse_iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.timeframe import Timeframe
from tests.candles import START_MS, generated_candles, shared_data

HOUR_MS = 3_600_000
HEADER = "date,open,high,low,close,volume"


def written(folder: Path, text: str | bytes, name: str = "candles.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def lines(count: int = 4, step_ms: int = HOUR_MS) -> list[str]:
    return [
        f"{START_MS + row * step_ms},{100 + row},{105 + row}.5,{95 + row},{101 + row}.25,{row}.125"
        for row in range(count)
    ]


def refusal(path: Path, timeframe: Timeframe | None = None) -> str:
    with pytest.raises(WrongUseError) as caught:
        read_candles(path, timeframe)
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1704067200", "1704070800"),
        ("1704067200.0", "1704070800.0"),
        ("1704067200000", "1704070800000"),
        ("1704067200000000", "1704070800000000"),
        ("1704067200000000000", "1704070800000000000"),
        ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"),
        ("2024-01-01 00:00:00", "2024-01-01 01:00:00"),
        ("2024-01-01T00:00", "2024-01-01T01:00"),
        ("2024-01-01T00:00:00+00:00", "2024-01-01T01:00:00+00:00"),
        ("2024-01-01T02:00:00+02:00", "2024-01-01T03:00:00+02:00"),
        ("2024-01-01T00:00:00.000Z", "2024-01-01T01:00:00.000Z"),
        ("2024-01-01", "2024-01-01T01:00:00Z"),
    ],
)
def test_times_are_read_in_every_usual_form(tmp_path: Path, first: str, second: str) -> None:
    path = written(tmp_path, f"{HEADER}\n{first},1,2,1,2,3\n{second},2,3,2,3,4\n")
    found = read_candles(path)
    assert found.candles.time_ms.tolist() == [START_MS, START_MS + HOUR_MS]
    assert found.timeframe is Timeframe.H1
    assert found.holes == ()


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("zipped", [False, True])
def test_columns_are_found_by_name_in_any_order_and_case(
    tmp_path: Path, ending: str, delimiter: str, zipped: bool
) -> None:
    rows = [
        'Volume,"Close",LOW,High,Open,note,Timestamp',
        "7,2,1,3,1.5,x,1704067200",
        "8,3,2,4,2,y,1704067500",
    ]
    text = ("\ufeff" + ending.join(rows).replace(",", delimiter) + ending).encode()
    path = written(tmp_path, gzip.compress(text) if zipped else text)
    candles = read_candles(path).candles
    assert candles.timeframe is Timeframe.M5
    assert candles.bar(0) == (START_MS, 1.5, 3.0, 1.0, 2.0, 7.0)
    assert candles.volume.tolist() == [7.0, 8.0]


def test_without_a_header_columns_go_by_position(tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join(f"{line},ignored,0" for line in lines()))
    candles = read_candles(path).candles
    assert len(candles) == 4
    assert candles.bar(3) == (START_MS + 3 * HOUR_MS, 103.0, 108.5, 98.0, 104.25, 3.125)


def test_holes_are_told_by_line_and_do_not_stop_the_read(tmp_path: Path) -> None:
    rows = lines(10)
    del rows[6:9], rows[2]
    found = read_candles(written(tmp_path, "\n".join([HEADER, *rows])))
    assert [(hole.line, hole.bars) for hole in found.holes] == [(4, 1), (7, 3)]
    assert found.holes[1].first_ms == START_MS + 6 * HOUR_MS
    assert found.holes[1].last_ms == START_MS + 8 * HOUR_MS
    assert str(found.holes[0]) == "line 4: 1 bar is missing before it, 2024-01-01T02:00:00Z"
    assert "3 bars are missing before it, 2024-01-01T06:00:00Z to 2024-01-01T08:00:00Z" in str(found.holes[1])
    assert len(found.candles) == 6


@pytest.mark.parametrize(
    ("line", "row", "said"),
    [
        (3, "1704070800000,1,2,1,abc,3", ["column close", '"abc" is not a number']),
        (3, "1704070800000,1,2,1,,3", ["column close", "missing"]),
        (3, "1704070800000,1_0,20,1,2,3", ["column open", '"1_0"']),
        (3, "1704070800000,nan,2,1,2,3", ["column open", '"nan" is not a number']),
        (3, "1704070800000,1,inf,1,2,3", ["column high", '"inf"']),
        (3, "1704070800000,1,2,1,2,-3", ["column volume", "-3 is negative"]),
        (3, "1704070800000,0,2,0,2,3", ["column low", "0 is not above zero"]),
        (3, "1704070800000,1,2,3,2,3", ["column high", "2 is below low"]),
        (3, "1704070800000,1,2,1,2.5,3", ["column high", "below open or close"]),
        (3, "1704070800000,1,2,1.5,2,3", ["column low", "above open or close"]),
        (3, "1704070800000,1,2,1,2", ["5 cells instead of 6"]),
        (3, "1704070800000,1,2,1,2,3,4", ["7 cells instead of 6"]),
        (3, "", ["an empty line"]),
        (3, "yesterday,1,2,1,2,3", ["column time", '"yesterday" is not a time']),
        (3, "2024-13-01T01:00:00Z,1,2,1,2,3", ["column time", '"2024-13-01T01:00:00Z"']),
        (3, "-5,1,2,1,2,3", ["column time", '"-5"']),
        (3, "1704067200000,1,2,1,2,3", ["column time", "repeats the time of line 2"]),
        (3, "1704063600000,1,2,1,2,3", ["column time", "is older than the time of line 2"]),
        (
            3,
            "1704070801000,1,2,1,2,3",
            ["column time", "2024-01-01T01:00:01Z is not the open time of a 1h bar"],
        ),
    ],
)
def test_a_mistake_is_named_by_line_and_column(tmp_path: Path, line: int, row: str, said: list[str]) -> None:
    rows = lines(6)
    rows[1] = row
    path = written(tmp_path, "\n".join([HEADER, *rows]))
    sentence = refusal(path)
    assert f"line {line}," in sentence
    assert str(path) in sentence
    for part in said:
        assert part in sentence


def test_iso_times_that_do_not_exist_are_named(tmp_path: Path) -> None:
    rows = [f"2024-02-{day}T00:00:00Z,1,2,1,2,3" for day in (27, 28, 30)]
    assert 'line 4, column time: "2024-02-30T00:00:00Z"' in refusal(
        written(tmp_path, "\n".join([HEADER, *rows]))
    )


def test_the_first_five_mistakes_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    rows = [line.replace(".5,", ".x,") for line in lines(9)]
    sentence = refusal(written(tmp_path, "\n".join([HEADER, *rows])))
    assert "9 mistakes" in sentence
    assert [f"line {line}," in sentence for line in range(2, 9)] == [True] * 5 + [False] * 2
    assert sentence.endswith("and 4 more")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (HEADER.encode() + b"\n", "holds no rows"),
        (b"date,open,high,low,close\n1,2,3,4,5\n", "no column for volume"),
        (b"what,is,this\n1,2,3\n", "neither a header"),
        (b"1704067200,1,2,1,2\n", "5 columns; without a header they must be time, open"),
        (b"\x1f\x8b\x08\x00broken", "damaged gzip"),
        (gzip.compress(b"date,open\n" * 50, mtime=0)[:-12], "damaged gzip"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not text with a row on each line"),
        ("\n".join([HEADER, lines(1)[0]]).encode(), "one candle"),
        ("\n".join([HEADER, *lines(4, 7 * 60_000)]).encode(), "fits no timeframe"),
    ],
)
def test_what_is_no_candle_file_is_refused_with_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refusal(written(tmp_path, content))


def test_a_file_that_cannot_be_opened_is_wrong_use(tmp_path: Path) -> None:
    assert "cannot read" in refusal(tmp_path / "nothing.csv")
    assert "cannot read" in refusal(tmp_path)


def test_another_timeframe_than_wanted_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join([HEADER, *lines()]))
    assert read_candles(path, Timeframe.H1).timeframe is Timeframe.H1
    assert "holds 1h candles, but 5m candles are needed" in refusal(path, Timeframe.M5)


def test_one_candle_is_enough_when_its_timeframe_is_given(tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join([HEADER, lines(1)[0]]))
    assert len(read_candles(path, Timeframe.H1).candles) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(1e-12, 1e18),
            st.decimals("0.000001", "9999999999", places=6).map(str),
            st.integers(1, 10**17),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_numbers_equal_what_python_reads(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[object]
) -> None:
    folder = tmp_path_factory.mktemp("numbers")
    rows = [f"{START_MS + row * 60_000},{n},{n},{n},{n},{n}" for row, n in enumerate(numbers)]
    candles = read_candles(written(folder, "\n".join(rows)), Timeframe.M1).candles
    assert candles.close.tolist() == [float(str(number)) for number in numbers]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 199), st.integers(0, 5), st.sampled_from(["abc", "", "1.2.3", "--1", "1e", "0x10", "١"])
)
def test_a_damaged_cell_is_found_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, row: int, column: int, text: str
) -> None:
    rows = [line.split(",") for line in lines(200)]
    rows[row][column] = text
    path = written(
        tmp_path_factory.mktemp("cells"), "\n".join([HEADER, *(",".join(cells) for cells in rows)])
    )
    role = ("time", "open", "high", "low", "close", "volume")[column]
    assert f"line {row + 2}, column {role}: " in refusal(path)


def test_lines_are_counted_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstwatch.market.table._CHUNK_BYTES", 512)
    rows = lines(300)
    whole = read_candles(written(tmp_path, "\n".join(rows))).candles
    assert whole.open.tolist() == [100.0 + row for row in range(300)]
    rows[250] = rows[250].replace(",", ",x", 1)
    assert "line 251, column open" in refusal(written(tmp_path, "\n".join(rows)))


def test_candles_are_written_and_read_back_to_the_bit(tmp_path: Path) -> None:
    candles = generated_candles(3, 2_000, Timeframe.M15)
    write_candles(tmp_path / "c.csv", candles)
    back = read_candles(tmp_path / "c.csv").candles
    assert back.timeframe is Timeframe.M15
    assert back.bars() == candles.bars()


def test_funding_is_written_and_read_back_to_the_bit(tmp_path: Path) -> None:
    funding = SyntheticMarket(3, Timeframe.H1).funding(START_MS, START_MS + 500 * HOUR_MS)
    write_funding(tmp_path / "f.csv", funding)
    back = read_funding(tmp_path / "f.csv")
    assert np.array_equal(back.time_ms, funding.time_ms)
    assert np.array_equal(back.rate, funding.rate)


@pytest.mark.parametrize(
    "text",
    [
        "date,funding_rate\n1704067200,-1.5e-05\n",
        "1704067200,-1.5e-05",
        "date,open,rate\n1704067200,9,-0.000015\n",
    ],
)
def test_funding_columns(tmp_path: Path, text: str) -> None:
    funding = read_funding(written(tmp_path, text))
    assert funding.between(START_MS, START_MS + 1) == [(START_MS, -1.5e-05)]
    assert funding.between(START_MS + 1, START_MS + 2) == []


def test_funding_that_repeats_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="line 3, column time"):
        read_funding(written(tmp_path, "date,rate\n1704067200,0.1\n1704067200,0.1\n"))


def refused_funding(folder: Path, text: str) -> str:
    with pytest.raises(WrongUseError) as caught:
        read_funding(written(folder, text, "funding.csv"))
    return str(caught.value)


def test_candles_are_no_funding_whatever_they_cost(tmp_path: Path) -> None:
    rows = "\n".join(lines())
    assert "holds candles" in refused_funding(tmp_path, f"{HEADER}\n{rows}")
    cheap = f"{HEADER}\n{START_MS},0.0001,0.0002,0.0001,0.0001,5"
    assert "holds candles" in refused_funding(tmp_path, cheap)
    assert "6 columns without a header" in refused_funding(tmp_path, rows)
    rates = f"{HEADER}\n{START_MS},0.0001,0.0,0.0,0.0,0.0"
    assert read_funding(written(tmp_path, rates)).rate.tolist() == [0.0001]


def test_a_column_that_cannot_be_known_for_the_rate_is_refused(tmp_path: Path) -> None:
    said = refused_funding(tmp_path, f"{START_MS},8,-0.0000275\n{START_MS + 8 * HOUR_MS},8,0.0001")
    assert "line 1: 3 columns without a header" in said
    named = f"calc_time,funding_interval_hours,last_funding_rate\n{START_MS},8,-0.0000275"
    assert read_funding(written(tmp_path, named)).rate.tolist() == [-0.0000275]


@pytest.mark.parametrize("rate", [8, -8, 0.0501, -1])
def test_a_rate_that_no_venue_takes_is_refused_with_its_line(tmp_path: Path, rate: float) -> None:
    said = refused_funding(tmp_path, f"time,rate\n{START_MS},0.0001\n{START_MS + HOUR_MS},{rate}")
    assert "line 3, column rate" in said
    assert "venues take at most 5 %" in said


@pytest.mark.parametrize(("step_hours", "rate"), [(1, 0.00125), (8, 0.01)])
def test_rates_in_per_cent_are_refused(tmp_path: Path, step_hours: int, rate: float) -> None:
    rows = [f"{START_MS + row * step_hours * HOUR_MS},{rate * (-1) ** row}" for row in range(40)]
    assert "per cent" in refused_funding(tmp_path, "\n".join(rows))
    fractions = [f"{START_MS + row * step_hours * HOUR_MS},{rate / 100}" for row in range(40)]
    assert len(read_funding(written(tmp_path, "\n".join(fractions)))) == 40


def test_a_stamp_a_little_behind_a_minute_is_due_at_it(tmp_path: Path) -> None:
    stamps = [0, HOUR_MS + 3, 2 * HOUR_MS + 2_000, 3 * HOUR_MS + 2_001, 4 * HOUR_MS - 1]
    text = "\n".join(f"{START_MS + stamp},0.0001" for stamp in stamps)
    due = [0, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS + 2_001, 4 * HOUR_MS - 1]
    assert (read_funding(written(tmp_path, text)).time_ms - START_MS).tolist() == due
    twice = f"time,rate\n{START_MS},0.0001\n{START_MS + 3},0.0001"
    assert "line 3, column time" in refused_funding(tmp_path, twice)


@pytest.mark.parametrize(
    ("times", "missing"),
    [
        ([*range(101)], []),
        ([*range(0, 101, 8)], []),
        ([*range(40, 101)], [(0, 40)]),
        ([*range(61)], [(60, 100)]),
        ([*range(31), *range(40, 101)], [(30, 40)]),
        ([*range(0, 41, 8), *range(41, 101)], []),
        ([50], [(0, 50), (50, 100)]),
        ([*range(200, 300)], [(0, 100)]),
        ([*range(-300, -200)], [(0, 100)]),
        ([], []),
    ],
)
def test_the_time_without_funding_rates_is_known(times: list[int], missing: list[tuple[int, int]]) -> None:
    series = FundingSeries(np.array(times, dtype=np.int64) * HOUR_MS, np.full(len(times), 1e-5))
    found = series.uncovered(0, 100 * HOUR_MS)
    assert [(start // HOUR_MS, end // HOUR_MS) for start, end in found] == missing


@pytest.mark.parametrize(
    ("name", "bars", "timeframe"),
    [
        ("binance_BTCUSDT_perp_1h", 58_623, Timeframe.H1),
        ("binance_BTCUSDT_perp_1m", 43_199, Timeframe.M1),
        ("hyperliquid_BTCUSDC_perp_1h", 7_793, Timeframe.H1),
        ("hyperliquid_BTCUSDC_perp_5m", 38_531, Timeframe.M5),
        ("hyperliquid_BTCUSDC_perp_1m", 6_808, Timeframe.M1),
    ],
)
def test_real_candles_equal_what_the_csv_module_reads(name: str, bars: int, timeframe: Timeframe) -> None:
    path = shared_data(name)
    found = read_candles(path)
    assert (len(found.candles), found.timeframe, found.holes) == (bars, timeframe, ())
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert found.candles.time_ms.tolist() == [parse_iso(row[0]) for row in rows]
    for column, role in enumerate(("open", "high", "low", "close", "volume"), start=1):
        assert getattr(found.candles, role).tolist() == [float(row[column]) for row in rows]


def test_real_funding_equals_what_the_csv_module_reads() -> None:
    path = shared_data("hyperliquid_BTCUSDC_perp_1h_funding")
    funding = read_funding(path)
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert funding.rate.tolist() == [float(row[1]) for row in rows]
    assert len(funding) == 18_778
    assert math.isclose(funding.rate[0], -0.0006133368)
