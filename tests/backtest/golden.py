"""Golden backtests: what the decision core makes of these algorithms on generated candles, as digests.

After a wanted change of decisions: raise ``CORE_VERSION``, then ``python -m tests.backtest.golden`` writes
the digests anew. It refuses to while ``CORE_VERSION`` is that of the file, but for new cases.
"""

import hashlib
import json
import sys
from decimal import Decimal
from pathlib import Path

from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.strategy.core_settings import CORE_VERSION, Costs
from firstwatch.strategy.groups import Reading
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.launch import Guards, ResetSettings, SessionSettings
from firstwatch.trading.timeframe import Timeframe
from tests.backtest.specifications import COSTS, MARKETS, QUEUED, random_candles, random_funding

FILE = Path(__file__).with_name("golden.json")
_BARS = 3_000
_LONG = {"long": {"required": ["rsi(3) < 40"]}}
_BOTH = {"long": {"required": ["rsi(3) < 30"]}, "short": {"required": ["rsi(3) > 70"]}}
_FORMULAS = {
    "long": {
        "required": ["chop() < 61.8", "ulcer() < 20"],
        "optional": [
            "close crosses above alma()",
            "close crosses above vidya()",
            "ichimoku().spana crosses above ichimoku().spanb",
            "kst().kst crosses above kst().signal",
            "close crosses above session_vwap().lowerband",
        ],
    },
    "short": {
        "required": ["zscore() > -2", "close < ichimoku().base"],
        "optional": [
            "close crosses below mcginley()",
            "fisher().fisher crosses below fisher().trigger",
            "stc()@4h crosses below 75",
            "crsi() > 90",
            "close crosses below pivots().s1",
        ],
    },
}
_FREE, _USUAL, _COARSE, _DEAR, *_ = COSTS
_WEEK = ["mon", "tue", "wed", "thu", "fri"]


def _spec(name: str, direction: str = "long", **parts: object) -> AlgorithmSpec:
    document = {
        "name": name,
        "direction": direction,
        "timeframe": "1h",
        "entry": _LONG,
        "exit": {},
        "stop_loss": {"fraction": 0.03},
        "take_profit": {"fraction": 0.05},
        "sizing": {"equity": 0.5},
    } | parts
    return AlgorithmSpec.model_validate(document, context=Reading(Timeframe.H1))


def _chain(**link: object) -> ResetSettings:
    first = {
        "after": ["stop_loss", "trailing_stop"],
        "side": "opposite",
        "within_bars": 6,
        "size_factor": 2.0,
    }
    second = {"after": ["take_profit", "signal"], "wait_bars": 1, "within_bars": 4, "require_signal": False}
    return ResetSettings.model_validate(
        {"mode": "strict", "cooldown_bars": 2, "follow_up": [first, second | link]}
    )


