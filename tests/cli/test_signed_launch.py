"""What a launch with a key is refused for, through the engine at a loopback venue that goes on."""

import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.settings import load_settings
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import PreviewLaunch, StartRun
from firstwatch.trading.ids import new_run_id
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.runs import RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.wallets import custody
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import Vault
from tests.candles import generated_candles
from tests.cli.test_signed_runs import ALGORITHM, PASSPHRASE, _line, _until
from tests.loopback import Coin, Loopback
from tests.loopback.tls import self_signed

MASTER = bytes.fromhex("5b" * 32)
AGENT = bytes.fromhex("5c" * 32)
OTHER = bytes.fromhex("5d" * 32)
ACCOUNT, ELSE = address_of(MASTER), address_of(OTHER)
DAY_S = 86_400
WORDS = "run start Holder --wallet main --symbol BTC/USDC:USDC --capital 2000 --accept-warnings test"


@pytest.fixture
def loopback():
    bars = generated_candles(2, 1_300, Timeframe.M1).bars()
    coins = [
        Coin("BTC", bars=bars),
        Coin("ETH", sz_decimals=4, price=2_500.0),
        Coin("OLD", price=5.0, is_delisted=True),
    ]
    with Loopback(coins, history=1_200, weight_limit=None) as venue:
        venue.fund(ACCOUNT, 10_000)
        venue.hold_aside(ACCOUNT, "xyz", "TSLA", 0)
        venue.approve_agent(ACCOUNT, address_of(AGENT), name="soon over", valid_s=8 * DAY_S)
        yield venue


@pytest.fixture
def folder(firstwatch, home, loopback, tmp_path, monkeypatch):
    """A data folder with the wallet ``main``, whose key is an agent's, and the engine's passphrase."""
    config, word = tmp_path / "config.toml", tmp_path / "passphrase"
    config.write_text(
        f'[venues.hl]\nkind = "hyperliquid"\napi_url = "{loopback.url}"\nweight_per_minute = 100_000\n'
    )
    word.write_text(f"{PASSPHRASE}\n")
    monkeypatch.setenv("FIRSTWATCH_CONFIG", str(config))
    monkeypatch.setenv("FIRSTWATCH_PASSPHRASE_FILE", str(word))
    monkeypatch.setattr(
        custody, "vault_of", lambda settings: Vault(settings.home, SystemClock(), work_factor=16)
    )
    algorithm = tmp_path / "holder.toml"
    algorithm.write_text(ALGORITHM)
    assert firstwatch("algorithm", "add", algorithm).code == 0
    with _line(AGENT.hex()) as key:
        words = ["wallet", "import", "main", "--venue", "hl", "--account"]
        answer = firstwatch(*words, ACCOUNT, "--key-fd", key.fd)
    assert answer.code == 0, answer.err
    return firstwatch


@pytest.fixture
def manager(folder):
    manager = RunManager(load_settings(), hosts_engine=False)
    manager.open()
    assert manager.start_embedded_engine()
    yield manager
    manager.close()


def settings(**changed):
    values = {
        "algorithm": "Holder",
        "version": 1,
        "wallet": "main",
        "symbol": "BTC/USDC:USDC",
        "capital": 2_000,
        "accepted_warnings": "a test",
    }
    return LaunchSettings.model_validate(values | changed)


def performed(manager, command):
    number = manager.submit(command)
    _until(lambda: manager.command(number).outcome.value in {"DONE", "REFUSED", "EXPIRED"})
    return manager.command(number)


def refused(manager, name, **changed):
    """Return what a check says when it refuses."""
    preview = performed(manager, PreviewLaunch(settings=settings(**changed))).preview
    (check,) = [check for check in preview.checks if check.name == name]
    assert not check.passed, check
    assert check.remedy
    return check.found


