"""The shape of ``firstwatch report --json``, written down apart from the model that makes it."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

VERDICTS = ("CONSISTENT", "WATCH", "DIVERGED", "NOT ENOUGH DATA")
CHECKS = ("signal_parity", "fill_prices", "trade_frequency", "drawdown", "exits", "costs", "edge")
CAUSES = (
    "rejected", "unfilled", "below minimum", "guard", "session", "pause", "stale data", "late", "recovery",
    "operator", "liquidation", "adopted", "data", "mark price", "limit not filled", "unexplained",
)  # fmt: skip
CHANGES = (
    "rate/2", "rate/4", "rate*2", "losses*2", "stops*2", "slippage+2bps", "slippage+5bps", "slippage+10bps",
    "missed/20", "edge_gone",
)  # fmt: skip
LOOKS_MOST = 96

Part = Callable[[Any], bool] | tuple[str, ...] | Mapping[str, Any] | list[Any]


def number(value: Any) -> bool:
    """A finite number, and not true or false."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def text(value: Any) -> bool:
    """A text with something in it that is not one of a failed computation."""
    return isinstance(value, str) and value != "" and not re.search(r"\b(nan|inf|None)\b", value)


def sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def time(value: Any) -> bool:
    """ISO 8601, UTC."""
    shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"
    return isinstance(value, str) and re.fullmatch(shape, value) is not None


def money(value: Any) -> bool:
    """A plain decimal as text."""
    return isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value) is not None


def maybe(part: Part) -> Callable[[Any], bool]:
    """Null, or of that shape."""
    return lambda value: value is None or not list(_wrong(value, part, ""))


def band(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(number, value)) and value[0] <= value[1]


CHECK = {
    "name": CHECKS,
    "verdict": VERDICTS,
    "first_at": maybe(time),
    "observed": maybe(number),
    "expected": maybe(number),
    "band": maybe(band),
    "n": maybe(whole),
    "n_expected": maybe(number),
    "p_adjusted": maybe(number),
    "e_value": maybe(number),
    "smallest_effect": maybe(CHANGES),
    "more_at": maybe(time),
    "sentence": text,
}
FAN = {name: [number] for name in ("minutes", "p5", "p25", "p50", "p75", "p95")} | {"live": [maybe(number)]}
TERMS = (
    "live_pnl", "shadow_pnl", "missed", "extra", "entry", "exit", "exit_reason", "size", "fees", "funding",
    "residual",
)  # fmt: skip
REPORT = {
    "run": text,
    "mode": ("paper", "testnet", "live"),
    "day": whole,
    "hours": number,
    "verdict": VERDICTS,
    "first_at": maybe(time),
    "locked": maybe({"hash": sha256, "at": time}),
    "next_look_at": maybe(time),
    "checks": [CHECK],
    "since_start": {"e_value": maybe(number), "verdict": VERDICTS},
    "mismatches": [
        {"time": time, "what": text, "cause": CAUSES, "live": maybe(text), "shadow": maybe(text)},
    ],
    "identity": maybe(dict.fromkeys(TERMS, money) | {"venue_residual": maybe(money)}),
    "limit_fills": maybe({"rule": text, "entries": whole, "assumed_share": number, "live_share": number}),
    "hours_strip": [
        {"hour": whole, "trades": maybe(whole), "verdict": maybe(VERDICTS), "down_minutes": number},
    ],
    "fan": maybe(FAN),
    "next": text,
}


def wrong_in(report: Any) -> list[str]:
    """Return what of a report is not of the promised shape; empty: nothing."""
    found = list(_wrong(report, REPORT, "report"))
    if found:
        return found
    if [check["name"] for check in report["checks"]] != list(CHECKS):
        found.append("the checks are not the seven, in their order")
    if [cell["hour"] for cell in report["hours_strip"]] != list(range(24)):
        found.append("the strip is not of 24 hours")
    for check in report["checks"]:
        if (check["first_at"] is not None) != (check["verdict"] == "DIVERGED"):
            found.append(f"{check['name']} is {check['verdict']} since {check['first_at']}")
        if check["e_value"] is not None and check["name"] != "fill_prices":
            found.append(f"{check['name']} has an e-value")
    fan = report["fan"]
    if fan is not None and (len({len(curve) for curve in fan.values()}) != 1 or len(fan["p5"]) > LOOKS_MOST):
        found.append("the curves of the fan have not one length")
    return found


def _wrong(value: Any, part: Part, where: str) -> Iterator[str]:
    match part:
        case dict():
            if not isinstance(value, dict) or list(value) != list(part):
                yield f"{where}: {value!r} has not exactly the fields {', '.join(part)}"
                return
            for name, inner in part.items():
                yield from _wrong(value[name], inner, f"{where}.{name}")
        case [inner]:
            if not isinstance(value, list):
                yield f"{where}: {value!r} is not a list"
                return
            for place, each in enumerate(value):
                yield from _wrong(each, inner, f"{where}[{place}]")
        case tuple():
            if value not in part:
                yield f"{where}: {value!r} is not one of {', '.join(part)}"
        case _:
            assert callable(part)
            if not part(value):
                yield f"{where}: {value!r}"
