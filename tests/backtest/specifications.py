"""Random algorithms, launch settings and candles for Hypothesis: short indicators, wild prices."""

from decimal import Decimal

import numpy as np
from hypothesis import strategies as st

from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.market.funding import FundingSeries
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.groups import Reading
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.launch import Guards, ResetSettings, SessionSettings
from firstwatch.trading.limit_fills import LimitFills, LimitRule
from firstwatch.trading.market import Market
from firstwatch.trading.timeframe import Timeframe

START_MS = 1_704_067_200_000

_CONDITIONS = (
    "close > sma(3)",
    "close < sma(3)",
    "close < sma(5)",
    "rsi(3) < 40",
    "rsi(3) > 60",
    "rsi(2) > 75",
    "close > open",
    "close < open",
    "close crosses above ema(4)",
    "close crosses below ema(4)",
    "mom(2) > 0",
    "high > sma(4, source=close)",
    "not rsi(3) < 50",
    "not close crosses above ema(4)",
    "close > sma(3) + 0.3 * atr(3)",
    "-(close - open) / (high - low) < 0.2",
)
_REASONS = ("signal", "stop_loss", "trailing_stop", "take_profit", "liquidation", "session")


def random_candles(
    seed: int, bars: int, volatility: float, timeframe: Timeframe = Timeframe.H1
) -> CandleArrays:
    """Return a random walk with gaps and long wicks, on a tick of 0.01."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, volatility, bars)))
    previous = np.concatenate([[100.0], close[:-1]])
    gap = np.where(random.random(bars) < 0.3, random.normal(0, volatility * 1.5, bars), 0.0)
    opened = previous * np.exp(gap)
    reach = np.abs(random.normal(0, volatility, (2, bars)))
    high = np.maximum(opened, close) * np.exp(reach[0])
    low = np.minimum(opened, close) * np.exp(-reach[1])
    opened, close = np.round(opened, 2), np.round(close, 2)
    high = np.maximum.reduce([np.round(high, 2), opened, close])
    low = np.maximum(np.minimum.reduce([np.round(low, 2), opened, close]), 0.01)
    keep = random.random(bars) > 0.02  # confirmed holes
    keep[0] = True
    times = START_MS + np.arange(bars, dtype=np.int64) * timeframe.ms
    columns = [column[keep] for column in (opened, high, low, close)]
    return CandleArrays(times[keep], *columns, np.ones(int(keep.sum())), timeframe)


def coarse(seed: int, candles: CandleArrays, market: Market) -> tuple[CandleArrays, Market]:
    """Return both with a tick of 0.5, where limits are often touched only, and with random volumes."""
    columns = (candles.open, candles.high, candles.low, candles.close)
    volume = np.exp(np.random.default_rng(seed).normal(3, 2, len(candles)))
    on_grid = (np.maximum(np.round(column * 2) / 2, 0.5) for column in columns)
    ticks = {"tick": Decimal("0.5"), "price_figures": None}
    return (
        CandleArrays(candles.time_ms, *on_grid, np.round(volume, 3), candles.timeframe),
        market.model_copy(update=ticks),
    )


def random_funding(seed: int, candles: CandleArrays) -> FundingSeries:
    """Return fundings every 90 minutes: some at a bar's open, some inside of one."""
    random = np.random.default_rng(seed)
    times = np.arange(candles.time_ms[0], candles.time_ms[-1] + 3_600_000, 5_400_000, dtype=np.int64)
    return FundingSeries(times, random.normal(0, 0.01, len(times)))


def _tree(items):
    """Return a tree of these items, as a file has it."""
    lists = st.lists(items, min_size=1, max_size=3)
    counted = lists.flatmap(
        lambda found: st.integers(1, len(found)).map(lambda wanted: {"at_least": wanted, "of": found})
    )
    return st.one_of(
        lists.map(lambda found: {"any": found}), lists.map(lambda found: {"all": found}), counted
    )


_TEXTS = st.sampled_from(_CONDITIONS)
_TREES = _tree(st.one_of(_TEXTS, _TEXTS, _tree(_TEXTS)))


def _groups(draw, sides):
    groups = {}
    for side in sides:
        group = {"required": draw(st.lists(_TEXTS, min_size=1, max_size=2))}
        if draw(st.booleans()):
            group["optional"] = draw(st.lists(_TEXTS, min_size=1, max_size=2))
        if draw(st.integers(0, 2)) == 0:
            group["when"] = draw(_TREES)
        groups[side] = group
    return groups


@st.composite
def _orders(draw, kinds):
    kind = draw(st.sampled_from(kinds))
    if kind == "limit":
        offset_bps, timeout_bars = draw(st.sampled_from([0, 30, 150])), draw(st.integers(1, 3))
        return {"kind": kind, "offset_bps": offset_bps, "timeout_bars": timeout_bars}
    if kind == "twap":
        return {"kind": kind, "bars": draw(st.integers(1, 6))}
    return {"kind": kind}