def test_what_is_wrong_with_the_account_or_the_market_is_named_and_the_engine_goes_on(manager, loopback):
    _until(lambda: not refused_by(manager))
    assert "delisted" in refused(manager, "symbol", symbol="OLD/USDC:USDC")
    hand = loopback.by_hand(ACCOUNT)
    hand.limit("ETH", "buy", "0.1", "2000")
    assert "1 open order in ETH/USDC:USDC" in refused(manager, "elsewhere")
    hand.cancel_all("ETH")
    hand.limit("ETH", "buy", "0.1", "2000", cloid="0x" + "ab" * 16)
    assert "another data folder (run abababababababab)" in refused(manager, "elsewhere")
    hand.cancel_all("ETH")
    hand.market("ETH", "buy", "0.1")
    assert "positions in ETH/USDC:USDC" in refused(manager, "elsewhere")
    hand.close("ETH")
    hand.market("BTC", "buy", "0.01")
    assert "the wallet holds a long" in refused(manager, "position")
    hand.close("BTC")
    hand.limit("BTC", "buy", "0.01", "20000")
    assert "1 open order in" in refused(manager, "position")
    hand.cancel_all("BTC")
    loopback.hold_aside(ACCOUNT, "xyz", "TSLA", "-2")
    assert "positions in xyz:TSLA (exchange xyz)" in refused(manager, "elsewhere")
    loopback.hold_aside(ACCOUNT, "xyz", "TSLA", 0)
    loopback.order_aside(ACCOUNT, "#21")
    assert "1 open order in outcome 21" in refused(manager, "elsewhere")
    loopback.call(loopback._exchange.accounts[ACCOUNT].orders_aside.clear)
    assert "above the" in refused(manager, "funds", capital=20_000)
    loopback.fund_spot(ACCOUNT, 7_000)
    assert "7,000.00 USDC lie in its spot balance" in refused(manager, "funds", capital=20_000)
    assert "the least is" in refused(manager, "minimums", capital=5)
    loopback.faults.go_down()
    assert "cannot be reached" in refused(manager, "venue")
    loopback.faults.come_up()
    _until(lambda: not refused_by(manager))


@pytest.mark.parametrize("kind", ["unifiedAccount", "portfolioMargin", "somethingNew"])
def test_an_account_of_an_unsupported_kind_does_not_start(manager, loopback, kind):
    _until(lambda: not refused_by(manager))
    loopback.set_abstraction(ACCOUNT, kind)
    assert "not supported" in refused(manager, "approvals")
    assert "cannot be read" in refused(manager, "funds")
    loopback.set_abstraction(ACCOUNT, "disabled")
    assert not refused_by(manager)


def test_prices_that_do_not_come_and_clocks_that_differ_refuse(manager, loopback):
    _until(lambda: not refused_by(manager))
    loopback.faults.stall_streams(new_too=True)
    assert "s old" in refused(manager, "data")
    loopback.faults.resume_streams()
    loopback.date_offset_s = -60.0
    assert "ahead of" in refused(manager, "clock")
    loopback.date_offset_s = 0.0
    assert not refused_by(manager)


def refused_by(manager):
    preview = performed(manager, PreviewLaunch(settings=settings())).preview
    return [(check.name, check.found) for check in preview.refused_by]


def test_an_agent_that_ends_within_a_week_is_refused(manager, loopback):
    _until(lambda: not refused_by(manager))
    loopback.call(lambda: _age(loopback, 6 * DAY_S))
    assert "less than 7 days" in refused(manager, "approvals")


def _age(loopback, left_s):
    for agent in loopback._exchange.accounts[ACCOUNT].agents:
        object.__setattr__(agent, "valid_until_ms", agent.valid_until_ms - (8 * DAY_S - left_s) * 1000)


def test_real_money_is_not_started_without_the_name_of_the_run(manager, loopback, folder):
    _until(lambda: not refused_by(manager))
    for typed, said in ((None, "real money"), ("Holder", '"Holder" was typed')):
        answer = performed(manager, StartRun(run_id=new_run_id(), settings=settings(confirmed_name=typed)))
        assert answer.outcome.value == "REFUSED"
        assert said in answer.sentence
        assert "Holder@1" in answer.sentence
    answer = folder(*WORDS.split())
    assert answer.code == 3
    assert "--confirm Holder@1" in answer.err
    answer = folder(*WORDS.split(), "--confirm", "Holder@1")
    assert answer.code == 0, answer.err
    assert loopback.audit().implicit_actions == []


# --- bad input -----------------------------------------------------------------------------------


def remedy(manager, name, **changed):
    preview = performed(manager, PreviewLaunch(settings=settings(**changed))).preview
    return next(check.remedy for check in preview.checks if check.name == name)


