"""Files that are no candles are refused at once: in little memory, with a short sentence."""

import gzip
import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from firstwatch.market.files import read_candles
from firstwatch.trading.errors import WrongUseError

HEADER = b"date,open,high,low,close,volume\n"


def refusal(path: Path) -> str:
    tracemalloc.start()
    try:
        with pytest.raises(WrongUseError) as caught:
            read_candles(path)
        assert tracemalloc.get_traced_memory()[1] < 300e6
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 3_000
    return str(caught.value)


def packed(path: Path, piece: bytes, times: int) -> Path:
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(times):
            file.write(piece)
    return path


def test_a_gzip_bomb_of_nothing(tmp_path):
    assert "not text" in refusal(packed(tmp_path / "bomb.gz", bytes(1 << 20), 100))


def test_a_gzip_bomb_of_rows(tmp_path):
    row = b"2025-01-01,1,1,1,1,1\n"
    assert "MB" in refusal(packed(tmp_path / "bomb.gz", HEADER + row * 50_000, 100))


def test_a_device_that_never_ends():
    assert "not text" in refusal(Path("/dev/zero"))


def test_a_first_line_that_never_ends(tmp_path):
    (tmp_path / "line.csv").write_bytes(b"a," * 2_000_000)
    assert "not text with a row on each line" in refusal(tmp_path / "line.csv")


def test_a_name_that_no_system_takes():
    assert "null byte" in refusal(Path("a\0b"))


def test_mistakes_on_every_line_are_not_counted_to_the_end(tmp_path):
    (tmp_path / "bad.csv").write_bytes(HEADER + b"x,y,z,a,b,c\n" * 500_000)
    said = refusal(tmp_path / "bad.csv")
    assert "line 2, column" in said
    assert "1000 mistakes" in said


def test_candles_from_a_pipe_are_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    rows = b"".join(b"%d,1,1,1,1,1\n" % (1_704_067_200 + 60 * number) for number in range(10))
    writer = threading.Thread(target=lambda: pipe.write_bytes(gzip.compress(HEADER + rows)))
    writer.start()
    assert len(read_candles(pipe).candles) == 10
    writer.join()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"7300000000,1,1,1,1,1", "1970 to 2199"),
        (b"2200-01-01,1,1,1,1,1", "1970 to 2199"),
        (b"1969-12-31,1,1,1,1,1", "1970 to 2199"),
        (b"0001-01-01T00:00:00+14:00,1,1,1,1,1", "is not a time"),
        (b"1704067200,1,1,1,1,1e300", "more than any market has"),
        (b"1704067200,1,1,1,1," + b"9" * 5_000, "is not a number"),
        (b"1704067200,1,1,1,1,1e400", "is not a number"),
        (b"1" * 5_000 + b",1,1,1,1,1", "is not a time"),
        ("1704067200,1,1,1,1,١".encode(), "is not a number"),
    ],
)
def test_a_cell_beyond_bounds(tmp_path, row, said):
    (tmp_path / "bad.csv").write_bytes(HEADER + row + b"\n")
    assert said in refusal(tmp_path / "bad.csv")
