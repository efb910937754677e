"""What a program did, in the venue's eyes: the figures that no test of a program's own can know."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal

from tests.loopback.actions import IMPLICIT, Actions
from tests.loopback.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything since the venue's start."""

    actions: dict[str, int]
    """How often each type of action was understood, refused ones included."""
    requests: dict[str, int]
    """How often each question was asked."""
    reused_cloids: list[tuple[str, str]]
    """(account, client id) that more than one order carried."""
    orders_without_cloid: int
    largest_positions: dict[tuple[str, str], Decimal]
    """By (account, coin), unsigned."""
    builders: dict[str, int]
    """How many orders paid or offered to pay each builder."""
    implicit_actions: list[tuple[str, str]]
    """(type, account) of what client libraries do unasked: approvals, referrers, account modes."""
    unknown_signers: dict[str, int]
    duplicate_nonces: int
    rate_limited: int
    """Requests answered with 429 because of their weight, not by a fault."""
    peak_weight: int
    """The most weight in any 60 seconds."""
    longest_unprotected_s: dict[tuple[str, str], float]
    """By (account, coin): the longest wall time on end of a position without a full stop.

    Outages, and the time without a program, are left out; a request or message that meets a fault, and a
    program's beginning, begin the time anew.
    """


class Auditor:
    """Watches an exchange; ``look`` is called after everything that happens."""

    def __init__(self, exchange: Exchange, actions: Actions) -> None:
        self._exchange = exchange
        self._actions = actions
        self.requests: Counter[str] = Counter()
        self.rate_limited = 0
        self.peak_weight = 0
        self._largest: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._bare_s: dict[tuple[str, str], float] = {}
        self._longest_s: dict[tuple[str, str], float] = defaultdict(float)
        self._looked_s: float | None = None
        self._faults = 0

    def look(self, now_s: float, *, is_reachable: bool, faults: int = 0) -> None:
        """Measure positions and their protection.

        ``now_s``: the wall's monotonic clock; ``faults``: how many have struck by now.
        """
        if faults != self._faults:
            self._faults, self._bare_s = faults, dict.fromkeys(self._bare_s, 0.0)
        passed_s = now_s - self._looked_s if self._looked_s is not None and is_reachable else 0.0
        self._looked_s = now_s
        for account in self._exchange.accounts.values():
            for coin, held in account.positions.items():
                key = account.address, coin
                self._largest[key] = max(self._largest[key], abs(held.size))
                stops = (
                    order.rest
                    for order in self._exchange.orders_of(account, coin)
                    if order.trigger is not None
                    and not order.trigger.is_take_profit
                    and order.sign == -held.sign
                )
                if sum(stops) >= abs(held.size) > 0:
                    self._bare_s.pop(key, None)
                elif held.size:
                    # What was bare at both looks was bare between them.
                    bare_s = self._bare_s.get(key)
                    self._bare_s[key] = 0.0 if bare_s is None else bare_s + passed_s
                    self._longest_s[key] = max(self._longest_s[key], self._bare_s[key])
        for key in [key for key in self._bare_s if not self._size(*key)]:
            del self._bare_s[key]

    def _size(self, account: str, coin: str) -> Decimal:
        return self._exchange.accounts[account].size(coin)

    def filled(self, account: str, coin: str) -> None:
        """Measure right after a fill, so that a position that lasted an instant counts, too."""
        self._largest[account, coin] = max(self._largest[account, coin], abs(self._size(account, coin)))

    def audit(self) -> Audit:
        """Return the figures so far."""
        sent = self._actions.sent
        cloids: Counter[tuple[str, str]] = Counter()
        builders: Counter[str] = Counter()
        bare = 0
        for one in sent:
            orders = one.action.get("orders", []) if one.kind == "order" else []
            if one.kind == "batchModify":
                orders = [modify["order"] for modify in one.action["modifies"]]
            elif one.kind == "modify":
                orders = [one.action["order"]]
            for order in orders:
                if "c" in order:
                    cloids[one.account, order["c"]] += 1
                else:
                    bare += 1
            if "builder" in one.action and one.kind == "order":
                builders[one.action["builder"]["b"]] += len(orders)
        return Audit(
            actions=dict(Counter(one.kind for one in sent)),
            requests=dict(self.requests),
            reused_cloids=[key for key, count in cloids.items() if count > 1],
            orders_without_cloid=bare,
            largest_positions=dict(self._largest),
            builders=dict(builders),
            implicit_actions=[(one.kind, one.account) for one in sent if one.kind in IMPLICIT],
            unknown_signers=dict(self._actions.unknown_signers),
            duplicate_nonces=self._actions.duplicate_nonces,
            rate_limited=self.rate_limited,
            peak_weight=self.peak_weight,
            longest_unprotected_s=dict(self._longest_s),
        )