@st.composite
def specifications(draw, kinds=("market", "limit", "twap")):
    direction = draw(st.sampled_from(["long", "short", "both", "both"]))
    sides = ["long", "short"] if direction == "both" else [direction]
    level = st.sampled_from(
        [{"fraction": 0.02}, {"fraction": 0.06}, {"amount": 1.5}, {"amount": 4.0}, {"atr": 1.5, "period": 3}]
    )
    stop = draw(st.one_of(st.none(), level))
    if stop is not None:
        stop = stop | {"trailing": draw(st.booleans())}
    sizings = [{"fixed": 2000.0}, {"equity": 0.5}, {"equity": 1.0}]
    if stop is not None:
        sizings += [{"risk": 0.01}, {"risk": 0.05}]
    document = {
        "name": "random",
        "direction": direction,
        "timeframe": "1h",
        "entry": _groups(draw, sides),
        "exit": _groups(draw, draw(st.sampled_from([[], sides]))),
        "stop_loss": stop,
        "take_profit": draw(st.one_of(st.none(), level)),
        "sizing": draw(st.sampled_from(sizings)),
        "order": draw(_orders(kinds)),
        "reset": draw(resets(direction)).model_dump(mode="json"),
    }
    return AlgorithmSpec.model_validate(document, context=Reading(Timeframe.H1))


@st.composite
def resets(draw, direction):
    links = []
    for _ in range(draw(st.integers(0, 3))):
        wait = draw(st.integers(0, 3))
        links.append(
            {
                "after": draw(st.lists(st.sampled_from(_REASONS), min_size=2, max_size=5, unique=True)),
                "side": draw(st.sampled_from(["same", "opposite"])) if direction == "both" else "same",
                "wait_bars": wait,
                "within_bars": wait + draw(st.integers(1, 5)),
                "require_signal": draw(st.booleans()),
                "size_factor": draw(st.sampled_from([0.5, 1.0, 2.0])),
            }
        )
    return ResetSettings.model_validate(
        {
            "mode": draw(st.sampled_from(["cooldown_only", "regular", "strict"])),
            "cooldown_bars": draw(st.integers(0, 4)),
            "on_exhausted": draw(st.sampled_from(["reset", "reset", "stop_run"])),
            "follow_up": links,
        }
    )


_SESSIONS = (
    SessionSettings(),
    SessionSettings.model_validate(
        {
            "policy": "flatten",
            "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "04:00", "end": "20:00"}],
            "lead_minutes": 30,
        }
    ),
    SessionSettings.model_validate(
        {
            "policy": "pause_entries",
            "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "06:00", "end": "15:00"}],
        }
    ),
)


@st.composite
def launches(draw, direction):
    action = st.sampled_from(["pause", "stop"])
    guards = Guards.model_validate(
        {
            "drawdown": draw(st.sampled_from([None, None, 0.04, 0.2])),
            "drawdown_action": draw(action),
            "daily_loss": draw(st.sampled_from([None, None, 0.01, 0.05])),
            "daily_loss_action": draw(action),
            "losing_trades": draw(st.sampled_from([None, None, 2, 3])),
            "losing_trades_action": draw(action),
            "stop_mode": draw(st.sampled_from(["close", "close", "leave", "leave_unprotected"])),
        }
    )
    session = draw(st.sampled_from([_SESSIONS[0], *_SESSIONS]))
    return BacktestSettings(
        capital=Decimal(draw(st.sampled_from([300, 10_000]))),
        leverage=Decimal(draw(st.sampled_from([1, 3, 20]))),
        trades_limit=draw(st.sampled_from([None, None, None, 1, 4])),
        assume_position_now=draw(st.booleans()),
        session=session,
        reset=draw(st.one_of(st.none(), resets(direction))),
        guards=guards,
        close_position_on_exit=session.policy == "flatten"
        or draw(st.sampled_from([True, True, True, False])),
    )


MARKETS = (
    Market(),
    Market(amount_step=Decimal("0.01"), tick=Decimal("0.05"), minimum_amount=Decimal("0.5")),
    Market(amount_step=Decimal(1), tick=Decimal("0.001"), price_figures=5, maintenance_rate=Decimal("0.03")),
)

COSTS = (
    Costs(Decimal(0), Decimal(0)),
    Costs(Decimal("4.5"), Decimal("1.5"), Decimal(2)),
    Costs(Decimal(10), Decimal("-1"), Decimal(25), Decimal(8)),
    # More than most stops are away, and than a liquidation at leverage 20.
    Costs(Decimal("4.5"), Decimal("1.5"), Decimal(450), Decimal(100)),
    Costs(Decimal("4.5"), Decimal("1.5"), limit_fills=LimitFills(LimitRule.TOUCH)),
    QUEUED := Costs(Decimal(0), Decimal(0), limit_fills=LimitFills(LimitRule.QUEUE, 0.3)),
)
