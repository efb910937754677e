"""Remedies of the form itself for checks that did not pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Cure(Enum):
    """Kinds of remedies that do not leave the form."""

    CHANGE = "change"
    """A field is edited."""
    APPROVE = "approve"
    FUND = "fund"
    MAKE_BASELINE = "make baseline"


@dataclass(frozen=True, slots=True)
class Remedy:
    """The effect of Enter on the row of a check that did not pass."""

    hint: str
    cure: Cure = Cure.CHANGE
    field: str = ""
    """The field that is edited."""


def _change(field: str, hint: str) -> Remedy:
    return Remedy(hint, field=field)


_BASELINE = Remedy("make a baseline", Cure.MAKE_BASELINE)

REMEDIES: Mapping[str, Remedy] = {
    "algorithm": _change("algorithm", "choose another version"),
    "wallet": _change("wallet", "choose another wallet"),
    "symbol": _change("symbol", "choose another market"),
    "funds": Remedy("fund the wallet", Cure.FUND),
    "leverage": _change("leverage", "change the leverage"),
    "minimums": _change("capital", "change the capital"),
    "stop": _change("leverage", "change the leverage"),
    "session": _change("session_windows", "change the trading hours"),
    "closing": _change("without_stop_reason", "write the reason"),
    "position": _change("assume_position_now", 'change "Assume position now"'),
    "approvals": Remedy("give it here", Cure.APPROVE),
    "baseline": _BASELINE,
    "baseline age": _BASELINE,
    "same settings": _BASELINE,
    "capital share": _change("capital", "change the capital"),
}
"""Remedies by name of the check; other checks are only shown, and fixed elsewhere."""
