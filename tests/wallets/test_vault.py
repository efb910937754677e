"""The vault: standard files, one passphrase, one derivation, and nothing secret in what it prints."""

import json
import stat

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.trading.clock import ManualClock, SystemClock
from firstwatch.trading.errors import WrongUseError
from firstwatch.venues.signer import KeyKind, KeyMissingError
from firstwatch.wallets.keystore import WORK_FACTOR, Derivation, address_of, decrypt, encrypt
from firstwatch.wallets.vault import (
    KeySigner,
    TooManyTriesError,
    Vault,
    VaultError,
    WrongPassphraseError,
    new_secret,
    secret_of,
)

QUICK = 2**4
SECRET = bytes.fromhex("11" * 32)
ACCOUNT = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"

_keys = st.integers(1, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364140).map(
    lambda number: number.to_bytes(32, "big")
)


def _vault(tmp_path, clock=None):
    return Vault(tmp_path, clock or ManualClock(), work_factor=QUICK)


def _add(opened, secret=SECRET, *, venue="hl", account=None, kind=KeyKind.MASTER, **more):
    return opened.add(secret, venue=venue, account=account or address_of(secret), kind=kind, **more)


@settings(max_examples=30, deadline=None)
@given(_keys, st.text(min_size=1, max_size=30).filter(lambda text: text.isascii()))
def test_files_are_those_of_every_ethereum_wallet(secret, passphrase):
    derivation = Derivation.new(QUICK)
    document = encrypt(secret, derivation.derive(passphrase), derivation)
    assert bytes(Account.decrypt(document, passphrase)) == secret
    assert decrypt(document, derivation.derive(passphrase)) == secret
    assert decrypt(document, derivation.derive(passphrase + "x")) is None
    assert secret.hex() not in json.dumps(document)


def test_a_file_of_the_real_cost_opens(tmp_path):
    record = _add(Vault(tmp_path, SystemClock()).open("open sesame"))
    document = json.loads(record.path.read_text())
    assert document["crypto"]["kdfparams"]["n"] == WORK_FACTOR == 262144
    assert (
        Vault(tmp_path, SystemClock()).open("open sesame").signer("hl", record.account).address
        == record.address
    )


def test_fifty_keys_open_by_one_derivation(tmp_path, monkeypatch):
    opened = _vault(tmp_path).open("word")
    accounts = [_add(opened, new_secret()).account for _ in range(50)]
    derived = []
    derive = Derivation.derive
    monkeypatch.setattr(Derivation, "derive", lambda self, word: derived.append(1) or derive(self, word))
    again = _vault(tmp_path).open("word")
    assert [again.signer("hl", account).address for account in accounts] == accounts
    assert len(derived) == 1
    starts = {
        json.loads(path.read_text())["crypto"]["cipherparams"]["iv"]
        for path in (tmp_path / "vault").glob("*.json")
    }
    assert len(starts) == 50


