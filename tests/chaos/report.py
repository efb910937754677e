"""What many histories came to, in figures."""

import traceback
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.drawing import draw
from tests.chaos.history import History


@dataclass
class Report:
    """Sums over histories; the longest times are those of the worst one."""

    histories: int = 0
    states: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    said_at_once: int = 0
    fills: int = 0
    liquidations: int = 0
    with_hand: int = 0
    longest_unprotected_s: int = 0
    longest_bared_s: int = 0
    longest_unheard_s: int = 0
    longest_shown_late_s: int = 0

    @classmethod
    def of(cls, history: History) -> "Report":
        """Return the figures of one history."""
        rows = history.fills_booked
        auditor = history._auditor
        return cls(
            histories=1,
            states=Counter({history.state.value: 1}),
            deaths=Counter(history.deaths),
            faults=Counter(history.venue.faults),
            acts=Counter(history.acts),
            alarms=Counter(auditor.alarms),
            orders=len(history.venue.sent),
            said_at_once=history.venue.said_at_once,
            fills=len(rows),
            liquidations=sum(row.fill.is_liquidation for row in rows),
            with_hand=int(history.has_hand),
            longest_unprotected_s=auditor.longest_unprotected_s,
            longest_bared_s=auditor.longest_bared_s,
            longest_unheard_s=auditor.longest_unheard_s,
            longest_shown_late_s=auditor.longest_shown_late_s,
        )

    def add(self, other: "Report") -> None:
        """Add another report to this one."""
        for name in ("states", "deaths", "faults", "acts", "alarms"):
            getattr(self, name).update(getattr(other, name))
        for name in (
            "histories",
            "orders",
            "said_at_once",
            "fills",
            "liquidations",
            "with_hand",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in (
            "longest_unprotected_s",
            "longest_bared_s",
            "longest_unheard_s",
            "longest_shown_late_s",
        ):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))

    def text(self) -> str:
        """Return the figures as lines."""
        lines = [
            f"{self.histories} histories: {_of(self.states)}; {self.orders} orders sent,"
            f" {self.said_at_once} answered with their fills, {self.fills} fills"
            f" booked, {self.liquidations} liquidations, {self.with_hand} histories with hands in the wallet",
            f"{self.deaths.total()} deaths: {_of(self.deaths)}",
            f"{self.faults.total()} faults: {_of(self.faults)}",
            f"people: {_of(self.acts)}",
            f"alarms: {_of(self.alarms)}",
            f"longest without a stop at a reachable venue: {self.longest_unprotected_s} s,"
            f" {self.longest_bared_s} s where somebody acts by hand;"
            f" longest without news of a position: {self.longest_unheard_s} s,"
            f" with a level shown that did not rest: {self.longest_shown_late_s} s",
        ]
        return "\n".join(lines)


def _of(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def live_through(seed: int) -> tuple[int, str, Report]:
    """Return the seed, what went wrong in its history (empty: nothing), and its figures."""
    history = History(draw(seed))
    wrong = ""
    try:
        history.run()
    except Exception:
        wrong = traceback.format_exc(limit=-3)
    return seed, wrong, Report.of(history)
