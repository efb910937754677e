"""The kinds of jobs. To add one: a module with ``KIND`` in this package, and its name in the table here."""

from importlib import import_module
from typing import Any

from firstwatch.engine.jobs.context import Kind
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.jobs import JobKind

_MODULES = {
    JobKind.BACKTEST: "backtest",
    JobKind.BASELINE: "baseline",
    JobKind.CALIBRATION: "calibration",
    JobKind.CROSS_VALIDATION: "cross_validation",
    JobKind.OPTIMISATION: "optimisation",
    JobKind.USEFULNESS: "usefulness",
}
"""Modules by name: the process of a job loads what its own kind needs, and the engine nothing of them."""


def work_of(kind: JobKind) -> Kind[Any]:
    """Return a kind's request and work.

    Raises:
        WrongUseError: this version has no work of that kind.
    """
    name = _MODULES.get(kind)
    if name is None:
        raise WrongUseError(f"This version cannot do a job of the kind {kind}.")
    found: Kind[Any] = import_module(f"firstwatch.engine.jobs.{name}").KIND
    return found
