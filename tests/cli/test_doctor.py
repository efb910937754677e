"""``doctor`` finds what is wrong with a data folder, changes nothing, and says what to do."""

import json
import os
import random
import sqlite3
from contextlib import closing

import pytest
from pydantic import SecretStr

from firstwatch.engine.alerts.address import addresses_of
from firstwatch.engine.host.process import keep_private
from firstwatch.store.alerts import Failing, note_failing
from firstwatch.store.database import open_store
from firstwatch.trading.clock import ManualClock
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.vault import Vault, new_secret
from tests.engine.alerts.receiver import SECRET, receiving
from tests.ui import scenes


@pytest.fixture
def folder(home):
    home.mkdir(mode=0o700)
    keep_private()
    scenes.with_alarm(home)
    return home


def findings(answer):
    return {finding["name"]: finding for finding in json.loads(answer.out)}


def changed(folder, statement, *values):
    with closing(sqlite3.connect(folder / "firstwatch.db")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement, values)
        connection.commit()


def look(firstwatch, name):
    answer = firstwatch("doctor", "--json")
    found = findings(answer)[name]
    assert answer.code == (0 if found["well"] else 1)
    if not found["well"]:
        assert found["remedy"] or "." in found["found"]
    return found


def test_a_folder_that_is_well_is_well(firstwatch, folder):
    for name in ("folder", "store", "vault"):
        assert look(firstwatch, name)["well"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE fill", "lacks the table fill"),
        ("DROP TABLE live_status", "lacks the table live_status"),
        ("ALTER TABLE run DROP COLUMN sentence", "lacks sentence"),
        ("UPDATE run SET state = 'RUNING'", "Run a1b2c3d4e5f60718 cannot be read"),
        ("UPDATE run SET settings_json = '{'", "cannot be read"),
        ("UPDATE run SET market_json = x'01ff'", "cannot be read"),
        ("UPDATE run_event SET payload = '[' WHERE sequence = 2", "cannot be read"),
        ("UPDATE fill SET price = '1e'", "cannot be read"),
        ("UPDATE run_outlook SET outlook_json = '{'", "the outlook of run a1b2c3d4e5f60718 cannot be read"),
        ("UPDATE run_outlook SET outlook_json = x'01ff'", "the outlook of run a1b2c3d4e5f60718"),
        ("UPDATE run_outlook SET outlook_json = 7", "the outlook of run a1b2c3d4e5f60718"),
        ("DELETE FROM wallet", "belong to nothing"),
    ],
)
def test_a_store_that_lacks_something_is_named(firstwatch, folder, statement, said):
    changed(folder, statement)
    found = look(firstwatch, "store")
    assert not found["well"]
    assert said in found["found"]


def test_a_lost_write_ahead_log_is_named(firstwatch, folder):
    store = folder / "firstwatch.db"
    with closing(sqlite3.connect(store)) as holding:
        holding.execute("SELECT count(*) FROM run").fetchone()
        assert look(firstwatch, "store")["well"]
        (folder / "firstwatch.db-wal").unlink()
        found = look(firstwatch, "store")
        assert not found["well"]
        assert "write-ahead log" in found["found"]


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_are_found_or_harmless_and_never_a_traceback(firstwatch, folder, seed):
    store, drawn = folder / "firstwatch.db", random.Random(seed)
    content = bytearray(store.read_bytes())
    for _ in range(200):
        content[drawn.randrange(len(content))] ^= 1 << drawn.randrange(8)
    store.write_bytes(content)
    before = store.read_bytes()
    found = look(firstwatch, "store")
    assert not found["well"]
    assert "Unexpected" not in found["found"]
    assert store.read_bytes() == before
    for words in (("run", "list"), ("wallet", "list"), ("status",)):
        answer = firstwatch(*words)
        assert answer.code in {0, 1, 2}
        assert "Traceback" not in answer.out + answer.err


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 50_000,
        lambda text: text.replace('"scrypt"', '"pbkdf2"'),
        lambda text: text.replace('"n": 2', '"n": 3'),
        lambda text: text.replace('"r": 8', '"r": 800000000'),
        lambda text: text.replace('"p": 1', '"p": true'),
        lambda text: text.replace('"mac": "', '"mac": "zz'),
        lambda text: text.replace('"ciphertext": "', '"ciphertext": "00'),
        lambda text: text.replace('"kind"', '"sort"'),
        lambda text: text.replace('"address": "', '"address": "ff'),
    ],
)
def test_a_damaged_key_file_is_named(firstwatch, folder, damage):
    vault = Vault(folder, ManualClock(1), work_factor=2)
    key = vault.open("word").add(new_secret(), venue="hl", account="0x" + "1" * 40, kind=KeyKind.AGENT)
    assert look(firstwatch, "vault")["well"]
    text = key.path.read_text()
    assert damage(text) != text
    key.path.write_text(damage(text))
    found = look(firstwatch, "vault")
    assert not found["well"]
    assert str(key.path) in found["found"] or str(vault.folder) in found["found"]
    assert "backup" in found["remedy"] + found["found"]


