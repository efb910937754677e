"""Wallets with keys by the command line, against a loopback venue: nothing secret in anything written."""

import base64
import os
import time
from decimal import Decimal

import pytest
from eth_account import Account

from firstwatch.cli import live_wallets
from firstwatch.trading.clock import SystemClock
from firstwatch.wallets import custody
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import Vault
from tests.loopback import Coin, Loopback

MASTER = bytes.fromhex("11" * 31 + "a7")
OTHER = bytes.fromhex("22" * 31 + "b8")
AGENT = bytes.fromhex("33" * 31 + "c9")
ACCOUNT, ELSE, KEY = address_of(MASTER), address_of(OTHER), address_of(AGENT)
BUILDER = "0x" + "b1" * 20
PASSPHRASE = "correct horse battery"


@pytest.fixture
def loopback():
    with Loopback([Coin("BTC")]) as venue:
        venue.fund(ACCOUNT, 1_000)
        yield venue


@pytest.fixture(autouse=True)
def _venue(home, loopback, monkeypatch, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(
        f'[venues.hl]\nkind = "hyperliquid"\nweight_per_minute = 100_000\n'
        f'api_url = "{loopback.url}"\nws_url = "{loopback.ws_url}"\n'
        f'builder = "{BUILDER}"\nbuilder_fee_tenths_bp = 25\n'
        f'[venues.test]\nkind = "hyperliquid"\nnetwork = "testnet"\nweight_per_minute = 100_000\n'
        f'api_url = "{loopback.url}"\n'
        f'[venues.twin]\nkind = "hyperliquid"\nweight_per_minute = 100_000\napi_url = "{loopback.url}"\n'
        '[venues.dead]\nkind = "hyperliquid"\nweight_per_minute = 100_000\napi_url = "http://127.0.0.1:9"\n'
        '[venues.paper]\nkind = "paper"\n'
    )
    monkeypatch.setenv("FIRSTWATCH_CONFIG", str(config))
    word = tmp_path / "passphrase"
    word.write_text(PASSPHRASE + "\n")
    monkeypatch.setenv("FIRSTWATCH_PASSPHRASE_FILE", str(word))
    # The real cost of a guess is half a second; how it is spent is tested with the vault.
    monkeypatch.setattr(
        custody, "vault_of", lambda settings: Vault(settings.home, SystemClock(), work_factor=16)
    )


@pytest.fixture
def fd():
    """Return descriptors that give lines."""
    opened = []

    def give(*lines: object) -> int:
        reading, writing = os.pipe()
        text = "".join(f"{line.hex() if isinstance(line, bytes) else line}\n" for line in lines)
        os.write(writing, text.encode())
        os.close(writing)
        opened.append(reading)
        return reading

    yield give
    for descriptor in opened:
        os.close(descriptor)


def _import(firstwatch, fd, name="main", venue="hl", key=MASTER, account=ACCOUNT, **more):
    words = ["--account", account] if account else []
    return firstwatch("wallet", "import", name, "--venue", venue, *words, "--key-fd", fd(key), "--json")


def test_a_new_account_can_be_opened_with_the_passphrase_anywhere(firstwatch, home):
    made = firstwatch("wallet", "create", "fresh", "--venue", "hl", "--json").json
    keystore = (home / "vault").joinpath(os.path.basename(made["key_file"])).read_text()
    key = Account.decrypt(keystore, PASSPHRASE)
    assert Account.from_key(key).address.lower() == made["account"]
    shown = firstwatch("wallet", "create", "second", "--venue", "hl")
    assert shown.code == 0
    assert "▄" in shown.out
    # It is shown to a person at a terminal only.
    assert "private key" not in shown.out
    listed = firstwatch("wallet", "list", "--json").json
    assert [row["kind"] for row in listed] == ["hyperliquid", "hyperliquid"]


def test_a_person_at_a_terminal_sees_the_key_once(firstwatch, monkeypatch, home):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    out = firstwatch("wallet", "create", "fresh", "--venue", "hl").out
    key = out.split("shown only this once: ")[1].split()[0]
    assert Account.from_key(key).address.lower() in out
    assert not _finds(home, bytes.fromhex(key[2:]))


def test_a_masters_key_is_found_out(firstwatch, fd, loopback):
    made = _import(firstwatch, fd, account=None).json
    assert (made["key_kind"], made["account"]) == ("master", ACCOUNT)
    shown = firstwatch("wallet", "show", "main", "--json").json
    assert (shown["key_kind"], shown["free"], shown["problem"]) == ("master", 1000, None)
    assert [lack["name"] for lack in shown["missing"]] == ["builder fee"]


def test_an_agents_key_is_found_out(firstwatch, fd, loopback):
    loopback.approve_agent(ACCOUNT, KEY, name="bot", valid_s=86_400 * 30)
    made = _import(firstwatch, fd, key=AGENT, account=ACCOUNT.upper().replace("X", "x")).json
    assert (made["key_kind"], made["account"]) == ("agent", ACCOUNT)
    shown = firstwatch("wallet", "show", "main", "--json").json
    assert shown["valid_until"] == made["valid_until"] is not None
    loopback.by_hand(ACCOUNT).market("BTC", "buy", "0.5")
    (held,) = firstwatch("wallet", "show", "main", "--json").json["positions"]
    assert (held["symbol"], held["side"], held["amount"]) == ("BTC/USDC:USDC", "long", 0.5)
    text = firstwatch("wallet", "show", "main").out
    assert "missing       builder fee" in text


@pytest.mark.parametrize(
    ("key", "account", "venue", "code", "said"),
    [
        ("zz", ACCOUNT, "hl", 2, "not a private key"),
        (AGENT, ACCOUNT, "hl", 3, "wrong key"),
        (OTHER, ACCOUNT, "hl", 3, "wrong key"),
        (MASTER, "0x12", "hl", 2, "takes an address"),
        (MASTER, ACCOUNT, "dead", 1, "cannot be reached"),
        (MASTER, ACCOUNT, "paper", 2, "whose orders are signed"),
        (MASTER, ACCOUNT, "lh", 2, "no venue"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(firstwatch, fd, home, key, account, venue, code, said):
    answer = _import(firstwatch, fd, venue=venue, key=key, account=account)
    assert answer.code == code
    assert said in answer.json["error"]
    assert "Traceback" not in answer.err
    assert not (home / "vault").exists()
    assert firstwatch("wallet", "list", "--json").json == []


def test_an_unfunded_account_is_told_where_money_goes(firstwatch, fd):
    answer = firstwatch("wallet", "import", "poor", "--venue", "hl", "--key-fd", fd(OTHER))
    assert "wallet fund poor" in answer.out
    missing = firstwatch("wallet", "show", "poor", "--json").json["missing"]
    assert "funds" in [lack["name"] for lack in missing]
    assert ELSE in firstwatch("wallet", "fund", "poor", "--no-watch").out


@pytest.mark.parametrize("kind", ["unifiedAccount", "portfolioMargin", "somethingNew"])
def test_an_account_of_an_unsupported_kind_is_not_imported(firstwatch, fd, loopback, home, kind):
    loopback.set_abstraction(ACCOUNT, kind)
    answer = _import(firstwatch, fd)
    assert answer.code == 3
    assert "not supported; use a wallet whose money lies apart" in answer.json["error"]
    assert not (home / "vault").exists()


def test_money_in_spot_is_named_where_there_is_none_for_perpetuals(firstwatch, fd, loopback):
    _import(firstwatch, fd, name="poor", key=OTHER, account=ELSE)
    loopback.fund_spot(ELSE, 300)
    shown = firstwatch("wallet", "show", "poor", "--json").json
    assert (shown["total"], shown["spot"]) == (0, 300)
    (lack,) = [lack for lack in shown["missing"] if lack["name"] == "funds"]
    assert lack["sentence"].startswith("all money is in spot (300.0")
    assert "300.0 in spot" in firstwatch("wallet", "fund", "poor", "--no-watch").out
    answer = firstwatch("wallet", "archive", "poor")
    assert answer.code == 3
    assert "in its spot balance" in answer.err


def test_a_wallet_whose_account_became_unified_lacks_that(firstwatch, fd, loopback):
    _import(firstwatch, fd)
    loopback.set_abstraction(ACCOUNT, "unifiedAccount")
    missing = firstwatch("wallet", "show", "main", "--json").json["missing"]
    assert missing[0]["name"] == "account kind"
    assert "unified account" in missing[0]["sentence"]


def test_money_that_arrives_is_seen(firstwatch, fd, loopback, monkeypatch):
    _import(firstwatch, fd)
    monkeypatch.setattr(live_wallets.time, "sleep", lambda _seconds: loopback.fund(ACCOUNT, "12.5"))
    assert "12.5 USDC have arrived" in firstwatch("wallet", "fund", "main").out


@pytest.mark.parametrize("venue", ["hl", "twin"])
def test_two_wallets_cannot_have_one_account(firstwatch, fd, venue):
    _import(firstwatch, fd)
    answer = _import(firstwatch, fd, name="again", venue=venue)
    assert answer.code == 2
    assert "is the wallet main already" in answer.json["error"]


def test_what_is_missing_is_approved_with_a_key_that_is_not_kept(firstwatch, fd, loopback, home):
    loopback.approve_agent(ACCOUNT, KEY, name="bot", valid_s=86_400)
    _import(firstwatch, fd, key=AGENT)
    missing = firstwatch("wallet", "show", "main", "--json").json["missing"]
    assert {lack["name"] for lack in missing} == {"key", "builder fee"}
    wrong = firstwatch("wallet", "approve", "main", "--master-key-fd", fd(OTHER), "--json")
    assert (wrong.code, "That is the key of" in wrong.json["error"]) == (3, True)
    done = firstwatch("wallet", "approve", "main", "--master-key-fd", fd(MASTER), "--json").json
    assert [item["approved"] for item in done["approved"]] == ["agent", "builder"]
    shown = firstwatch("wallet", "show", "main", "--json").json
    assert shown["missing"] == []
    assert shown["key"] == done["approved"][0]["key"]
    assert "no approval" in firstwatch("wallet", "approve", "main").out
    assert not _finds(home, MASTER)
    assert loopback.account(ACCOUNT).builders == {BUILDER: 25}


def test_a_stored_masters_key_approves_by_the_passphrase_alone(firstwatch, fd):
    _import(firstwatch, fd)
    done = firstwatch("wallet", "approve", "main", "--agent", "--json").json
    shown = firstwatch("wallet", "show", "main", "--json").json
    assert (shown["key"], shown["key_kind"]) == (done["approved"][0]["key"], "agent")


def test_a_builder_that_is_not_set_cannot_be_approved(firstwatch, fd, loopback):
    answer = firstwatch("wallet", "import", "t", "--venue", "test", "--key-fd", fd(MASTER))
    assert answer.code == 0
    answer = firstwatch("wallet", "approve", "t", "--builder")
    assert answer.code == 2
    assert "name no builder" in answer.err


def test_money_is_sent_between_own_wallets_and_out(firstwatch, fd, loopback):
    loopback.fund(ELSE, 5)
    _import(firstwatch, fd)
    _import(firstwatch, fd, name="other", key=OTHER, account=ELSE)
    sent = firstwatch("wallet", "transfer", "main", "other", "100", "--json").json
    assert (sent["amount"], sent["was_in_doubt"]) == (100, False)
    loopback.faults.plan("reply_lost", "withdraw3")
    out = firstwatch("wallet", "withdraw", "main", "50").out
    assert "the venue was asked" in out
    assert loopback.account(ACCOUNT).cash == Decimal(850)
    assert loopback.account(ELSE).cash == Decimal(105)
    refused = firstwatch("wallet", "withdraw", "main", "900", "--json")
    assert refused.code == 3


def test_no_money_moves_where_the_settings_have_become_another_network(firstwatch, fd, tmp_path):
    _import(firstwatch, fd)
    config = tmp_path / "config.toml"
    changed = config.read_text().replace(
        'kind = "hyperliquid"', 'kind = "hyperliquid"\nnetwork = "testnet"', 1
    )
    config.write_text(changed)
    refused = firstwatch("wallet", "withdraw", "main", "50")
    assert refused.code == 1
    assert "is of the mainnet" in refused.err
    assert "put the network back" in refused.err


def test_an_agents_wallet_withdraws_with_the_masters_key_only(firstwatch, fd, loopback):
    loopback.approve_agent(ACCOUNT, KEY, name="bot")
    _import(firstwatch, fd, key=AGENT)
    answer = firstwatch("wallet", "withdraw", "main", "50")
    assert answer.code == 2
    assert "--master-key-fd" in answer.err
    assert firstwatch("wallet", "withdraw", "main", "50", "--master-key-fd", fd(MASTER)).code == 0
    assert loopback.account(ACCOUNT).cash == Decimal(950)


def test_a_wallet_with_money_is_not_archived(firstwatch, fd, loopback):
    _import(firstwatch, fd)
    answer = firstwatch("wallet", "archive", "main")
    assert answer.code == 3
    assert "still has 1000" in answer.err
    made = firstwatch("wallet", "create", "empty", "--venue", "hl", "--json").json
    assert firstwatch("wallet", "archive", "empty").code == 0
    assert [row["wallet"] for row in firstwatch("wallet", "list", "--json").json] == ["main"]
    # Its key stays: somebody may still send money there.
    assert os.path.exists(made["key_file"])


def test_a_wrong_passphrase_is_one_sentence_and_three_make_everybody_wait(firstwatch, fd):
    _import(firstwatch, fd)
    for said in ("2 tries", "one try", "wait 30 s"):
        answer = firstwatch("wallet", "create", "w", "--venue", "hl", "--passphrase-fd", fd("wrong"))
        assert (answer.code, said in answer.err) == (3, True)
    answer = firstwatch("wallet", "create", "w", "--venue", "hl", "--passphrase-fd", fd(PASSPHRASE))
    assert "try again in" in answer.err
    assert len(firstwatch("wallet", "list", "--json").json) == 1


def test_key_and_passphrase_may_stand_on_one_descriptor(firstwatch, fd):
    both = fd(MASTER, PASSPHRASE)
    words = ("wallet", "import", "main", "--venue", "hl", "--key-fd", both, "--passphrase-fd", both)
    assert firstwatch(*words).code == 0


@pytest.mark.parametrize("words", [("--key-fd", 98), ("--key-fd", 97, "--passphrase-fd", 98)])
def test_a_descriptor_that_is_not_open_is_said(firstwatch, words):
    answer = firstwatch("wallet", "import", "main", "--venue", "hl", *words)
    assert answer.code == 2
    assert "cannot be read: Bad file descriptor" in answer.err


def test_nobody_at_a_terminal_is_said(firstwatch, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    answer = firstwatch("wallet", "import", "main", "--venue", "hl")
    assert answer.code == 2
    assert "give it with --key-fd" in answer.err


def test_without_an_engine_there_is_nothing_to_unlock(firstwatch):
    answer = firstwatch("wallet", "unlock")
    assert answer.code == 3
    assert "start one with" in answer.err


def test_nothing_secret_is_written(firstwatch, fd, loopback, home):
    loopback.approve_agent(ACCOUNT, KEY, name="bot")
    outputs = [
        _import(firstwatch, fd, key=AGENT),
        _import(firstwatch, fd, name="other", key=OTHER, account=ELSE),
        firstwatch("wallet", "approve", "main", "--master-key-fd", fd(MASTER)),
        firstwatch("wallet", "withdraw", "main", "50", "--master-key-fd", fd(MASTER)),
        firstwatch("wallet", "withdraw", "main", "5000", "--master-key-fd", fd(MASTER)),
        firstwatch("wallet", "show", "main", "--json"),
    ]
    said = "".join(answer.out + answer.err for answer in outputs).encode()
    for secret in (MASTER, OTHER, AGENT, PASSPHRASE.encode()):
        assert not _finds(home, secret)
        assert not any(form in said for form in _forms(secret))


def _forms(secret):
    return {secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret)}


def _finds(folder, secret):
    """Return the files that hold a secret in any spelling."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if any(form in path.read_bytes() for form in _forms(secret))]


def test_the_list_says_what_the_venue_last_said_and_how_old_that_is(firstwatch, fd, loopback):
    loopback.approve_agent(ACCOUNT, KEY, name="bot", valid_s=86_400 * 30)
    _import(firstwatch, fd, key=AGENT)
    firstwatch("wallet", "create", "fresh", "--venue", "hl")
    loopback.by_hand(ACCOUNT).market("BTC", "sell", "0.5")
    begun_s = time.monotonic()
    firstwatch("wallet", "show", "main")
    loopback.faults.go_down()
    fresh, main = firstwatch("wallet", "list", "--json").json
    longest_s = time.monotonic() - begun_s
    assert (fresh["total"], fresh["balance_at"], fresh["key_kind"]) == (None, None, "master")
    assert (main["key_kind"], main["key"]) == ("agent", KEY)
    assert main["valid_until"] is not None
    assert main["held"] == [{"symbol": "BTC/USDC:USDC", "side": "short", "amount": 0.5}]
    assert [lack["name"] for lack in main["missing"]] == ["builder fee"]
    assert main["total"] == pytest.approx(1000, abs=50)
    assert 0 <= main["balance_age_s"] <= longest_s + 1
    # What the venue cannot say now is shown as old as it is, and why.
    shown = firstwatch("wallet", "show", "main", "--json").json
    assert shown["total"] == main["total"]
    assert shown["balance_at"] == main["balance_at"]
    assert "hl" in shown["problem"]
