"""Functions of series as the condition language sees them, without importing TA-Lib.

The facts are in ``function_table``; those of TA-Lib in ``talib_table``, which
``tests/strategy/make_function_table.py`` generates.
"""

from dataclasses import dataclass
from enum import StrEnum


class Memory(StrEnum):
    """How far back a function's value reaches; measured with histories of different starts."""

    FINITE = "finite"
    """Equal as soon as there is a value, whatever came before."""
    FADING = "fading"
    """Differs at first, and the difference dies out."""
    ANCHORED = "anchored"
    """Differs for ever: only changes of the value have a meaning, not the value itself."""


class ParameterKind(StrEnum):
    """Meaning of a function's parameter."""

    INTEGER = "integer"
    REAL = "real"
    MOVING_AVERAGE = "moving_average"
    """TA-Lib's number of a moving average: 0 simple, 1 exponential, ..."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter with its default and range, bounds included; TA-Lib's where the function is."""

    name: str
    kind: ParameterKind
    default: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Function:
    """One function. ``name`` and all names in it are in lower case, TA-Lib's where the function is.

    ``inputs`` in the order of its arguments: price fields, ``time_ms`` (when the bar opened), ``source``
    (any series, close by default) and ``periods`` (a series that must be given).
    """

    name: str
    memory: Memory
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    days: int = 0
    """Days (UTC) that may begin before there is a value: the function starts anew with each."""

    @property
    def default_output(self) -> str | None:
        """The output meant when none is named: the only one, or the one named like the function."""
        if len(self.outputs) == 1:
            return self.outputs[0]
        return self.name if self.name in self.outputs else None