def test_files_that_others_may_read_are_named_and_how_to_close_them(firstwatch, folder):
    (folder / "firstwatch.db").chmod(0o644)
    found = look(firstwatch, "folder")
    assert not found["well"]
    assert "firstwatch.db" in found["found"]
    assert "chmod" in found["remedy"]


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_into_which_others_may_write_is_refused(firstwatch, folder, mode):
    folder.chmod(mode)
    answer = firstwatch("wallet", "list")
    assert answer.code == 1
    assert "chmod 700" in answer.err
    assert not look(firstwatch, "folder")["well"]
    assert firstwatch("wallet", "create", "x", "--venue", "paper").code == 1
    assert folder.stat().st_mode & 0o777 == mode


def test_a_new_folder_into_which_others_may_write_is_refused_too(firstwatch, home):
    home.mkdir()
    home.chmod(0o777)
    assert firstwatch("wallet", "list").code == 1
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["firstwatch.db", "engine.log", "commands.log", "vault", "config.toml", "engine.lock"]
)
def test_a_symbolic_link_in_the_folder_is_refused(firstwatch, home, tmp_path, name):
    home.mkdir(mode=0o700)
    target = tmp_path / "elsewhere"
    target.write_text("")
    (home / name).symlink_to(target)
    answer = firstwatch("wallet", "list")
    assert answer.code == 1
    assert "symbolic link" in answer.err
    assert target.read_text() == ""
    assert not look(firstwatch, "folder")["well"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_belongs_to_another_user_is_refused(firstwatch, folder):
    os.chown(folder / "firstwatch.db", 12345, 12345)
    assert "another user" in firstwatch("wallet", "list").err
    os.chown(folder / "firstwatch.db", 0, 0)
    os.chown(folder, 12345, 12345)
    answer = firstwatch("wallet", "list")
    assert answer.code == 1
    assert "another user" in answer.err


def with_addresses(folder, *urls):
    path = folder / "config.toml"
    path.write_text(f"[alerts]\nurls = {json.dumps(urls)}\n")
    path.chmod(0o600)
    return path


def test_without_addresses_alarms_stay_here(firstwatch, folder):
    assert look(firstwatch, "alerts")["well"]


def test_an_address_is_looked_at_without_sending_anything(firstwatch, folder):
    with receiving() as receiver:
        with_addresses(folder, receiver.url, f"nosuch://{SECRET}")
        found = look(firstwatch, "alerts")
    assert not found["well"]
    assert found["found"].splitlines()[0] == "1. json://… is understood"
    assert found["found"].splitlines()[1].startswith("2. nosuch://… cannot be used: apprise does not underst")
    assert SECRET not in found["found"]
    assert receiver.tries == 0


def test_an_address_that_has_taken_no_alarm_is_said(firstwatch, folder):
    url = f"json://{SECRET}"
    with_addresses(folder, url)
    store = open_store(folder)
    with store.write() as session:
        (address,) = addresses_of([SecretStr(url)])
        note_failing(session, address.key, Failing(1_700_000_000_000, "no connection, or no answer"))
    store.close()
    found = look(firstwatch, "alerts")
    assert not found["well"]
    assert found["found"] == (
        "1. json://… has taken no alarm since 2023-11-14T22:13:20Z: no connection, or no answer"
    )


def test_addresses_that_other_users_may_read_are_said(firstwatch, folder, tmp_path, monkeypatch):
    path = with_addresses(folder, f"json://{SECRET}").rename(tmp_path / "mine.toml")
    path.chmod(0o644)
    monkeypatch.setenv("FIRSTWATCH_CONFIG", str(path))
    found = look(firstwatch, "alerts")
    assert not found["well"]
    assert found["remedy"] == f"chmod go= {path}"
