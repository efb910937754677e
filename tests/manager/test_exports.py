"""Exports of a run: every column by golden files, numbers without noise, texts safe for spreadsheets."""

import csv
import io
import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from firstwatch.manager.export_files import whole_file, write_export
from firstwatch.manager.exports import COLUMNS, Kind
from firstwatch.store import equity, fills, journal, orders, trades
from firstwatch.store.database import open_store
from firstwatch.trading import events
from firstwatch.trading.errors import FirstwatchError, RefusedError
from firstwatch.trading.exports import Format, What
from firstwatch.trading.orders import OrderSide, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason
from firstwatch.trading.why import ConditionValue
from tests.store.made import NOW_MS, made_fill, made_order, made_run, made_trade

GOLDEN = Path(__file__).parent / "golden_exports"
README = Path(__file__).parents[2] / "README.md"
NOISE = re.compile(r"\d(0{6,}|9{6,})\d{1,3}\b|\d{17}")
"""Digits that a float64 or a division leaves behind the figures that mean something."""


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def run(store):
    """A run whose rows have noise, gains and losses, formulas and control characters."""
    with store.write() as session:
        made = made_run(session)
        noisy = Decimal("119275.14020000001")
        trades.add_trade(session, made.id, made_trade())
        trades.add_trade(
            session,
            made.id,
            replace(
                made_trade(2),
                side=Side.SHORT,
                exit_price=noisy,
                pnl=Decimal("-12.50"),
                favourable_excursion=Decimal("953.502411999994"),
            ),
        )
        moved = made_order(made.id, 2, OrderState.REJECTED)
        why = replace(moved.history[0], why="=HYPERLINK(\x1b[2J)")
        orders.upsert_order(session, made_order(made.id))
        orders.upsert_order(
            session,
            replace(
                moved, venue_order_id="@1", average_price=noisy, history=(why,), created_at_ms=NOW_MS + 7
            ),
        )
        for number, fill in enumerate((made_fill("+f1"), replace(made_fill("f2"), fee=Decimal("-0.01")))):
            stored = fills.StoredFill("paper", made.id, fill, NOW_MS + number, mid_at_decision=60000.1 * 3)
            fills.add_fill(session, stored)
        points = [(NOW_MS + 60_000 * n, 1000 + 0.1 * n * 3) for n in range(4)]
        equity.add_equity(session, made.id, [*points, (NOW_MS + 240_001, -0.000000004)])
        found = ConditionValue(
            group="entry.long.required", condition="rsi(14) < 30", left=0.1 * 3, right=30.0, value=True
        )
        said = [
            events.Noted(sentence="-1+2\u202e is no sum, \"quoted\""),
            events.EntryDecided(
                bar_time_ms=NOW_MS, side=Side.LONG, amount=Decimal("0.0100"), expected_price=0.1 * 3,
                conditions=(found,),
            ),
            events.FillBooked(
                fill_id="f1", client_order_id=None, side=OrderSide.BUY, amount=Decimal("0.01"), price=noisy,
                fee=Decimal("0.1"),
            ),
            events.ExitDecided(bar_time_ms=NOW_MS, reason=ExitReason.STOP_LOSS, expected_price=60000.0),
        ]  # fmt: skip
        journal.append_events(
            session, made.id, said, author=Author.SYSTEM, venue_time_ms=NOW_MS, local_time_ms=NOW_MS + 123
        )
        journal.append_events(
            session, made.id, [events.EntriesPaused(why="a test")], author=Author.AGENT_APPROVED,
            venue_time_ms=None, local_time_ms=NOW_MS + 124,
        )  # fmt: skip
    return made


def exported(store, run, what, form):
    file = io.BytesIO()
    with store.read() as session:
        count = write_export(session, run, what, form, file)
    return count, file.getvalue()


@pytest.mark.parametrize("what", What)
@pytest.mark.parametrize("form", [Format.CSV, Format.JSON])
def test_a_table_is_as_its_golden_file(store, run, what, form):
    count, data = exported(store, run, what, form)
    assert count == {What.EQUITY: 5, What.JOURNAL: 6}.get(what, 2)
    assert data.decode() == (GOLDEN / f"{what}.{form}").read_text(encoding="utf-8")


