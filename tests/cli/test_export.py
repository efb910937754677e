"""``firstwatch export``: to standard output or a file, and every refusal in a sentence."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from firstwatch.store import equity, trades
from firstwatch.store.database import open_store
from tests.store.made import NOW_MS, made_run, made_trade


@pytest.fixture
def run(home):
    """The id of a run with 3 trades and 20,000 points of equity."""
    store = open_store(home)
    with store.write() as session:
        made = made_run(session)
        for number in range(3):
            trades.add_trade(session, made.id, made_trade(number))
        equity.add_equity(session, made.id, [(NOW_MS + 60_000 * n, 1000.0 + n) for n in range(20_000)])
    store.close()
    return made.id


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_standard_output_has_the_table_and_nothing_else(firstwatch, run):
    answer = firstwatch("export", run, "--what", "equity", "--format", "csv")
    assert (answer.code, answer.err) == (0, "")
    assert [float(row["equity"]) for row in rows(answer.out)] == [1000.0 + n for n in range(20_000)]
    assert len(firstwatch("export", run[:16], "--what", "trades", "--format", "json").json) == 3
    assert firstwatch("export", run, "--json").json == firstwatch("export", run, "--format", "json").json


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_file_takes_the_place_of_an_older_one(firstwatch, run, tmp_path, form):
    path = tmp_path / f"out.{form}"
    path.write_text("older")
    answer = firstwatch("export", run, "--what", "trades", "--format", form, "--out", path)
    assert answer.out == f"{path} has the trades of run {run}: 3 rows.\n"
    read = {
        "csv": lambda: rows(path.read_text()),
        "json": lambda: json.loads(path.read_text()),
        "parquet": lambda: pq.read_table(path).to_pylist(),
    }
    assert [int(row["number"]) for row in read[form]()] == [1, 2, 3]
    told = firstwatch("export", run, "--format", form, "--out", path, "--json").json
    assert told == {"run": run, "what": "trades", "format": form, "rows": 3, "file": str(path)}
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nothing", "--out", "out.csv"), 2, "There is no run"),
        (("\x1b[2Jx",), 2, "There is no run"),
        (("0", "--format", "parquet"), 2, "add --out FILE"),
        (("0", "--what", "prices"), 2, "prices"),
        (("0", "--format", "xlsx"), 2, "xlsx"),
        (("0", "--out", "."), 1, "is not a regular file"),
        (("0", "--out", "none/\x1b[2J.csv"), 1, "cannot be written: No such file"),
        (("0", "--out", "x" * 300), 1, "cannot be written: File name too long"),
    ],
)
def test_a_refusal_is_a_sentence_and_leaves_nothing(firstwatch, run, tmp_path, words, code, said):
    answer = firstwatch("export", *words)
    assert answer.code == code
    assert said in answer.err
    assert "\x1b" not in answer.err
    assert "Unexpected" not in answer.err
    assert answer.out == ""
    assert [each.name for each in tmp_path.iterdir()] == ["home"]


def test_parquet_without_its_extra_says_what_to_install(firstwatch, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = firstwatch("export", run, "--format", "parquet", "--out", "out.parquet")
    assert answer.code == 2
    assert "pip install 'firstwatch[arrow]'" in answer.err
    assert not (tmp_path / "out.parquet").exists()


def test_a_damaged_row_leaves_the_older_file(firstwatch, run, home, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("older")
    with sqlite3.connect(home / "firstwatch.db") as connection:
        connection.execute("UPDATE trade SET pnl = 'much' WHERE number = 2")
    connection.close()
    answer = firstwatch("export", run, "--out", path)
    assert answer.code == 1
    assert "firstwatch doctor" in answer.err
    assert path.read_text() == "older"
    assert firstwatch("export", run).out == ""


def test_a_reader_that_leaves_ends_the_command_without_a_word(run, home):
    command = [sys.executable, "-m", "firstwatch", "export", run, "--what", "equity"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "LANG": "C"}
    ) as process:
        assert process.stdout.readline().startswith(b"run,time,time_ms,equity")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