def test_keys_that_may_not_trade_are_refused_with_the_next_action(manager, loopback):
    _until(lambda: not refused_by(manager))
    loopback.call(lambda: _age(loopback, -1))
    assert "its approval has expired" in refused(manager, "approvals")
    assert "firstwatch wallet approve main --agent" in remedy(manager, "approvals")
    loopback.call(loopback._exchange.accounts[ACCOUNT].agents.clear)
    assert "it is the wrong key" in refused(manager, "approvals")
    loopback.fund(ELSE, 100)
    loopback.approve_agent(ELSE, address_of(AGENT))
    assert f"an API wallet of another account, {ELSE}" in refused(manager, "approvals")
    answer = performed(manager, StartRun(run_id=new_run_id(), settings=settings(confirmed_name="Holder@1")))
    assert answer.outcome.value == "REFUSED"
    assert "\n" not in answer.sentence
    loopback.call(loopback._exchange.accounts[ELSE].agents.clear)
    loopback.approve_agent(ACCOUNT, address_of(AGENT), name="again")
    assert not refused_by(manager)
    assert loopback.audit().actions == {}


def test_an_address_without_money_is_told_where_money_goes(manager, folder):
    with _line(OTHER.hex()) as key:
        answer = folder("wallet", "import", "poor", "--venue", "hl", "--key-fd", key.fd)
    assert answer.code == 0, answer.err
    assert "the wallet poor is not funded" in refused(manager, "funds", wallet="poor")
    shows = "firstwatch wallet fund poor"
    assert remedy(manager, "funds", wallet="poor") == f"fund it: `{shows}`"
    assert folder(*shows.split()[1:], "--no-watch").code == 0


def test_a_wallet_of_another_network_is_not_traded(folder, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(config.read_text() + 'network = "testnet"\n')
    manager = RunManager(load_settings(), hosts_engine=False)
    manager.open()
    try:
        assert manager.start_embedded_engine()
        answer = performed(manager, StartRun(run_id=new_run_id(), settings=settings()))
        assert answer.outcome.value == "REFUSED"
        assert "is of the mainnet, and the settings call hl a testnet now" in answer.sentence
    finally:
        manager.close()


def test_the_wrong_network_fails_the_run_in_one_sentence(folder, loopback, home, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(config.read_text() + 'network = "testnet"\n')
    for path in (home / "vault").glob("*.json"):
        # As if the key had been brought for the network that the settings name.
        path.write_text(path.read_text().replace('"mainnet"', '"testnet"'))
    manager = RunManager(load_settings(), hosts_engine=False)
    manager.open()
    try:
        assert manager.start_embedded_engine()
        run_id = new_run_id()
        assert performed(manager, StartRun(run_id=run_id, settings=settings())).outcome.value == "DONE"
        _until(lambda: manager.snapshot().run(run_id).state is RunState.FAILED)
        sentence = manager.snapshot().run(run_id).sentence
        assert "does not know who signed" in sentence
        assert "network" in sentence
        assert "\n" not in sentence
        assert "order" not in loopback.audit().actions
        assert refused_by(manager) == []
    finally:
        manager.close()


def test_a_certificate_that_nobody_trusts_is_said(folder, tmp_path):
    with self_signed(tmp_path) as url:
        config = tmp_path / "config.toml"
        config.write_text(f'[venues.hl]\nkind = "hyperliquid"\napi_url = "{url}"\n')
        manager = RunManager(load_settings(), hosts_engine=False)
        manager.open()
        try:
            assert manager.start_embedded_engine()
            said = performed(manager, PreviewLaunch(settings=settings())).sentence
            assert "certificate that is not trusted" in said
            assert "check api_url" in said
            assert "not checked" not in said
            assert "\n" not in said
            answer = folder(*WORDS.split(), "--confirm", "Holder@1")
            assert (answer.code, "certificate" in answer.err) == (3, True)
        finally:
            manager.close()


def test_three_wrong_passphrases_start_nothing_and_wait(folder, monkeypatch):
    monkeypatch.delenv("FIRSTWATCH_PASSPHRASE_FILE")
    words = [*WORDS.split(), "--confirm", "Holder@1", "--wait", "--passphrase-fd"]
    for said in ("2 tries are left", "one try is left", "wait 30 s", "try again in"):
        with _line("not the passphrase") as word:
            answer = folder(*words, word.fd)
        assert (answer.code, said in answer.err) == (3, True)
        assert "Traceback" not in answer.err
    assert folder("run", "list", "--json").json == []
