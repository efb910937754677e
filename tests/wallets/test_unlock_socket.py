"""The engine's keys and the socket by which it is unlocked."""

import os
import socket
import stat
import threading
from contextlib import suppress

import pytest

from firstwatch.trading.errors import RefusedError, WrongUseError
from firstwatch.venues.signer import KeyKind, KeyMissingError, VaultLockedError
from firstwatch.wallets import unlock_socket
from firstwatch.wallets.key_ring import PASSPHRASE_FILE_VARIABLE, KeyRing
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.unlock_socket import SOCKET_FILE, UnlockServer, peer_uid, unlock_engine
from firstwatch.wallets.vault import WrongNetworkError
from tests.wallets.conftest import MASTER, OTHER

ACCOUNT = address_of(MASTER)


@pytest.fixture
def keys(vault):
    vault.open("word").add(MASTER, venue="hl", account=ACCOUNT, kind=KeyKind.MASTER)
    return KeyRing(vault)


@pytest.fixture
def opened(keys, tmp_path):
    entrance = UnlockServer(tmp_path, keys)
    entrance.open()
    yield entrance
    entrance.close()


def _gives_up(_seconds):
    return True


def test_keys_are_locked_until_the_passphrase_is_given(keys):
    assert keys.is_locked
    with pytest.raises(VaultLockedError, match="wallet unlock"):
        keys.signers("hl")(ACCOUNT)
    with pytest.raises(KeyMissingError, match="no key"):
        keys.signers("other")(ACCOUNT)
    keys.unlock("word")
    assert keys.signers("hl")(ACCOUNT).address == ACCOUNT
    with pytest.raises(KeyMissingError):
        keys.signers("other")(ACCOUNT)


def test_an_engine_without_keys_is_not_locked(vault):
    keys = KeyRing(vault)
    assert not keys.is_locked
    with pytest.raises(WrongUseError, match="nothing to unlock"):
        keys.unlock("word")


def test_the_file_of_the_environment_unlocks(keys, tmp_path, monkeypatch):
    keys.unlock_by_file(_gives_up)
    assert keys.is_locked
    file = tmp_path / "word"
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, str(file))
    keys.unlock_by_file(_gives_up)
    assert keys.is_locked
    file.write_text("word\r\nmore\n")
    keys.require("hl", ACCOUNT, network="testnet", may_wait=True)
    assert not keys.is_locked


def test_a_key_is_of_the_network_that_it_was_brought_for(vault):
    opened = vault.open("word")
    opened.add(MASTER, venue="hl", account=ACCOUNT, kind=KeyKind.MASTER, network="testnet")
    opened.add(OTHER, venue="hl", account=address_of(OTHER), kind=KeyKind.MASTER)
    keys = KeyRing(vault)
    keys.unlock("word")
    keys.require("hl", ACCOUNT, network="testnet", may_wait=False)
    with pytest.raises(WrongNetworkError, match="is of the testnet, and the settings call hl a mainnet now"):
        keys.require("hl", ACCOUNT, network="mainnet", may_wait=False)
    # A file from before this was kept says nothing of it.
    keys.require("hl", address_of(OTHER), network="mainnet", may_wait=False)


def test_a_wrong_file_is_tried_once_and_waits_its_turn(keys, tmp_path, monkeypatch):
    file = tmp_path / "word"
    file.write_text("wrong")
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, str(file))
    waited = []
    for _ in range(4):
        keys.unlock_by_file(lambda seconds: waited.append(seconds) or True)
    assert keys.is_locked
    assert waited == [30]


def test_a_passphrase_goes_through_the_door(opened, keys, tmp_path):
    assert "unlocked" in unlock_engine(tmp_path, "word")
    assert not keys.is_locked