_CASES = {
    "long": (_spec("long", exit={"long": {"required": ["rsi(3) > 60"]}}), BacktestSettings(), _FREE, 0),
    "short": (
        _spec(
            "short",
            "short",
            entry={"short": {"required": ["close crosses below ema(4)"], "optional": ["mom(2) < 0"]}},
            sizing={"fixed": 2_000},
        ),
        BacktestSettings(leverage=Decimal(3)),
        _USUAL,
        1,
    ),
    "both": (
        _spec("both", "both", entry=_BOTH, exit={side: {"required": ["adx(5)@4h > 30"]} for side in _BOTH}),
        BacktestSettings(trades_limit=40, assume_position_now=True),
        _COARSE,
        2,
    ),
    "trailing": (
        _spec("trailing", stop_loss={"fraction": 0.02, "trailing": True}, take_profit=None),
        BacktestSettings(leverage=Decimal(5)),
        _USUAL,
        0,
    ),
    "atr": (
        _spec(
            "atr",
            "both",
            entry=_BOTH,
            stop_loss={"atr": 1.5, "period": 3, "trailing": True},
            take_profit={"atr": 3, "period": 5},
            sizing={"risk": 0.02},
        ),
        BacktestSettings(leverage=Decimal(10)),
        _USUAL,
        1,
    ),
    "limit": (
        _spec("limit", order={"kind": "limit", "offset_bps": 30, "timeout_bars": 2}),
        BacktestSettings(),
        _COARSE,
        2,
    ),
    "chain": (_spec("chain", "both", entry=_BOTH), BacktestSettings(reset=_chain()), _USUAL, 0),
    "guards": (
        _spec("guards", "both", entry=_BOTH),
        BacktestSettings(
            leverage=Decimal(2),
            guards=Guards.model_validate({"daily_loss": 0.01, "losing_trades": 12, "drawdown": 0.5}),
        ),
        _USUAL,
        1,
    ),
    "session": (
        _spec("session", reset={"mode": "regular", "cooldown_bars": 1}),
        BacktestSettings(
            session=SessionSettings.model_validate(
                {
                    "policy": "flatten",
                    "timezone": "America/New_York",
                    "windows": [{"days": _WEEK, "start": "04:00", "end": "20:00"}],
                    "lead_minutes": 30,
                }
            )
        ),
        _USUAL,
        2,
    ),
    "held": (
        _spec("held", exit={"long": {"required": ["rsi(3) > 60"]}}, take_profit={"amount": 4}),
        BacktestSettings(leverage=Decimal(20), close_position_on_exit=False),
        _DEAR,
        0,
    ),
    "liquidated": (
        _spec("liquidated", "both", entry=_BOTH, stop_loss=None, sizing={"equity": 0.1}),
        BacktestSettings(leverage=Decimal(40)),
        _USUAL,
        0,
    ),
    "twap": (
        _spec("twap", "both", entry=_BOTH, order={"kind": "twap", "bars": 3}),
        BacktestSettings(leverage=Decimal(2)),
        _USUAL,
        1,
    ),
    "queue": (
        _spec("queue", order={"kind": "limit", "offset_bps": 5, "timeout_bars": 3}),
        BacktestSettings(),
        QUEUED,
        0,
    ),
    "formulas": (
        _spec(
            "formulas",
            "both",
            entry=_FORMULAS,
            exit={
                "long": {"required": ["close crosses below chandelier().long"]},
                "short": {"required": ["close crosses above chandelier().short"]},
            },
            stop_loss={"fraction": 0.01},
            take_profit={"fraction": 0.015},
        ),
        BacktestSettings(),
        _USUAL,
        0,
    ),
}
"""By name: algorithm, settings, costs and the place of the market in ``MARKETS``."""


def digests() -> dict[str, str]:
    """Return the SHA-256 of all trades and of equity for each case, by nine significant figures."""
    return {name: _digest(index, *case) for index, (name, case) in enumerate(_CASES.items())}


def complaint(found: dict[str, str], kept: dict[str, object], version: int) -> str:
    """Return what is wrong with digests against the file's; empty: nothing."""
    changed = [name for name, digest in found.items() if kept["digests"].get(name) != digest]
    if version != kept["core_version"]:
        return (
            f"CORE_VERSION is {version}, the golden backtests are of {kept['core_version']}: write them anew"
            " with `python -m tests.backtest.golden`"
        )
    if changed or len(found) != len(kept["digests"]):
        return (
            f"the golden backtests {', '.join(changed)} give other trades or equity than CORE_VERSION"
            f" {version} did. If that is not meant, it is a defect. If it is, raise CORE_VERSION"
            " (strategy/core_settings.py), so that saved baselines are called stale, and run"
            " `python -m tests.backtest.golden`"
        )
    return ""


def kept() -> dict[str, object]:
    """Return what the file holds: ``core_version`` and ``digests``."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def _digest(seed: int, spec: AlgorithmSpec, settings: BacktestSettings, costs: Costs, market: int) -> str:
    candles = random_candles(seed, _BARS, 0.008)
    result = simulate(
        spec,
        candles,
        market=MARKETS[market],
        costs=costs,
        settings=settings,
        funding=random_funding(seed, candles) if seed % 2 else None,
    )
    assert len(result.records) >= 10, f"{spec.name}: {len(result.records)} trades show little"
    # The last bits of a logarithm or a root are the machine's, so they stay out.
    rows = [[f"{cell:.9g}" if isinstance(cell, float) else cell for cell in row] for row in result.records]
    text = json.dumps([rows, [f"{value:.9g}" for value in result.equity.tolist()]])
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> str | None:
    """Write the file; return why not."""
    found = digests()
    if FILE.exists() and kept()["core_version"] == CORE_VERSION:
        known = {name: found.get(name) for name in kept()["digests"]}
        if problem := complaint(known, kept(), CORE_VERSION):
            return problem
    FILE.write_text(
        json.dumps({"core_version": CORE_VERSION, "digests": found}, indent=2) + "\n", encoding="utf-8"
    )
    return None


if __name__ == "__main__":
    sys.exit(main())
