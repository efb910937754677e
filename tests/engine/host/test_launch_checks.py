"""Every launch check: passes on sound facts, and says what, with figures, and what to do on others."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from firstwatch.engine.launch.adoption import assume_position
from firstwatch.engine.launch.checks import CHECKS
from firstwatch.engine.launch.facts import Baseline, CrossValidated, LaunchFacts, judge
from firstwatch.engine.launch.gather import preview
from firstwatch.engine.launch.outcome import differences, first_entry_steps, market_facts, next_trade
from firstwatch.market.assumed import market_of_candles
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs, settings_of_launch
from firstwatch.strategy.evaluation import FALSE, TRUE, UNKNOWN, GroupFlags
from firstwatch.strategy.specification import AlgorithmSpec, Sizing, sample_toml
from firstwatch.trading.account import Approval, Balance, Position
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import NOT_CHECKED, CheckResult, Guards, LaunchSettings, SessionSettings
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderKind, OrderReport, OrderSide, OrderState, Side, Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import Holdings, VenueCondition

_MONTH_MS = 30 * 86_400_000
_SYMBOL = "BTC/USDC:USDC"
_MARKET = Market()
_SPEC = AlgorithmSpec.from_toml(sample_toml())
_SETTINGS = LaunchSettings(
    algorithm=_SPEC.name, version=1, wallet="one", symbol=_SYMBOL, capital=Decimal(1000), leverage=Decimal(2)
)
_BOTH = """
name = "Both"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["rsi(14) < 30"]
[entry.short]
required = ["rsi(14) > 70"]
[stop_loss]
atr = 2
period = 14
[sizing]
risk = 0.01
"""


def _history(bars: int) -> dict[Timeframe, CandleArrays]:
    prices = np.full(bars, 100.0)
    times = np.arange(bars, dtype=np.int64) * 3_600_000
    return {Timeframe.H1: CandleArrays(times, prices, prices, prices, prices, prices, Timeframe.H1)}


def _flags(**changed: float) -> GroupFlags:
    return GroupFlags(FALSE, UNKNOWN, FALSE, FALSE, 1.0, 1.0, True)._replace(**changed)


def _position(side: Side | None, amount: str = "0", **changed: object) -> Position:
    position = Position(
        account="one",
        symbol=_SYMBOL,
        side=side,
        amount=Decimal(amount),
        entry_price=None if side is None else Decimal(100),
        leverage=Decimal(2),
        is_isolated=True,
        liquidation_price=None,
        margin=Decimal(0),
        unrealised_pnl=Decimal(0),
        time_ms=0,
    )
    return replace(position, **changed)


def _balance(total: int) -> Balance:
    return Balance(Decimal(total), Decimal(0), Decimal(total), 0)


def _order(client_order_id: str | None) -> OrderReport:
    return OrderReport(
        client_order_id, "1", "one", _SYMBOL, OrderSide.SELL, OrderKind.STOP, OrderState.ACCEPTED,
        Decimal(1), Decimal(0), True, 0,
    )  # fmt: skip


def _facts(
    settings: LaunchSettings = _SETTINGS, algorithm: AlgorithmSpec = _SPEC, **changed: object
) -> LaunchFacts:
    facts = LaunchFacts(
        settings=settings,
        capital_share=0.5,
        spec=algorithm,
        venue="paper",
        symbols=(_SYMBOL, "ETH/USDC:USDC"),
        market=_MARKET,
        core=settings_of_launch(algorithm, settings, market=_MARKET, costs=Costs.of_market(_MARKET)),
        balance=_balance(5000),
        position=_position(None),
        open_orders=(),
        holdings=Holdings([], []),
        condition=VenueCondition(),
        approvals=(),
        touch=Touch(99.9, 100.1, 100.0, 0),
        history=_history(1000),
        flags=_flags(),
        baseline=Baseline(
            start_ms=0,
            end_ms=7 * _MONTH_MS,
            sharpe=1.4,
            max_drawdown=0.1,
            settings={"leverage": Decimal(2), "guards": Guards()},
            taker_fee_bps=Decimal("4.5"),
        ),
        cross_validation=CrossValidated(0, 7 * _MONTH_MS, True, "4 of 6 folds.", Decimal(2)),
    )
    return replace(facts, **changed)


def _result(facts: LaunchFacts, name: str) -> CheckResult:
    return next(result for result in judge(CHECKS, facts) if result.name == name)


def _fails(facts: LaunchFacts, name: str, *words: str) -> None:
    result = _result(facts, name)
    assert not result.passed, result
    assert result.remedy
    for word in words:
        assert word in f"{result.found} | {result.remedy}"


def test_sound_facts_pass_everything() -> None:
    seen = preview(_facts(), now_ms=5)
    assert seen.refused_by == ()
    assert seen.warnings == ()
    assert seen.adopts is None
    assert "waits for a fresh signal" in seen.assume_position
    assert seen.time_ms == 5


def test_nothing_known_refuses_and_raises_nothing() -> None:
    facts = LaunchFacts(
        settings=_SETTINGS,
        capital_share=0.5,
        algorithm_problem="There is no algorithm",
        wallet_problem="no wallet",
    )
    seen = preview(facts, now_ms=0)
    assert {"algorithm", "wallet", "symbol", "funds", "history"} <= {check.name for check in seen.refused_by}


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        (
            "algorithm",
            {"spec": None, "algorithm_problem": "There is no algorithm 'x'."},
            ["no algorithm 'x'"],
        ),
        ("algorithm", {"settings_problem": "reset.follow_up has 9 links"}, ["9 links"]),
        ("wallet", {"wallet_problem": "There is no wallet 'two'."}, ["'two'", "wallet list"]),
        ("wallet", {"used_by": "ab" * 8}, ["in use by the run abab", "run stop"]),
        ("venue", {"venue_problem": "the venue does not answer"}, ["does not answer"]),
        ("symbol", {"market": None}, ["no market BTC/USDC:USDC", "ETH/USDC:USDC"]),
        (
            "funds",
            {"balance": Balance(Decimal(0), Decimal(0), Decimal(0), 0)},
            ["not funded", "wallet fund one 1000"],
        ),
        (
            "funds",
            {"balance": _balance(900)},
            ["1,000.00 USDC", "900.00 USDC", "100.00 more"],
        ),
        ("history", {"history": _history(400)}, ["400 of 1,000 bars of 1h"]),
        ("history", {"flags": _flags(ready=False)}, ["no value"]),
        (
            "session",
            {"session_problem": "a bar of 1d is longer than every window"},
            ["longer than every window"],
        ),
        ("approvals", {"approvals": (Approval("agent", False, "the agent is not approved"),)}, ["agent"]),
        ("baseline", {"baseline": None}, ["no backtest of RSI reversion@1"]),
        (
            "baseline",
            {"baseline": None, "other_baseline": 3},
            ["that of RSI reversion@3 is of another version"],
        ),
        ("baseline age", {"baseline": None}, ["no backtest", "firstwatch baseline make 'RSI reversion@1'"]),
        ("sharpe", {"baseline": None}, ["no backtest"]),
        ("cross-validation", {"cross_validation": None}, ["no cross-validation of RSI reversion@1"]),
        ("capital share", {"balance": _balance(1500)}, ["67%", "50%"]),
    ],
)
def test_each_check_fails_with_figures(name: str, changed: dict[str, object], words: list[str]) -> None:
    _fails(_facts(**changed), name, *words)


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("baseline", {"end_ms": 5 * _MONTH_MS}, ["5.0 months"]),
        ("baseline age", {"stale": "it was made 40 days ago"}, ["it was made 40 days ago", "Baseline"]),
        ("sharpe", {"sharpe": 0.9}, ["0.90"]),
        ("sharpe", {"sharpe": None}, ["undefined"]),
        ("drawdown", {"max_drawdown": 0.25}, ["25.0%"]),
        (
            "same settings",
            {"settings": {"leverage": Decimal(1), "trades_limit": 9}},
            ["leverage 2 here, 1 there", "trades limit no limit here, 9 there"],
        ),
        ("same settings", {"taker_fee_bps": Decimal(2)}, ["taker fee 4.5 bps here, 2 bps there"]),
    ],
)
def test_each_soft_check_names_what_differs(name: str, changed: dict[str, object], words: list[str]) -> None:
    baseline = _facts().baseline
    assert baseline is not None
    facts = _facts(baseline=replace(baseline, **changed))
    _fails(facts, name, *words)
    assert not _result(facts, name).is_hard


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"passed": False, "rule": "1 of 6 folds."}, ["1 of 6 folds.", "a version that passes"]),
        ({"passed": None, "rule": "No verdict."}, ["No verdict.", "with more candles"]),
        ({"leverage": Decimal("1.5")}, ["at leverage 1.5, and the launch has 2", "--leverage 2"]),
        ({"is_old": True}, ["when the program decided otherwise", "crossvalidate 'RSI reversion@1'"]),
    ],
)
def test_the_cross_validation_must_have_passed_at_the_launch_s_leverage(
    changed: dict[str, object], words: list[str]
) -> None:
    found = _facts().cross_validation
    assert found is not None
    facts = _facts(cross_validation=replace(found, **changed))
    _fails(facts, "cross-validation", *words)
    assert not _result(facts, "cross-validation").is_hard
    assert _result(_facts(cross_validation=replace(found, leverage=Decimal(9))), "cross-validation").passed


def test_a_reset_override_equal_to_the_versions_own_is_no_difference() -> None:
    settings = _SETTINGS.model_copy(update={"reset": _SPEC.reset})
    baseline = _facts().baseline
    assert baseline is not None
    facts = _facts(settings, baseline=replace(baseline, settings={"reset": None}))
    assert _result(facts, "same settings").passed


_FIXED = _SPEC.model_copy(update={"sizing": Sizing(fixed=100)})


@pytest.mark.parametrize(("spec", "matters"), [(_SPEC, False), (_FIXED, True)])
def test_another_capital_differs_only_where_sizes_do_not_grow_with_it(
    spec: AlgorithmSpec, matters: bool
) -> None:
    baseline = _facts().baseline
    assert baseline is not None
    facts = _facts(algorithm=spec, baseline=replace(baseline, settings={"capital": Decimal(10_000)}))
    found = [(each.name, each.here, each.baseline) for each in differences(facts)]
    assert found == ([("capital", "1000", "10000")] if matters else [])
    assert _result(facts, "same settings").passed is not matters


def test_a_difference_is_one_part_of_a_setting_in_words() -> None:
    settings = _SETTINGS.model_copy(update={"guards": Guards(drawdown=0.2), "close_position_on_exit": False})
    baseline = _facts().baseline
    assert baseline is not None
    there = {"guards": Guards(), "close_position_on_exit": True, "session": SessionSettings()}
    found = differences(_facts(settings, baseline=replace(baseline, settings=there)))
    assert [(each.name, each.here, each.baseline) for each in found] == [
        ("drawdown guard", "20 %: stop the run, close the position", "off"),
        ("close position on exit", "off", "on"),
    ]


def test_the_next_trade_has_its_size_its_worst_loss_and_the_way_to_liquidation() -> None:
    trade = next_trade(_facts())
    assert trade is not None
    # Half of 1000 at leverage 2 buys 10 at 100; the stop is 5 % away, both fills pay 4.5 bps.
    assert (trade.amount, trade.cost, trade.margin) == (Decimal(10), 1000.0, 500.0)
    assert trade.stop_share == pytest.approx(0.05)
    assert trade.worst_loss == pytest.approx(50 + 0.00045 * (1000 + 950))
    # Half of the price is margin, and 1.25 % of the position must remain.
    assert trade.liquidation_share == pytest.approx(1 - (1 - 0.5) / (1 - 0.0125))


def test_without_a_stop_the_margin_is_what_a_trade_may_lose() -> None:
    settings = _SETTINGS.model_copy(update={"leverage": Decimal(1)})
    trade = next_trade(_facts(settings, _SPEC.model_copy(update={"stop_loss": None})))
    assert trade is not None
    assert (trade.stop_share, trade.worst_loss) == (None, 500.0)
    assert trade.liquidation_share is None


def test_what_is_not_known_has_no_figures() -> None:
    nothing = LaunchFacts(settings=_SETTINGS, capital_share=0.5)
    assert next_trade(nothing) is None
    assert market_facts(nothing) is None
    assert differences(nothing) == ()
    known = market_facts(_facts(touch=None))
    assert known is not None
    assert known.price is None


def test_leverage_is_whole_and_below_the_maximum() -> None:
    _fails(_facts(_SETTINGS.model_copy(update={"leverage": Decimal(51)})), "leverage", "51", "50")
    _fails(_facts(_SETTINGS.model_copy(update={"leverage": Decimal("2.5")})), "leverage", "whole")


def test_a_locked_symbol() -> None:
    spec = _SPEC.model_copy(update={"symbol": "ETH/USDC:USDC"})
    _fails(_facts(algorithm=spec), "symbol", "locked to ETH/USDC:USDC", _SYMBOL)


def test_capital_that_cannot_reach_the_minimum() -> None:
    settings = _SETTINGS.model_copy(update={"capital": Decimal(5)})
    # Half of 5 at leverage 2 buys 0.05 at 100: worth 5, below the minimum of 10.
    _fails(_facts(settings), "minimums", "worth 5.00", "10.00")


def test_the_first_entry_is_the_cores_own_size() -> None:
    core = _facts().core
    assert core is not None
    # Half of 1000 at leverage 2 at price 100, in steps of a millionth.
    assert first_entry_steps(core, 100.0, 1.0) == 10_000_000


def test_a_stop_beyond_the_way_to_liquidation() -> None:
    settings = _SETTINGS.model_copy(update={"leverage": Decimal(20)})
    # At 20 times the entry is liquidated 3.8 % away; the stop is 5 % away.
    _fails(_facts(settings), "stop", "3.80 %", "5.00 %", "3.04 %")
    assert _result(_facts(), "stop").passed


def test_an_atr_stop_is_measured_with_todays_atr() -> None:
    spec = AlgorithmSpec.from_toml(_BOTH)
    settings = _SETTINGS.model_copy(update={"leverage": Decimal(10)})
    assert _result(_facts(settings, spec, flags=_flags(atr_stop=2.0)), "stop").passed
    _fails(_facts(settings, spec, flags=_flags(atr_stop=4.0)), "stop", "8.00 %")
    _fails(_facts(settings, spec, flags=_flags(atr_stop=float("nan"))), "stop", "ATR")


def test_closing_left_to_the_operator_needs_a_stop_or_a_reason() -> None:
    off = {"close_position_on_exit": False}
    without_stop = _SPEC.model_copy(update={"stop_loss": None})
    assert _result(_facts(_SETTINGS.model_copy(update=off)), "closing").passed
    _fails(_facts(_SETTINGS.model_copy(update=off), without_stop), "closing", "no stop")
    reasoned = _SETTINGS.model_copy(update=off | {"without_stop_reason": "hedged elsewhere"})
    assert _result(_facts(reasoned, without_stop), "closing").passed


_ASSUME = _SETTINGS.model_copy(update={"assume_position_now": True})


def test_a_held_position_is_refused_without_assume_position() -> None:
    _fails(
        _facts(position=_position(Side.LONG, "5")), "position", "holds a long of 5 at 100", "Assume position"
    )


def test_external_orders_are_refused_and_own_ones_of_earlier_runs_are_not_external() -> None:
    _fails(_facts(open_orders=(_order(None),)), "position", "1 open order", "cancel")
    earlier = "ab" * 8
    held = _facts(
        _ASSUME,
        position=_position(Side.LONG, "5"),
        open_orders=(_order(earlier + "0" * 16),),
        earlier_runs=frozenset({earlier}),
    )
    assert assume_position(held).adopts is Side.LONG
    _fails(replace(held, position=_position(None)), "position", "still open")


def test_adoption_and_its_refusals() -> None:
    case = assume_position(_facts(_ASSUME, position=_position(Side.LONG, "5")))
    assert (case.adopts, case.remedy) == (Side.LONG, "")
    assert "adopts a long of 5 at 100, accounted from the mark 100" in case.sentence
    for position, words in (
        (_position(Side.SHORT, "5"), "long only"),
        (_position(Side.LONG, "5", is_isolated=False), "cross leverage"),
        (_position(Side.LONG, "5", leverage=Decimal(3)), "isolated leverage 3"),
        (_position(Side.LONG, "5", leverage=Decimal(3)), "launch with leverage 3, or close"),
        (_position(Side.LONG, "5", is_isolated=False), "changes neither leverage nor margin mode"),
        (_position(Side.LONG, "25"), "worth 2,500.00, above capital × leverage of 2,000.00"),
        (_position(Side.LONG, "5", entry_price=Decimal(110)), "stop at 104.50 is already passed"),
        (_position(Side.LONG, "5", entry_price=Decimal(80)), "target at 88.00 is already passed"),
    ):
        _fails(_facts(_ASSUME, position=position), "position", words)


def test_the_margin_of_an_adopted_position_counts_as_free() -> None:
    position = _position(Side.LONG, "5", margin=Decimal(250))
    poor = Balance(Decimal(1000), Decimal(250), Decimal(750), 0)
    assert _result(_facts(_ASSUME, position=position, balance=poor), "funds").passed
    assert not _result(_facts(_ASSUME, balance=poor), "funds").passed


def test_assume_position_on_a_flat_wallet_says_whether_it_enters() -> None:
    enters = assume_position(_facts(_ASSUME, flags=_flags(entry_long=TRUE)))
    assert enters.enters is Side.LONG
    assert "at once" in enters.sentence
    waits = assume_position(_facts(_ASSUME))
    assert waits.enters is None
    assert "waits for a fresh signal" in waits.sentence
    both = AlgorithmSpec.from_toml(_BOTH)
    ambiguous = assume_position(_facts(_ASSUME, both, flags=_flags(entry_long=TRUE, entry_short=TRUE)))
    assert ambiguous.enters is None
    assert "both entries" in ambiguous.sentence


# --- what only a real venue needs ----------------------------------------------------------------


def test_a_delisted_market_is_called_delisted() -> None:
    facts = _facts(market=None, condition=VenueCondition(is_delisted=True))
    _fails(facts, "symbol", "delisted", "choose another market")


@pytest.mark.parametrize("offset_ms", [-5_001, 5_001])
def test_a_clock_that_is_wrong_refuses(offset_ms: int) -> None:
    words = "5.0 s behind" if offset_ms < 0 else "5.0 s ahead"
    _fails(_facts(condition=VenueCondition(clock_offset_ms=offset_ms)), "clock", words, "NTP")
    assert _result(_facts(condition=VenueCondition(clock_offset_ms=4_000)), "clock").passed


def test_a_venue_in_maintenance_refuses() -> None:
    _fails(_facts(condition=VenueCondition(maintenance="upgrade")), "venue", "as usual: upgrade", "wait")


def test_old_prices_refuse() -> None:
    _fails(_facts(condition=VenueCondition(data_age_ms=12_300)), "data", "12.3 s old", "check again")
    assert _result(_facts(condition=VenueCondition(data_age_ms=900)), "data").passed


def test_requests_that_are_used_up_refuse() -> None:
    _fails(_facts(condition=VenueCondition(wait_s=25.0)), "requests", "25 s", "check again in 25 s")
    _fails(
        _facts(condition=VenueCondition(wait_s=0.0, actions_left=12)),
        "requests",
        "12 requests more",
        "USDC traded",
    )
    assert _result(_facts(condition=VenueCondition(wait_s=3.0, actions_left=9_000)), "requests").passed


def test_what_the_account_has_in_other_markets_refuses() -> None:
    other = replace(_position(Side.LONG, "2"), symbol="ETH/USDC:USDC")
    _fails(_facts(holdings=Holdings([other], [])), "elsewhere", "ETH/USDC:USDC", "another wallet")
    order = replace(_order(None), symbol="ETH/USDC:USDC")
    _fails(_facts(holdings=Holdings([], [order])), "elsewhere", "1 open order", "cancel them")
    own = _position(Side.LONG, "2")
    assert _result(_facts(holdings=Holdings([own], [_order(None)])), "elsewhere").passed


def test_orders_of_another_data_folder_refuse() -> None:
    order = _order("00000000000000bb0000000000000001")
    facts = _facts(holdings=Holdings([], [order]))
    _fails(
        facts,
        "elsewhere",
        "of another program, or of this one in another data folder",
        "run 00000000000000bb",
    )
    _fails(facts, "elsewhere", "stop what sent them and cancel them at the venue")
    assert _result(replace(facts, known_runs=frozenset({"00000000000000bb"})), "elsewhere").passed


def test_real_money_wants_the_name_of_the_run() -> None:
    typed = _SETTINGS.model_copy(update={"confirmed_name": "something"})
    _fails(_facts(typed, is_mainnet=True), "mainnet", "something", f"type {_SETTINGS.name}")
    right = _SETTINGS.model_copy(update={"confirmed_name": _SETTINGS.name})
    assert _result(_facts(right, is_mainnet=True), "mainnet").passed
    assert preview(_facts(is_mainnet=True), now_ms=5).is_mainnet
    assert _result(_facts(typed), "mainnet").passed


def test_missing_approvals_are_named_one_at_a_time() -> None:
    key = Approval("key", False, "no key", "firstwatch wallet approve NAME --agent")
    builder = Approval("builder fee", False, "no builder")
    result = _result(_facts(approvals=(key, builder)), "approvals")
    assert (result.passed, result.found) == (False, "no key (after it 1 more)")
    assert result.remedy == "firstwatch wallet approve one --agent"
    given = replace(key, is_given=True)
    result = _result(_facts(approvals=(given, builder)), "approvals")
    assert (result.found, "check again" in result.remedy) == ("no builder", True)
    assert _result(_facts(approvals=(given, replace(builder, is_given=True))), "approvals").passed


def test_the_leverage_that_will_be_set_is_shown() -> None:
    assert "the run sets isolated margin at leverage 2" in _result(_facts(), "approvals").found
    held = _facts(_ASSUME, position=_position(Side.LONG, "5"))
    assert "keeps its isolated margin at leverage 2" in _result(held, "approvals").found


def test_real_money_is_not_asked_for_as_if_it_were_play_money() -> None:
    empty = _facts(balance=_balance(0))
    assert _result(empty, "funds").remedy == "fund it: `firstwatch wallet fund one 1000`"
    assert _result(replace(empty, is_paper=False), "funds").remedy == "fund it: `firstwatch wallet fund one`"


def test_what_could_not_be_checked_hides_no_reason() -> None:
    facts = _facts(venue_problem="the venue does not answer", market=None, symbols=(), balance=None)
    seen = preview(facts, now_ms=0)
    assert [check.name for check in seen.reasons] == ["venue"]
    assert len(seen.refused_by) > 1


# --- what is assumed of a market ------------------------------------------------------------------------

_TEN_TICKS = """
name = "Near"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["rsi(14) < 30"]
[{table}]
{level}
[sizing]
equity = 0.5
"""


@pytest.mark.parametrize("table", ["stop_loss", "take_profit"])
@pytest.mark.parametrize("level", ["fraction = 0.009", "amount = 0.9", "atr = 0.9\nperiod = 14"])
def test_an_assumed_tick_that_decides_the_result_refuses_as_in_a_backtest(table: str, level: str) -> None:
    spec = AlgorithmSpec.from_toml(_TEN_TICKS.format(table=table, level=level))
    candles = _history(1000)[Timeframe.H1]
    ranged = CandleArrays(
        candles.time_ms,
        candles.open,
        candles.high + 1.0,
        candles.low,
        candles.close,
        candles.volume,
        Timeframe.H1,
    )
    market = _MARKET.model_copy(update={"tick": Decimal("0.1")})
    facts = _facts(
        algorithm=spec,
        history={Timeframe.H1: ranged},
        market=market,
        condition=VenueCondition(assumed=("tick", "amount_step")),
    )
    _fails(facts, "market", "more than a tenth", "steps of 0.1", "[venues.paper]")
    assert next(check for check in CHECKS if check.name == "market").is_hard
    given = Market.model_validate(market.model_dump(include={"symbol", "tick", "amount_step"}))
    assumed_but_the_tick = replace(facts, condition=VenueCondition(assumed=("minimum_cost",)), market=given)
    assert _result(assumed_but_the_tick, "market").passed
    # The backtest says the same of the same tick.
    rounded = replace_prices(ranged, 0.1)
    with pytest.raises(WrongUseError, match="more than a tenth"):
        market_of_candles(Path("x.csv"), rounded, None, spec)


def replace_prices(candles: CandleArrays, tick: float) -> CandleArrays:
    """Return the candles with every other close a tick higher, so that the prices say their tick."""
    close = candles.close.copy()
    close[::2] += tick
    return CandleArrays(
        candles.time_ms, candles.open, candles.high, candles.low, close, candles.volume, candles.timeframe
    )


def test_what_is_assumed_of_a_market_is_said_and_is_no_obstacle() -> None:
    facts = _facts(condition=VenueCondition(assumed=("tick", "minimum_cost", "maintenance_rate", "symbol")))
    seen = _result(facts, "market")
    assert seen.passed
    for words in (
        "assumed",
        "tick 0.01",
        "minimum order 10",
        "maintenance rate 0.0125",
        "symbol BTC/USDC:USDC",
    ):
        assert words in seen.found
    assert "assumed" not in _result(_facts(), "market").found
    assert NOT_CHECKED in _result(_facts(market=None), "market").found
