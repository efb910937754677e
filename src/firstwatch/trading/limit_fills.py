"""When a limit entry that rests fills in a simulated market: a price that only touches it leaves it open."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import PlainSerializer, PlainValidator

from firstwatch.trading.text import quoted

_SHAPE = "touch, through or queue:Q, with Q from 0 to below 1"


class LimitRule(StrEnum):
    """What a price that touches the limit, and does not pass it, fills. A price beyond it fills all."""

    TOUCH = "touch"
    """All of the order."""
    THROUGH = "through"
    """Nothing."""
    QUEUE = "queue"
    """At most what the bar traded, less the part that was ahead in the queue."""


@dataclass(frozen=True, slots=True)
class LimitFills:
    """The rule, and ``queue``, the part of a touching bar's volume that was ahead: 0 to below 1."""

    rule: LimitRule = LimitRule.THROUGH
    queue: float = 0.0

    def __post_init__(self) -> None:
        """Check the queue.

        Raises:
            ValueError: it lies out of bounds, or the rule has none.
        """
        if not 0 <= self.queue < 1 or (self.queue and self.rule is not LimitRule.QUEUE):
            raise ValueError(f"limit fills are {_SHAPE}")

    def __str__(self) -> str:
        """Return the text that ``parse`` reads."""
        return f"queue:{self.queue:g}" if self.rule is LimitRule.QUEUE else self.rule.value

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the rule of a text: ``touch``, ``through`` or ``queue:0.3``.

        Raises:
            ValueError: it is none of these; the sentence says what is.
        """
        name, has_queue, queue = text.strip().partition(":")
        try:
            if has_queue != (":" if name == LimitRule.QUEUE else ""):
                raise ValueError
            return cls(LimitRule(name), float(queue) if has_queue else 0.0)
        except ValueError as error:
            raise ValueError(f"limit fills are {_SHAPE}, not {quoted(text)}") from error


THROUGH = LimitFills()
"""The strictest rule, which every test uses unless another is asked for."""


def _read(value: Any) -> LimitFills:
    if isinstance(value, LimitFills):
        return value
    if not isinstance(value, str):
        raise ValueError(f"limit fills are {_SHAPE}")
    return LimitFills.parse(value)


LimitFillsText = Annotated[LimitFills, PlainValidator(_read), PlainSerializer(str, return_type=str)]
"""The field of a model: a text in JSON and in files."""
