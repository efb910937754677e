"""An older store that holds data becomes this program's, after a backup, whole or not at all."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import firstwatch.store
from firstwatch.store import (
    alarms,
    algorithms,
    fills,
    journal,
    migrating,
    orders,
    runs,
    schema,
    wallet_status,
    wallets,
)
from firstwatch.store.database import open_store
from firstwatch.store.migrating import migrate
from firstwatch.store.packing import pack
from firstwatch.store.schema import OlderStoreError
from firstwatch.trading.errors import StoreError
from firstwatch.trading.events import Noted
from firstwatch.trading.orders import OrderState, Side
from firstwatch.trading.runs import RunState
from tests.store.made import NOW_MS, made_fill, made_order, made_run, run_id_of

RUN = run_id_of(1)


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(firstwatch.store.__file__).parent / "migrations"))
    return made


def make_old(folder: Path, revision: str) -> Path:
    """Make a store of an older revision with the revisions themselves, and put rows in it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "firstwatch.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    made = config()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as session:
        made.attributes["connection"] = session
        command.upgrade(made, revision)
    engine.dispose()
    path.chmod(0o600)
    return path


def fill_first_shape(path: Path) -> None:
    order, fill = made_order(RUN, 1, OrderState.FILLED), made_fill(order_id=f"{RUN}{1:016x}")
    settings = (
        '{"algorithm": "RSI", "version": 1, "wallet": "w1", "symbol": "BTC/USDC:USDC", "capital": "1000.5"}'
    )
    rows: dict[str, dict[str, object]] = {
        "algorithm": {"id": 1, "name": "RSI", "created_at_ms": 1},
        "algorithm_version": {
            "id": 1,
            "algorithm_id": 1,
            "number": 1,
            "spec_json": "{}",
            "sha256": "ab" * 32,
            "created_at_ms": 1,
        },
        "wallet": {
            "id": 1,
            "name": "w1",
            "venue": "paper",
            "kind": "paper",
            "account": "w1",
            "created_at_ms": 1,
        },
        "run": {
            "id": RUN,
            "wallet_id": 1,
            "version_id": 1,
            "settings_json": settings,
            "state": "RUNNING",
            "paused": 0,
            "pause_reason": "",
            "health": "ok",
            "exposure": "exposed",
            "protection": "protected",
            "sentence": "",
            "created_at_ms": NOW_MS,
            "market_json": "{}",
        },
        "run_order": {
            "client_order_id": order.client_order_id,
            "run_id": RUN,
            "account": "w1",
            "symbol": "BTC/USDC:USDC",
            "purpose": "entry",
            "side": "buy",
            "kind": "limit",
            "amount": "0.01",
            "reduce_only": 0,
            "price": "60000.1",
            "state": "FILLED",
            "filled": "0.01",
            "body": b"request",
            "history_json": "[]",
            "created_at_ms": NOW_MS,
            "updated_at_ms": NOW_MS,
        },
        "fill": {
            "venue": "paper",
            "fill_id": "f1",
            "run_id": RUN,
            "client_order_id": fill.client_order_id,
            "account": "w1",
            "symbol": "BTC/USDC:USDC",
            "side": "buy",
            "amount": "0.01",
            "price": "60000.1",
            "fee": "0.27000045",
            "builder_fee": "0",
            "is_maker": 0,
            "is_liquidation": 0,
            "time_ms": NOW_MS,
            "local_time_ms": NOW_MS,
        },
    }
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, values in rows.items():
            marks = ", ".join("?" for _ in values)
            connection.execute(
                f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values())
            )


