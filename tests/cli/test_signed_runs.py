"""A run on a loopback venue through a locked vault: refused, unlocked, interrupted, locked, unlocked."""

import os
import time

import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.settings import load_settings
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import StartRun
from firstwatch.trading.ids import new_run_id
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.runs import Health, RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.wallets import custody
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import Vault
from tests.candles import generated_candles
from tests.loopback import Coin, Loopback

MASTER = bytes.fromhex("5a" * 31 + "a7")
ACCOUNT = address_of(MASTER)
PASSPHRASE = "a very long passphrase"
ALGORITHM = """
name = "Holder"
direction = "both"
timeframe = "1m"

[entry.long]
required = ["close > open"]

[entry.short]
required = ["close < open"]

[exit.long]
required = ["close > 1000000"]

[exit.short]
required = ["close < 1"]

[stop_loss]
fraction = 0.2

[sizing]
fixed = 500

[order]
kind = "market"

[reset]
mode = "cooldown_only"
cooldown_bars = 0
"""


@pytest.fixture
def loopback():
    bars = generated_candles(2, 4_000, Timeframe.M1).bars()
    with Loopback([Coin("BTC", bars=bars)], clock=30.0, history=1_200) as venue:
        venue.fund(ACCOUNT, 10_000)
        yield venue


@pytest.fixture
def ready(firstwatch, home, loopback, tmp_path, monkeypatch):
    config = tmp_path / "config.toml"
    config.write_text(
        f'[venues.hl]\nkind = "hyperliquid"\napi_url = "{loopback.url}"\nweight_per_minute = 100_000\n'
    )
    monkeypatch.setenv("FIRSTWATCH_CONFIG", str(config))
    monkeypatch.delenv("FIRSTWATCH_PASSPHRASE_FILE", raising=False)
    monkeypatch.setattr(
        custody, "vault_of", lambda settings: Vault(settings.home, SystemClock(), work_factor=16)
    )
    algorithm = tmp_path / "holder.toml"
    algorithm.write_text(ALGORITHM)
    assert firstwatch("algorithm", "add", algorithm).code == 0
    with _line(MASTER.hex()) as key, _line(PASSPHRASE) as word:
        answer = firstwatch(
            "wallet", "import", "main", "--venue", "hl", "--key-fd", key.fd, "--passphrase-fd", word.fd
        )
    assert answer.code == 0, answer.err
    return firstwatch


class _line:
    """A descriptor that gives one line."""

    def __init__(self, text):
        self.fd, writing = os.pipe()
        os.write(writing, f"{text}\n".encode())
        os.close(writing)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


def _until(is_so, within_s=30.0):
    deadline_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.02)


def _bars(firstwatch, run_id):
    return len(firstwatch("run", "show", run_id, "--json").json["equity"])


def _unlock(firstwatch):
    with _line(PASSPHRASE) as word:
        answer = firstwatch("wallet", "unlock", "--passphrase-fd", word.fd)
    assert answer.code == 0, answer.err


class _Desk:
    """A manager that holds the engine."""

    def __init__(self):
        self.manager = RunManager(load_settings(), hosts_engine=False)
        self.manager.open()
        assert self.manager.start_embedded_engine()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.manager.close()

    def start(self, run_id):
        settings = LaunchSettings(
            algorithm="Holder",
            version=1,
            wallet="main",
            symbol="BTC/USDC:USDC",
            capital=2_000,
            accepted_warnings="a test",
            confirmed_name="Holder@1",
        )
        number = self.manager.submit(StartRun(run_id=run_id, settings=settings))
        _until(lambda: self.manager.command(number).outcome.value in {"DONE", "REFUSED", "EXPIRED"})
        return self.manager.command(number)

    def run(self, run_id):
        return next(row for row in self.manager.snapshot().active if row.run_id == run_id)


def test_a_locked_vault_holds_runs_up_and_leaks_nothing(ready, loopback, home):
    run_id = new_run_id()
    with _Desk() as desk:
        refused = desk.start(run_id)
        assert refused.outcome.value == "REFUSED"
        assert "The vault is locked" in refused.sentence
        assert "wallet unlock" in refused.sentence
        _unlock(ready)
        started = desk.start(run_id)
        assert started.outcome.value == "DONE", started.sentence
        _until(lambda: loopback.account(ACCOUNT).fills)
        _until(lambda: loopback.account(ACCOUNT).open_orders)
    with _Desk() as desk:
        _until(lambda: desk.run(run_id).health is Health.UNKNOWN)
        assert any("vault is locked" in alarm.sentence for alarm in desk.manager.snapshot().alarms)
        stop = ready("run", "stop", run_id)
        assert stop.code == 3
        assert "vault locked" in stop.err
        _unlock(ready)
        _until(lambda: desk.run(run_id).health is Health.OK)
        _until(lambda: not any("vault" in alarm.sentence for alarm in desk.manager.snapshot().alarms))
        bars = _bars(ready, run_id)
        _until(lambda: _bars(ready, run_id) > bars)
        assert desk.run(run_id).state is RunState.RUNNING
    audit = loopback.audit()
    assert audit.reused_cloids == []
    shown = ready("run", "show", run_id, "--json")
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    written += (shown.out + shown.err).encode()
    assert b"signature" not in written
    for secret in (MASTER, MASTER.hex().encode(), MASTER.hex().upper().encode(), PASSPHRASE.encode()):
        assert secret not in written
