"""What goes wrong on demand: plans that the next matching requests and messages meet."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

REQUEST_KINDS = frozenset(
    {
        "reply_lost",
        "request_lost",
        "http",
        "http_after",
        "cut_body",
        "redirect",
        "html",
        "empty",
        "slow",
        "slow_reply",
        "hang",
        "hang_after",
        "refused",
        "odd",
    }
)
MESSAGE_KINDS = frozenset({"message_lost", "message_twice", "message_broken", "message_odd"})


@dataclass(slots=True)
class Fault:
    """One plan. ``on`` is an action's or question's type, a channel, ``exchange``, ``info`` or ``*``."""

    kind: str
    on: str
    left: int
    skip: int
    status: int
    body: str
    seconds: float
    matches: Callable[[Any], bool] | None
    chance: Random


class Faults:
    """The plans of one venue. Used in the venue's thread; ``Loopback.faults`` calls from any other."""

    def __init__(self) -> None:
        self._plans: list[Fault] = []
        self.fired: list[tuple[str, str]] = []
        """Kind and what it met, in the order in which it happened."""
        self.is_down = False
        self.streams_are_stale = False
        self.withheld: dict[tuple[str, int], float] = {}
        """When candles are published after all, on the machine's clock, by coin and open time."""

    def is_withheld(self, coin: str, open_ms: int) -> bool:
        """The venue does not show this candle of the coin yet."""
        return self.withheld.get((coin, open_ms), 0.0) > time.monotonic()

    def plan(
        self,
        kind: str,
        on: str = "*",
        *,
        count: int = 1,
        skip: int = 0,
        status: int = 502,
        body: str | None = None,
        seconds: float = 1.0,
        matches: Callable[[Any], bool] | None = None,
        seed: int = 0,
    ) -> None:
        """Let the next ``count`` matching requests (or messages of a channel), after ``skip``, meet a fault.

        ``reply_lost``: done, and the connection is cut. ``request_lost``: cut, nothing done. ``http``:
        ``status`` and ``body``, nothing done; ``http_after``: the same, done. ``cut_body``: the same, done,
        and its body ends in the middle. ``redirect``: to a page that says ok to everything, nothing done.
        ``html``: a page with status 200, done. ``empty``: ``null``, done. ``slow``: done after ``seconds``;
        ``slow_reply``: done, answered after ``seconds``. ``hang``: never answered, nothing done;
        ``hang_after``: the same, done. ``refused``: the venue's structured refusal with ``body``.
        ``odd``: done, one place of the answer odd, by ``seed``. ``message_lost``, ``message_twice``,
        ``message_broken``, ``message_odd``: of a stream. ``matches`` looks at the request's body.
        """
        if kind not in REQUEST_KINDS | MESSAGE_KINDS:
            raise ValueError(f"no fault {kind!r}")
        if body is None:
            body = "<html><body><h1>502 Bad Gateway</h1></body></html>" if kind != "refused" else "Refused."
        self._plans.append(Fault(kind, on, count, skip, status, body, seconds, matches, Random(seed)))

    def clear(self) -> None:
        """Forget all plans; the venue is up, the streams are fresh, all candles are there."""
        self._plans.clear()
        self.withheld.clear()
        self.is_down = self.streams_are_stale = False

    def forget_messages(self) -> None:
        """Forget the plans that no message has met yet."""
        self._plans = [fault for fault in self._plans if fault.kind not in MESSAGE_KINDS]

    @property
    def excuses(self) -> int:
        """How many have struck for which a position may stand bare anew: a silence is none."""
        return sum(not kind.startswith("hang") for kind, _ in self.fired)

    @property
    def pending(self) -> int:
        return sum(fault.left for fault in self._plans)

    def of_request(self, path: str, kind: str, body: Any) -> Fault | None:
        """Return the fault that this request meets, used up by it."""
        return self._meet(REQUEST_KINDS, {"*", path, kind}, kind, body)

    def of_message(self, channel: str) -> Fault | None:
        return self._meet(MESSAGE_KINDS, {"*", channel}, channel, None)

    def _meet(self, kinds: frozenset[str], names: set[str], what: str, body: Any) -> Fault | None:
        for fault in self._plans:
            if fault.kind not in kinds or fault.on not in names:
                continue
            if fault.matches is not None and not fault.matches(body):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.left -= 1
            if not fault.left:
                self._plans.remove(fault)
            self.fired.append((fault.kind, what))
            return fault
        return None
