"""How the command line names things."""

from firstwatch.store.database import Session
from firstwatch.store.runs import all_run_ids
from firstwatch.trading.errors import WrongUseError

_DIGITS = 10


def split_version(text: str) -> tuple[str, int | None]:
    """Return (name, version) of ``NAME[@VERSION]``; None: the newest.

    Raises:
        WrongUseError: what follows the ``@`` is no version number.
    """
    name, at, number = text.rpartition("@")
    if not at:
        return text, None
    if not (number.isascii() and number.isdecimal() and len(number) < _DIGITS):
        raise WrongUseError(f"{text!r} names no version: write NAME or NAME@NUMBER, such as {name}@1.")
    return name, int(number)


def full_run_id(session: Session, text: str) -> str:
    """Return the id of the one run whose id begins with ``text``.

    Raises:
        WrongUseError: no run, or more than one.
    """
    found = [run_id for run_id in all_run_ids(session) if run_id.startswith(text.lower())]
    if len(found) == 1:
        return found[0]
    if not found:
        raise WrongUseError(f"There is no run {text!r}; see them with: firstwatch run list.")
    raise WrongUseError(f"{text!r} fits {len(found)} runs; write more of the id: {', '.join(found[:4])}.")