def shape_of(path: Path) -> dict[str, object]:
    """Everything that SQLite knows about a schema, whatever the text of its statements."""
    shape: dict[str, object] = {}
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            shape[table] = {
                "columns": connection.execute(f"PRAGMA table_xinfo({table})").fetchall(),
                "references": sorted(
                    row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({table})").fetchall()
                ),
                "indexes": sorted(
                    (
                        name if origin == "c" else origin,
                        unique,
                        origin,
                        partial,
                        tuple(connection.execute(f"PRAGMA index_xinfo({name})").fetchall()),
                    )
                    for _, name, unique, origin, partial in connection.execute(
                        f"PRAGMA index_list({table})"
                    ).fetchall()
                ),
            }
        for name, sql in connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ):
            shape[f"index {name}"] = " ".join(sql.split())
        constraints = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
    for table, sql in constraints:
        lines = (line.strip().rstrip(",") for line in sql.splitlines())
        shape[f"constraints of {table}"] = sorted(line for line in lines if line.startswith("CONSTRAINT"))
    return shape


def test_the_known_revisions_are_those_of_the_files() -> None:
    scripts = ScriptDirectory.from_config(config())
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(schema.REVISIONS))
    assert scripts.get_current_head() == schema.HEAD


@pytest.mark.parametrize("revision", schema.REVISIONS[:-1])
def test_a_migrated_store_has_the_shape_of_a_new_one(tmp_path: Path, revision: str) -> None:
    open_store(tmp_path / "new").close()
    old = make_old(tmp_path / "old", revision)
    assert shape_of(old) != shape_of(tmp_path / "new" / "firstwatch.db")
    migrate(tmp_path / "old")
    assert shape_of(old) == shape_of(tmp_path / "new" / "firstwatch.db")


def test_an_older_store_is_refused_until_it_is_migrated_and_keeps_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    path = make_old(folder, "0001")
    fill_first_shape(path)
    before = path.read_bytes()
    said = rf"has schema 0001, this program {schema.HEAD}. Start the engine"
    with pytest.raises(OlderStoreError, match=said):
        open_store(folder)
    assert path.read_bytes() == before

    done = migrate(folder)
    assert done is not None
    assert (done.old, done.new, done.backup.name) == ("0001", schema.HEAD, "firstwatch.db.backup-0001")
    assert done.backup.stat().st_mode & 0o777 == 0o600
    assert migrate(folder) is None

    store = open_store(folder)
    with store.read() as session:
        run = runs.get_run(session, RUN)
        assert (run.state, run.settings.capital, dict(run.first_bars)) == (
            RunState.RUNNING,
            Decimal("1000.5"),
            {},
        )
        (order,) = orders.orders_of(session, RUN)
        assert (order.state, order.body, order.touch_at_decision) == (OrderState.FILLED, b"request", None)
        (fill,) = fills.fills_of(session, RUN)
        assert fill.fill.account == "w1"
        assert (fill.fill.fee, fill.mid_at_decision) == (Decimal("0.27000045"), None)
        # It never got any.
        assert wallet_status.wallet_statuses(session)[1].money == wallet_status.WalletMoney(
            Decimal(0), Decimal(0), (), 1
        )
    with store.write() as session:
        made_run(session, 2)
        wallet_status.set_money(session, 1, wallet_status.WalletMoney(Decimal(5), Decimal(0), (), NOW_MS))
    with store.read() as session:
        assert wallet_status.wallet_statuses(session)[1].money == wallet_status.WalletMoney(
            Decimal(5), Decimal(0), (), NOW_MS
        )
    store.close()

    with closing(sqlite3.connect(done.backup)) as backup:
        assert schema.revision_of(backup) == "0001"
        assert backup.execute("SELECT name FROM wallet").fetchall() == [("w1",)]


