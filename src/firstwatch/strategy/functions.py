"""TA-Lib's functions as the condition language sees them, without importing TA-Lib.

The facts are in ``function_table``, which ``tests/strategy/make_function_table.py`` generates.
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
    """One parameter with TA-Lib's default and range, bounds included."""

    name: str
    kind: ParameterKind
    default: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Function:
    """One TA-Lib function. ``name`` and all names in it are TA-Lib's, in lower case.

    ``inputs`` in TA-Lib's order: price fields, ``source`` (any series, close by default) and
    ``periods`` (a series that must be given).
    """

    name: str
    memory: Memory
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]

    @property
    def default_output(self) -> str | None:
        """The output meant when none is named: the only one, or the one named like the function."""
        if len(self.outputs) == 1:
            return self.outputs[0]
        return self.name if self.name in self.outputs else None
