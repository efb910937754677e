"""Actions as they come over the wire, and as the venue hashes them.

The venue reads JSON into structures of its own and hashes those: digits of client ids become small,
trailing zeros go, members get the structures' order. Who signed something else is another signer.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
_ADDRESS = re.compile(r"(0x)?[0-9a-fA-F]{40}")
_TIFS = ("Alo", "Ioc", "Gtc", "FrontendMarket")


class Malformed(Exception):
    """The request does not have the shape of any: HTTP 422."""


def canonical(action: Any) -> dict[str, Any]:
    """Return the action as the venue hashes it; actions without a structure here as they are.

    Raises:
        Malformed: a member is missing or of another type.
    """
    try:
        kind = action["type"]
        match kind:
            case "order":
                plain = {
                    "type": kind,
                    "orders": [_order(order) for order in _list(action["orders"])],
                    "grouping": _one_of(action["grouping"], ("na", "normalTpsl", "positionTpsl")),
                }
                if action.get("builder") is not None:
                    builder = action["builder"]
                    plain["builder"] = {"b": address(builder["b"]), "f": _whole(builder["f"])}
                return plain
            case "cancel":
                cancels = [{"a": _whole(one["a"]), "o": _whole(one["o"])} for one in _list(action["cancels"])]
                return {"type": kind, "cancels": cancels}
            case "cancelByCloid":
                cancels = [
                    {"asset": _whole(one["asset"]), "cloid": cloid(one["cloid"])}
                    for one in _list(action["cancels"])
                ]
                return {"type": kind, "cancels": cancels}
            case "modify":
                return {"type": kind, "oid": _oid(action["oid"]), "order": _order(action["order"])}
            case "batchModify":
                modifies = [
                    {"oid": _oid(one["oid"]), "order": _order(one["order"])}
                    for one in _list(action["modifies"])
                ]
                return {"type": kind, "modifies": modifies}
            case "updateLeverage":
                return {
                    "type": kind,
                    "asset": _whole(action["asset"]),
                    "isCross": _truth(action["isCross"]),
                    "leverage": _whole(action["leverage"]),
                }
            case "updateIsolatedMargin":
                return {
                    "type": kind,
                    "asset": _whole(action["asset"]),
                    "isBuy": _truth(action["isBuy"]),
                    "ntli": _whole(action["ntli"]),
                }
            case "scheduleCancel":
                time = action.get("time")
                return {"type": kind} if time is None else {"type": kind, "time": _whole(time)}
            case "noop":
                return {"type": kind}
            case "setReferrer":
                return {"type": kind, "code": _text(action["code"])}
            case str():
                return dict(action)
    except (KeyError, TypeError, AttributeError, InvalidOperation) as reason:
        raise Malformed(f"{type(reason).__name__}: {reason}") from reason
    raise Malformed("an action has a type")


def cloid(value: Any) -> str:
    if not isinstance(value, str) or not _CLOID.fullmatch(value):
        raise Malformed(f"no client id: {value!r}")
    return value.lower()


def address(value: Any) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise Malformed(f"no address: {value!r}")
    return "0x" + value.lower().removeprefix("0x")


def text_of(value: Decimal) -> str:
    """Return a number as the venue writes it in what is signed: no exponent, no trailing zeros."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"", "-0"} else text


def _order(order: Any) -> dict[str, Any]:
    plain = {
        "a": _whole(order["a"]),
        "b": _truth(order["b"]),
        "p": _number(order["p"]),
        "s": _number(order["s"]),
        "r": _truth(order["r"]),
        "t": _order_type(order["t"]),
    }
    if order.get("c") is not None:
        plain["c"] = cloid(order["c"])
    return plain


def _order_type(kind: Any) -> dict[str, Any]:
    if "limit" in kind:
        return {"limit": {"tif": _one_of(kind["limit"]["tif"], _TIFS)}}
    trigger = kind["trigger"]
    return {
        "trigger": {
            "isMarket": _truth(trigger["isMarket"]),
            "triggerPx": _number(trigger["triggerPx"]),
            "tpsl": _one_of(trigger["tpsl"], ("tp", "sl")),
        }
    }


def _oid(value: Any) -> int | str:
    return cloid(value) if isinstance(value, str) else _whole(value)


def _number(value: Any) -> str:
    number = Decimal(_text(value))
    if not number.is_finite():
        raise Malformed(f"no number: {value!r}")
    return text_of(number)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Malformed(f"no whole number: {value!r}")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Malformed(f"neither true nor false: {value!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Malformed(f"no text: {value!r}")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise Malformed("an empty list or none")
    return value


def _one_of(value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Malformed(f"{value!r} is none of {', '.join(known)}")
    return value
