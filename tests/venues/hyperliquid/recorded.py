"""What a loopback venue answers and streams, recorded once, and each way in which one place may be odd."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.client import HyperliquidClient
from tests.venues.hyperliquid.rig import BUY, LIMIT, MARKET, SELL, STOP, SYMBOL, LiveRig, flat_bars, wait_for

AGENT = "0x" + "ab" * 20
BUILDER = "0x" + "b1" * 20


@dataclass(frozen=True)
class Recorded:
    """Everything that the venue said to an account that has one of everything."""

    account: str
    order: str
    """Client order id of the stop."""
    answers: dict[str, Any]
    """By kind of question; of another exchange of the venue ``KIND@DEX``."""
    listed: list[dict[str, Any]]
    """The markets, as the exchange library structures them."""
    actions: list[Any]
    messages: dict[str, Any]
    """The last message by channel."""


def record(monkeypatch: Any) -> Recorded:
    """Trade at a loopback venue and note all that it says."""
    answers: dict[str, Any] = {}
    actions: list[Any] = []
    messages: dict[str, Any] = {}
    ask, act, hear = HyperliquidClient.ask, HyperliquidClient.act, HyperliquidClient._hear_frame

    async def asked(self: Any, request: dict[str, Any]) -> Any:
        answer = await ask(self, request)
        key = request["type"] + (f"@{request['dex']}" if request.get("dex") else "")
        if answer or key not in answers:
            answers[key] = copy.deepcopy(answer)
        return answer

    async def acted(self: Any, request: dict[str, Any]) -> Any:
        actions.append(await act(self, request))
        return actions[-1]

    def heard(self: Any, client: Any, frame: Any) -> None:
        self._on_stream, tell = lambda message: (note(message), tell(message)), self._on_stream
        try:
            hear(self, client, frame)
        finally:
            self._on_stream = tell

    def note(message: Any) -> None:
        is_snapshot = isinstance(message.get("data"), dict) and message["data"].get("isSnapshot")
        if message.get("data") and not is_snapshot:
            messages[message["channel"]] = copy.deepcopy(message)

    monkeypatch.setattr(HyperliquidClient, "ask", asked)
    monkeypatch.setattr(HyperliquidClient, "act", acted)
    monkeypatch.setattr(HyperliquidClient, "_hear_frame", heard)
    rig = LiveRig(bars=flat_bars(180), clock="stepped", history=65, weight_limit=None, weight_per_minute=1e6)
    try:
        return _record(rig, answers, actions, messages)
    finally:
        rig.close()
        monkeypatch.undo()


def _record(rig: LiveRig, answers: dict[str, Any], actions: list[Any], messages: dict[str, Any]) -> Recorded:
    account, server, venue = rig.account, rig.server, rig.venue
    server.approve_agent(account, AGENT, name="bot")
    server.fund_spot(account, 5)
    server.hold_aside(account, "xyz", "TSLA", "-2")
    server.order_aside(account, "xyz:NVDA", dex="xyz")
    rig.listen()
    venue.set_leverage(account, SYMBOL, Decimal(3))
    rig.send(BUY, MARKET, "1", price="110")
    stop, _ = rig.send(SELL, STOP, "1", trigger="80", reduce_only=True)
    rig.send(SELL, LIMIT, "0.5", price="130", reduce_only=True)
    rig.send(BUY, LIMIT, "1", price="0.5", reduce_only=True)
    # Over the hour, at which funding is paid.
    for _ in range(60):
        server.step_to(server.now_ms() + 60_000)
    venue.order(account, SYMBOL, stop)
    venue.fills_since(account, SYMBOL, 0)
    venue.funding_since(account, SYMBOL, 0)
    venue.holdings(account)
    venue.candles(SYMBOL, Timeframe.M1, end_ms=venue.now_ms(), limit=5)
    venue.condition(account, SYMBOL)
    venue.touch(SYMBOL)
    info = venue._connection.info
    for question in (
        {"type": "meta"},
        {"type": "l2Book", "coin": "BTC"},
        {"type": "userAbstraction", "user": account},
        {"type": "extraAgents", "user": account},
        {"type": "userRole", "user": AGENT},
        {"type": "maxBuilderFee", "user": account, "builder": BUILDER},
    ):
        venue.ask(question.pop("type"), **question)
    wanted = {"l2Book", "activeAssetCtx", "candle", "userFills", "orderUpdates", "subscriptionResponse"}
    wait_for(lambda: wanted <= messages.keys())

    async def listed() -> list[dict[str, Any]]:
        return await info._client.listed_markets()

    # The library's structure is much larger than what is read of it.
    used = ("symbol", "baseName", "baseId", "active", "taker", "maker", "info", "swap")
    markets = [{key: market[key] for key in used} for market in venue._read(listed)]
    # Of many orders something was said meanwhile.
    of_stop = {"orderStatus": venue.ask("orderStatus", user=account, oid=f"0x{stop}")}
    return Recorded(account, stop, answers | of_stop, markets, list(actions), dict(messages))


def deep(levels: int) -> Any:
    """Return a list in a list, so many times."""
    nested: Any = []
    for _ in range(levels):
        nested = [nested]
    return nested


MISSING = object()
DEEP = deep(4_000)
ODD = (
    MISSING,
    None,
    True,
    "",
    "text",
    "te\x1bxt",
    -1,
    "-1",
    0,
    "0",
    1.5,
    float("nan"),
    "NaN",
    float("inf"),
    float("-inf"),
    "Infinity",
    "-Infinity",
    "1e400",
    10**400,
    "9" * 4_300,
    10**4_299,
    [],
    {},
    [None],
    DEEP,
)
"""What may stand where something else is documented."""


def mutations(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield the document with one place of it odd, and which: each leaf each odd thing, each list three."""
    for place in _places(document):
        there = _at(document, place)
        if isinstance(there, list):
            changed = [("empty", []), ("doubled", there + there), ("reversed", there[::-1])]
            changed += [("twice nested", [there])]
        elif isinstance(there, dict):
            changed = [("empty", {}), ("a list", [there]), ("null", None), ("deep", DEEP)]
        else:
            changed = [(f"{type(odd).__name__} {str(odd)[:12]}", odd) for odd in ODD if odd is not DEEP]
            changed.append(("deep", DEEP))
        for name, odd in changed:
            if not place:
                if odd is not MISSING:
                    yield name, odd
                continue
            yield f"{'.'.join(map(str, place))}: {name}", _with(document, place, odd)


def _places(document: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _places(value, (*place, key))
    elif isinstance(document, list):
        # Many rows of one shape: the first and the last stand for all.
        for number in sorted({0, len(document) - 1} & set(range(len(document)))):
            yield from _places(document[number], (*place, number))


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        document = document[key]
    return document


def _with(document: Any, place: tuple[Any, ...], odd: Any) -> Any:
    """Return a copy of the document with that place changed; only the way to it is copied."""
    key, *rest = place
    changed = copy.copy(document)
    if rest:
        changed[key] = _with(document[key], tuple(rest), odd)
    elif odd is not MISSING:
        changed[key] = odd
    else:
        del changed[key]
    return changed
