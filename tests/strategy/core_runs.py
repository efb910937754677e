"""Settings, bars and flags for tests that drive the core without an algorithm."""

import numpy as np

from firstwatch.strategy import core_state as codes
from firstwatch.strategy.core_state import CoreSettings


def random_settings(seed: int) -> CoreSettings:
    """Return core settings that use every rule now and then."""
    random = np.random.default_rng(seed)

    def one_of(*values):
        return values[int(random.integers(len(values)))]

    links = int(random.integers(0, 3))
    return CoreSettings(
        allows_long=1,
        allows_short=one_of(0, 1),
        leverage=one_of(1.0, 5.0, 20.0),
        sizing_kind=one_of(codes.SIZE_FIXED, codes.SIZE_EQUITY),
        sizing_value=0.5,
        stop_kind=one_of(codes.NO_LEVEL, codes.FRACTION, codes.AMOUNT, codes.ATR),
        stop_value=0.03,
        stop_trails=one_of(0, 1),
        target_kind=one_of(codes.NO_LEVEL, codes.FRACTION),
        target_value=0.04,
        order_kind=one_of(codes.MARKET_ORDER, codes.LIMIT_ORDER, codes.TWAP_ORDER),
        order_bars=3,
        order_offset=0.002,
        order_timeout_bars=2,
        reset_mode=one_of(codes.COOLDOWN_ONLY, codes.REGULAR, codes.STRICT),
        cooldown_bars=one_of(0, 3),
        links=links,
        link_after=(0b1111110,) * 8,
        link_wait=(1,) * 8,
        link_within=(4,) * 8,
        link_needs_signal=(one_of(0, 1),) * 8,
        link_factor=(0.5,) * 8,
        drawdown_limit=0.5,
        drawdown_action=one_of(0, codes.GUARD_STOPS),
        has_guards=1,
        slippage=0.0002,
        limit_rule=one_of(codes.FILLS_THROUGH, codes.FILLS_TOUCHED, codes.FILLS_BY_QUEUE),
        limit_queue=0.25,
    )


def random_flags(seed: int, bars: int) -> tuple[np.ndarray, np.ndarray]:
    """Return open, high, low, close per bar and entry long, short, exit long, short, may enter."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.012, bars)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(random.normal(0, 0.003, bars))
    high = np.maximum(opened, close) * np.exp(np.abs(random.normal(0, 0.008, bars)))
    low = np.minimum(opened, close) * np.exp(-np.abs(random.normal(0, 0.008, bars)))
    flags = (random.random((bars, 5)) < [0.4, 0.4, 0.1, 0.1, 0.95]).astype(np.int64)
    flags[:, 1] = np.where(random.random(bars) < 0.05, -1, flags[:, 1])
    return np.round(np.stack([opened, high, low, close], axis=1), 2), flags