def test_the_engine_forgets_what_it_was_told(opened, keys, tmp_path, monkeypatch):
    lines, passphrases = [], []
    line_of, unlock = unlock_socket._line, keys.unlock

    def received(connection, until_s):
        lines.append(line_of(connection, until_s))
        return lines[-1]

    def told(passphrase):
        passphrases.append(passphrase)
        return unlock(passphrase)

    monkeypatch.setattr(unlock_socket, "_line", received)
    monkeypatch.setattr(keys, "unlock", told)
    unlock_engine(tmp_path, "word")
    assert not keys.is_locked
    assert [set(map(ord, text)) for text in passphrases] == [{0}]
    assert set(lines[0]) == {0}


def test_the_door_is_for_its_owner_only(opened, tmp_path, monkeypatch):
    assert stat.S_IMODE((tmp_path / SOCKET_FILE).stat().st_mode) == 0o600
    first, second = socket.socketpair(socket.AF_UNIX)
    with first, second:
        assert peer_uid(first) == os.geteuid()
    monkeypatch.setattr(unlock_socket, "peer_uid", lambda _connection: -1)
    with pytest.raises(RefusedError, match="another user's process"):
        unlock_engine(tmp_path, "word")


def test_a_process_of_another_user_is_turned_away(opened, keys, tmp_path, monkeypatch):
    def uid(_connection):
        return -1 if threading.current_thread().name == "unlock socket" else os.geteuid()

    monkeypatch.setattr(unlock_socket, "peer_uid", uid)
    with pytest.raises(RefusedError, match="did not answer"):
        unlock_engine(tmp_path, "word")
    assert keys.is_locked


def test_a_wrong_passphrase_is_refused_and_the_door_stays_open(opened, keys, tmp_path):
    for said in ("2 tries", "one try", "wait 30 s", "try again in"):
        with pytest.raises(RefusedError, match=said):
            unlock_engine(tmp_path, "wrong")
    assert keys.is_locked


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\n",
        b"nonsense\n",
        b"{}\n",
        b'{"passphrase": 5}\n',
        b"x" * 9000,
        b" " * 9000 + b'{"passphrase": "word"}\n',
        b"[" * 4000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_nonsense_at_the_door_is_turned_away(opened, keys, tmp_path, said):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / SOCKET_FILE))
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            assert connection.recv(10) == b""
    assert keys.is_locked
    unlock_engine(tmp_path, "word")
    assert not keys.is_locked


def test_a_caller_that_sends_drop_by_drop_holds_up_no_other(opened, keys, tmp_path, monkeypatch):
    monkeypatch.setattr("firstwatch.wallets.unlock_socket._TALK_S", 0.3)
    has_ended = threading.Event()
    drops = []

    def drip():
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(tmp_path / SOCKET_FILE))
            with suppress(OSError):
                while not has_ended.wait(0.01):
                    drops.append(connection.send(b" "))

    dripping = threading.Thread(target=drip)
    dripping.start()
    while not drops:
        has_ended.wait(0.01)
    unlock_engine(tmp_path, "word")
    assert not keys.is_locked
    has_ended.set()
    dripping.join()


def test_nobody_at_home(tmp_path):
    with pytest.raises(RefusedError, match="No engine"):
        unlock_engine(tmp_path, "word")


def test_a_socket_left_by_a_dead_engine_is_replaced(keys, tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET_FILE))
    with pytest.raises(RefusedError, match="No engine"):
        unlock_engine(tmp_path, "word")
    entrance = UnlockServer(tmp_path, keys)
    entrance.open()
    unlock_engine(tmp_path, "word")
    entrance.close()
    entrance.close()
    assert not (tmp_path / SOCKET_FILE).exists()


def test_a_deep_data_folder_has_a_door_too(keys, tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    entrance = UnlockServer(deep, keys)
    entrance.open()
    try:
        unlock_engine(deep, "word")
    finally:
        entrance.close()
    assert not keys.is_locked


def test_closing_ends_the_thread(opened, tmp_path):
    opened.close()
    for thread in threading.enumerate():
        if thread.name == "unlock socket":
            thread.join(5)
            assert not thread.is_alive()