@pytest.mark.parametrize("what", What)
def test_parquet_has_the_columns_types_and_values_of_the_table(store, run, what):
    count, data = exported(store, run, what, Format.PARQUET)
    table = pq.read_table(io.BytesIO(data))
    shapes = "".join(f"{field.name}: {field.type}\n" for field in table.schema)
    assert shapes == (GOLDEN / f"{what}.schema").read_text()
    assert table.num_rows == count
    written = json.loads(exported(store, run, what, Format.JSON)[1], parse_float=Decimal)
    for row, wanted in zip(table.to_pylist(), written, strict=True):
        for column in COLUMNS[what]:
            found = row[column.name]
            if column.kind is Kind.TIME:
                found = found and found.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            elif column.kind is Kind.RECORD:
                found = json.loads(found, parse_float=Decimal)
            assert found == wanted[column.name], column


@pytest.mark.parametrize("what", What)
def test_csv_and_json_say_the_same_without_noise_or_what_a_spreadsheet_or_a_terminal_would_act_on(
    store, run, what
):
    text = exported(store, run, what, Format.CSV)[1].decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    document = json.loads(exported(store, run, what, Format.JSON)[1], parse_float=Decimal)
    kinds = {column.name: column.kind for column in COLUMNS[what]}
    for row, record in zip(rows, document, strict=True):
        assert list(row) == list(record)
        for name, cell in row.items():
            value = record[name]
            if kinds.get(name) is Kind.TEXT and value is not None:
                assert cell.removeprefix("'") == value
                assert cell[:1] not in "=+-@\t\r" or not cell
                assert cell.isprintable()
            elif kinds.get(name) is Kind.NUMBER and value is not None:
                assert Decimal(cell) == value
                assert not NOISE.search(cell)
    assert "119275.14020000001" not in text


def test_negative_numbers_stay_numbers(store, run):
    rows = list(csv.DictReader(io.StringIO(exported(store, run, What.TRADES, Format.CSV)[1].decode())))
    assert [row["pnl"] for row in rows] == ["0.60023457", "-12.5"]
    assert [row["funding"] for row in rows] == ["-0.1", "-0.1"]


def test_a_run_without_rows_is_a_table_without_rows(store):
    with store.write() as session:
        empty = made_run(session, 2)
    for form, wanted in ((Format.CSV, b"run,time,time_ms,equity\n"), (Format.JSON, b"[]\n")):
        assert exported(store, empty, What.EQUITY, form) == (0, wanted)
    assert pq.read_table(io.BytesIO(exported(store, empty, What.EQUITY, Format.PARQUET)[1])).num_rows == 0


def test_the_journal_is_whole_before_and_after_it_was_packed(store, run):
    said = [events.Noted(sentence=f"line {number}") for number in range(12_345)]
    with store.write() as session:
        for first in range(0, len(said), 100):
            journal.append_system_events(session, run.id, said[first : first + 100], now_ms=NOW_MS)
    before = exported(store, run, What.JOURNAL, Format.CSV)
    assert before[0] == 6 + len(said)
    with store.write() as session:
        archive = journal.journal_to_archive(session, run.id)
        journal.archive_journal(session, archive)
        while journal.drop_archived(session, run.id, 1_000).rowcount:
            pass
    assert exported(store, run, What.JOURNAL, Format.CSV) == before


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "trades.csv"
    path.write_text("before")

    def fail():
        with whole_file(path) as file:
            file.write(b"half")
            raise RefusedError("no")

    with pytest.raises(RefusedError):
        fail()
    assert path.read_text() == "before"
    with whole_file(path) as file:
        file.write(b"after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_or_a_missing_place_is_a_sentence(tmp_path):
    for path, said in ((tmp_path, "not a regular file"), (tmp_path / "none" / "x.csv", "No such file")):
        with pytest.raises(FirstwatchError, match=f"cannot be written: .*{said}"), whole_file(path):
            pass


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with whole_file(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("what", What)
def test_the_readme_names_every_column(what):
    row = next(line for line in README.read_text().splitlines() if line.startswith(f"| `{what}` |"))
    named = row.split("|")[2].replace("`", "").split()
    assert named == [f"{c.name}*" if c.kind is Kind.TIME else c.name for c in COLUMNS[what]]