def test_there_is_nothing_to_migrate_in_an_empty_folder(tmp_path: Path) -> None:
    assert migrate(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_newer_store_is_not_migrated(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "firstwatch.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(StoreError, match="newer firstwatch"):
        migrate(tmp_path)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_migration_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = make_old(tmp_path, "0001")
    fill_first_shape(path)
    before = shape_of(path)

    def failing(upgrade: Callable[[Config, str], None]) -> Callable[[Config, str], None]:
        def run(made: Config, revision: str) -> None:
            if when == "after":
                upgrade(made, revision)
            made.attributes["connection"].exec_driver_sql("INSERT INTO nowhere VALUES (1)")

        return run

    monkeypatch.setattr(command, "upgrade", failing(command.upgrade))
    with pytest.raises(StoreError, match="Cannot migrate the store"):
        migrate(tmp_path)
    assert shape_of(path) == before
    monkeypatch.undo()
    assert migrate(tmp_path) is not None


def test_a_backup_that_cannot_be_written_stops_the_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_old(tmp_path, "0001")
    before = path.read_bytes()

    def no_space(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrating, "_back_up", no_space)
    with pytest.raises(StoreError, match=r"Cannot back up .* Nothing was changed"):
        migrate(tmp_path)
    assert path.read_bytes() == before


def test_a_process_of_the_old_schema_says_so_after_another_has_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_old(tmp_path, "0001")
    with monkeypatch.context() as old_program:
        old_program.setattr(schema, "REVISIONS", ("0001",))
        old_program.setattr(schema, "HEAD", "0001")
        store = open_store(tmp_path)
        with store.read() as session:
            assert wallets.list_wallets(session) == []
    migrate(tmp_path)
    with monkeypatch.context() as old_program:
        old_program.setattr(schema, "REVISIONS", ("0001",))
        old_program.setattr(schema, "HEAD", "0001")
        with pytest.raises(StoreError, match="newer firstwatch"), store.read():
            pass
        with pytest.raises(StoreError, match="newer firstwatch"), store.write():
            pass
    store.close()


def test_opening_a_store_does_not_import_alembic(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from firstwatch.store.database import open_store
open_store(Path(sys.argv[1])).close()
print([name for name in ("alembic", "numpy", "talib", "ccxt") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_alarms_that_stood_before_stand_in_rows_of_their_own(tmp_path: Path) -> None:
    """Told from the journal, packed or not; a damaged row of it is no alarm."""
    path = make_old(tmp_path, "0001")
    fill_first_shape(path)
    raised = '{"kind":"alarm_raised","topic":"%s","sentence":"%s"}'
    cleared = '{"kind":"alarm_cleared","topic":"%s"}'
    told = [
        raised % ("stale", "no bars"),
        raised % ("unprotected", "no stop"),
        pack((raised % ("unprotected", "still no stop")).encode()),
        cleared % "stale",
        "{",
        pack(b"{}")[:-1],
        "[]",
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO run_event VALUES (?, ?, 'alarm_raised', 1, ?, 'system', NULL, ?)",
            [(RUN, 100 + number, payload, NOW_MS + number) for number, payload in enumerate(told)],
        )
    migrate(tmp_path)
    store = open_store(tmp_path)
    with store.read() as session:
        assert alarms.active_alarms(session) == [
            alarms.ActiveAlarm(RUN, "unprotected", "still no stop", NOW_MS + 1, raised=2)
        ]
    store.close()


def test_entries_of_all_journals_are_numbered_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    path = make_old(tmp_path, "0017")
    fill_first_shape(path)
    noted = '{"kind":"noted","sentence":"%s"}'
    rows = [
        (1, "noted", noted % "a"),
        (3, "noted,noted", f"[{noted % 'b'},{noted % 'c'}]"),
        (4, "noted", noted % "d"),
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO run_event VALUES (?, ?, ?, 1, ?, 'system', NULL, 5)",
            [(RUN, sequence, kind, payload) for sequence, kind, payload in rows],
        )
    migrate(tmp_path)
    store = open_store(tmp_path)
    with store.write() as session:
        journal.append_system_events(session, RUN, [Noted(sentence="e"), Noted(sentence="f")], now_ms=6)
        found = journal.numbered_after(session, 0, limit=10)
    store.close()
    assert [(number, entry.sequence, entry.event) for number, entry in found] == [
        (number, number, Noted(sentence=sentence)) for number, sentence in enumerate("abcdef", 1)
    ]


def test_algorithms_of_an_older_store_are_as_they_were_and_can_be_renamed(tmp_path: Path) -> None:
    path = make_old(tmp_path, "0019")
    fill_first_shape(path)
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("SELECT spec_json, sha256, number FROM algorithm_version").fetchall()
    migrate(tmp_path)
    store = open_store(tmp_path)
    with store.write() as session:
        (version,) = algorithms.list_versions(session)
        assert [(version.spec_json, version.sha256, version.number)] == before
        assert (version.note, version.parent_id, version.is_archived) == ("", None, False)
        algorithms.rename(session, "RSI", "Dips")
        assert algorithms.get_version(session, "RSI", 1).label == "Dips@1"
        assert runs.get_run(session, RUN).settings.algorithm == "Dips"
    store.close()


def test_paper_wallets_have_their_money_where_the_books_of_their_venue_say_it(tmp_path: Path) -> None:
    path = make_old(tmp_path, "0007")
    fill_first_shape(path)
    state = (
        '{"name": "%s", "cash": "-7.5", "leverage": "4", "position": {"sign": %d, "steps": %d, "entry_price":'
        ' 0.0, "margin": %s, "entered_bar_ms": -1, "limit_bar_ms": -1}}'
    )
    order = '{"kind": "limit", "reduce_only": %s, "steps": 30, "filled_steps": 10, "price": "50000"}'
    accounts = {
        "w1": state % ("w1", -1, 25, "12.5"),
        "flat": state % ("flat", 0, 0, "0.0"),
        "odd": state % ("odd", 1, 5, "3.5"),
        "broken": "{",
    }
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            'UPDATE run SET market_json = \'{"symbol": "BTC/USDC:USDC", "amount_step": "0.001"}\''
        )
        connection.executemany(
            "INSERT INTO wallet (id, name, venue, kind, account, created_at_ms) VALUES (?, ?, ?, ?, ?, 3)",
            [
                (2, "flat", "paper", "paper", "flat"),
                (3, "odd", "paper", "paper", "odd"),
                (4, "broken", "paper", "paper", "broken"),
                (5, "fresh", "paper", "paper", "fresh"),
                (6, "live", "hl", "hyperliquid", "0x1"),
            ],
        )
        connection.executemany(
            "INSERT INTO paper_deposit (venue, account, amount, time_ms) VALUES ('paper', ?, ?, 1)",
            [(name, amount) for name in (*accounts, "fresh") for amount in ("1000", "-50.25")],
        )
        connection.executemany("INSERT INTO paper_account VALUES ('paper', ?, ?, 9)", list(accounts.items()))
        connection.executemany(
            "INSERT INTO paper_order (venue, client_order_id, account, symbol, is_open, state_json)"
            " VALUES ('paper', ?, 'w1', 'BTC/USDC:USDC', ?, ?)",
            [
                ("1", 1, pack((order % "false").encode())),
                ("2", 1, order % "true"),
                ("3", 0, order % "false"),
            ],
        )
    migrate(tmp_path)
    store = open_store(tmp_path)
    with store.read() as session:
        known = {
            number: standing.money for number, standing in wallet_status.wallet_statuses(session).items()
        }
    store.close()
    short = wallet_status.Held("BTC/USDC:USDC", Side.SHORT, Decimal("0.025"))
    # Of the others it is not known: of a position without a market, of a text that is none, of a live one.
    assert known == {
        1: wallet_status.WalletMoney(Decimal("942.25"), Decimal("262.5"), (short,), 9),
        2: wallet_status.WalletMoney(Decimal("942.25"), Decimal(0), (), 9),
        5: wallet_status.WalletMoney(Decimal("949.75"), Decimal(0), (), 3),
    }