def test_only_the_owner_may_read(tmp_path):
    record = _add(_vault(tmp_path).open("word"))
    assert stat.S_IMODE(record.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(record.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("passphrase", ["wrong", "word ", "WORD"])
def test_another_passphrase_opens_nothing(tmp_path, passphrase):
    _add(_vault(tmp_path).open("word"))
    with pytest.raises(WrongPassphraseError, match="not the passphrase"):
        _vault(tmp_path).open(passphrase)


def test_three_wrong_passphrases_in_whatever_process_make_everybody_wait(tmp_path):
    clock = ManualClock(1_000_000)
    _add(_vault(tmp_path, clock).open("word"))
    for said in ("2 tries are left", "one try is left", "wait 30 s"):
        with pytest.raises(WrongPassphraseError, match=said):
            _vault(tmp_path, clock).open("wrong")
    clock.advance(29_001)
    with pytest.raises(TooManyTriesError, match="in 1 s"):
        _vault(tmp_path, clock).open("word")
    clock.advance(999)
    _vault(tmp_path, clock).open("word")
    with pytest.raises(WrongPassphraseError, match="2 tries"):
        _vault(tmp_path, clock).open("wrong")


def test_a_clock_that_was_set_back_does_not_lock_the_vault(tmp_path):
    clock = ManualClock(1_000_000)
    _add(_vault(tmp_path, clock).open("word"))
    for _ in range(3):
        with pytest.raises(WrongPassphraseError):
            _vault(tmp_path, clock).open("wrong")
    clock.advance(-900_000)
    _vault(tmp_path, clock).open("word")


def test_an_empty_passphrase_is_none(tmp_path):
    with pytest.raises(WrongUseError, match="empty"):
        _vault(tmp_path).open("")


def test_an_agent_signs_before_its_master_and_the_newest_before_the_older(tmp_path):
    clock = ManualClock()
    opened = _vault(tmp_path, clock).open("word")
    agents = [bytes([7]) * 32, bytes([5]) * 32]
    _add(opened)
    assert opened.signer("hl", ACCOUNT).kind is KeyKind.MASTER
    for agent in agents:
        clock.advance(1)
        _add(opened, agent, account=ACCOUNT, kind=KeyKind.AGENT)
        assert opened.signer("hl", ACCOUNT).address == address_of(agent)
        assert _vault(tmp_path).record_of("hl", ACCOUNT).address == address_of(agent)
    assert opened.signer("hl", ACCOUNT, KeyKind.MASTER).address == ACCOUNT
    assert opened.signer("hl", ACCOUNT, address=ACCOUNT).kind is KeyKind.MASTER
    assert opened.signer("hl", ACCOUNT).account == ACCOUNT


def test_keys_belong_to_one_venue(tmp_path):
    opened = _vault(tmp_path).open("word")
    _add(opened)
    with pytest.raises(KeyMissingError, match="no key for"):
        opened.signer("testnet", ACCOUNT)


def test_a_pending_key_signs_nothing_until_it_is_kept(tmp_path):
    opened = _vault(tmp_path).open("word")
    record = _add(opened, kind=KeyKind.AGENT, account=ACCOUNT, pending=True)
    with pytest.raises(KeyMissingError):
        opened.signer("hl", ACCOUNT)
    opened.keep(record)
    assert opened.signer("hl", ACCOUNT).kind is KeyKind.AGENT
    dropped = _add(opened, bytes([9]) * 32, kind=KeyKind.AGENT, account=ACCOUNT, pending=True)
    opened.drop(dropped)
    assert not dropped.path.exists()


def test_a_key_that_another_process_added_is_found(tmp_path):
    opened = _vault(tmp_path).open("word")
    _add(opened)
    other = _add(_vault(tmp_path).open("word"), bytes([3]) * 32)
    assert opened.signer("hl", other.account).address == other.address


def test_two_commands_that_begin_a_vault_cannot_give_it_two_passphrases(tmp_path):
    first, second = _vault(tmp_path).open("one"), _vault(tmp_path).open("two")
    _add(first)
    with pytest.raises(VaultError, match="meanwhile"):
        _add(second, bytes([3]) * 32)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"firstwatch": {}}'])
def test_damaged_files_are_named(tmp_path, text):
    record = _add(_vault(tmp_path).open("word"))
    record.path.unlink()
    record.path.write_text(text)
    with pytest.raises(VaultError, match="key"):
        _vault(tmp_path).records()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"firstwatch": {}}', '{"firstwatch": {"venue": 1}}', "[" * 4000],
    ids=["empty", "open", "list", "object", "nothing", "some", "deep"],
)
@pytest.mark.parametrize("name", ["stray.json", "hl.0x1.0x2.json", "a.b.json"])
def test_a_stray_file_is_one_key_less_and_the_others_sign(tmp_path, name, text):
    vault = _vault(tmp_path)
    record = _add(vault.open("word"))
    (vault.folder / name).write_text(text)
    again = _vault(tmp_path)
    assert again.records() == [record]
    opened = again.open("word")
    assert opened.signer("hl", record.account).address == record.address
    other = _add(opened, bytes([3]) * 32)
    assert again.records() == [record, other]
    assert len(again.problems()) == 1
    with pytest.raises(WrongPassphraseError):
        _vault(tmp_path).open("another word")


def test_nothing_that_prints_shows_a_secret(tmp_path):
    opened = _vault(tmp_path).open("the passphrase")
    record = _add(opened)
    signers = (opened.signer("hl", ACCOUNT), KeySigner(SECRET, ACCOUNT, KeyKind.MASTER))
    shown = f"{opened!r} {opened!s} {record!r} {signers!r}"
    assert SECRET.hex() not in shown
    assert "the passphrase" not in shown


@pytest.mark.parametrize("text", ["", "0x12", "11" * 31, "11" * 33, "zz" * 32, "00" * 32, "ff" * 32])
def test_a_wrong_key_is_not_quoted(text):
    with pytest.raises(WrongUseError, match="not a private key") as caught:
        secret_of(text)
    assert not text or text not in str(caught.value)


def test_a_key_may_be_written_with_and_without_its_prefix():
    assert secret_of("0x" + SECRET.hex() + "\n") == secret_of(SECRET.hex().upper()) == SECRET
