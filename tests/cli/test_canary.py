"""``firstwatch doctor --venue``: a far entry with its stop at a loopback venue."""

import pytest

from firstwatch.engine.worker import protection_proof as proof
from firstwatch.trading.ids import run_of
from tests.cli.test_signed_runs import ACCOUNT, PASSPHRASE, _line, loopback, ready  # noqa: F401

SYMBOL = "BTC/USDC:USDC"


@pytest.fixture
def canary(ready):  # noqa: F811
    def call(*words, confirm="hl", venue="hl"):
        with _line(PASSPHRASE) as word:
            return ready(
                "doctor", "--venue", venue, "--wallet", "main", "--symbol", SYMBOL,
                *(["--confirm", confirm] if confirm else []), "--passphrase-fd", word.fd, *words,
            )  # fmt: skip

    return call


def orders(loopback):  # noqa: F811
    return loopback.account(ACCOUNT).open_orders


def test_a_venue_that_keeps_the_stop_is_well(canary, loopback):  # noqa: F811
    (found,) = [one for one in canary("--json").json if one["name"] == "protection at hl"]
    assert found["well"], found
    assert "was accepted, shown and cancelled" in found["found"]
    assert found["found"].startswith("ccxt ")
    assert orders(loopback) == []
    assert loopback.audit().reused_cloids == []
    again = [one for one in canary("--json").json if one["name"] == "protection at hl"]
    assert again[0]["well"]
    assert loopback.audit().reused_cloids == []


def test_a_venue_that_refuses_is_named_and_the_command_fails(canary, loopback):  # noqa: F811
    loopback.faults.plan("refused", "order", body="Stop orders are taken at another endpoint.")
    answer = canary()
    assert answer.code == 1
    assert "LOOK  protection at hl" in answer.out
    assert "Stop orders are taken at another endpoint." in answer.out
    assert orders(loopback) == []


def test_it_wants_the_venue_s_name(canary, loopback):  # noqa: F811
    for answer in (canary(confirm=None), canary(confirm="main")):
        assert answer.code == 3
        assert "--confirm hl" in answer.err
    assert canary(venue="paper").code == 2
    assert loopback.audit().actions.get("order", 0) == 0


def test_what_a_canary_left_is_cancelled_by_the_next(canary, loopback, monkeypatch):  # noqa: F811
    def die(_self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(proof.Prover, "cancel_both", die)
        assert canary().code != 0
    (left,) = orders(loopback)
    assert run_of(left.cloid[2:])
    canary()
    assert orders(loopback) == []
