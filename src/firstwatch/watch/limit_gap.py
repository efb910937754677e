"""How much of a run's limit entries filled, beside what the backtest's rule fills on the same bars.

The rule is an assumption of the baseline (``LimitFills``); only live fills can tell how good it is.
"""

from dataclasses import dataclass

from firstwatch.strategy.core_prices import limit_is_reached, limit_steps
from firstwatch.strategy.core_state import CoreSettings
from firstwatch.trading.bar import Bar
from firstwatch.trading.limit_fills import LimitFills
from firstwatch.trading.watch import LimitGap


@dataclass(slots=True)
class LimitTally:
    """The limit entries of a run so far, in amount steps, and the one that rests by the rule."""

    entries: int = 0
    decided: int = 0
    assumed: int = 0
    """Filled by the rule, at the limit or at an open beyond it."""
    live: int = 0
    side: int = 0
    limit: float = 0.0
    rest: int = 0
    """Steps of the one that rests, still open by the rule."""
    bars_left: int = 0

    def decide(self, side: int, limit: float, steps: int, bars: int) -> None:
        """Let an entry rest from the next bar on, for so many bars."""
        self.entries += 1
        self.decided += steps
        self.side, self.limit, self.rest, self.bars_left = side, limit, steps, bars

    def cancel(self) -> None:
        """Let nothing rest any more."""
        self.rest = self.bars_left = 0

    def close(self) -> None:
        """Let nothing rest after the bar that goes on: its trade has ended inside of that."""
        self.bars_left = min(self.bars_left, 1)

    def pass_bar(self, bar: Bar, settings: CoreSettings) -> None:
        """Fill by the rule of ``settings`` what this bar fills."""
        if self.bars_left == 0 or self.rest == 0:
            return
        self.bars_left -= 1
        if limit_is_reached(self.side, bar.open, self.limit):
            filled = self.rest
        else:
            filled = limit_steps(
                self.side,
                bar.low if self.side > 0 else bar.high,
                self.limit,
                self.rest,
                bar.volume,
                settings.limit_rule,
                settings.limit_queue,
                settings.step_units / settings.step_scale,
            )
        self.assumed += filled
        self.rest -= filled

    def gap(self, rule: LimitFills) -> LimitGap | None:
        """Return the figure; None: there was no limit entry."""
        if self.decided == 0:
            return None
        return LimitGap(
            rule=str(rule),
            entries=self.entries,
            assumed_share=self.assumed / self.decided,
            live_share=min(self.live / self.decided, 1.0),
        )


def gap_words(gap: LimitGap | None) -> str:
    """Return the figure in words; empty: there is none."""
    if gap is None:
        return ""
    entries = "1 limit entry" if gap.entries == 1 else f"{gap.entries} limit entries"
    return (
        f"of {entries} {gap.live_share * 100:.0f} % filled at the limit, {gap.assumed_share * 100:.0f} % by"
        f" the backtest's rule ({gap.rule})"
    )
