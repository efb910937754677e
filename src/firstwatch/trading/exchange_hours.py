"""The trading hours of an exchange, holidays and half days included, as they are stored with a run.

A run and a backtest keep the hours that they were decided with: the same whatever is known of holidays
later, and without the library that knows them.
"""

import base64
import json
import zlib
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Self

_MINUTE_MS = 60_000
_MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class ExchangeHours:
    """When an exchange trades, in minutes since the epoch (UTC); a break within a day is not among them."""

    code: str
    first_minute: int
    """Begin of the time in which the hours are known."""
    end_minute: int
    turns: tuple[int, ...]
    """It opens at the first, closes at the second, and so on, rising, within that time."""

    def __post_init__(self) -> None:
        """Check the turns.

        Raises:
            ValueError: they do not rise, or one lies outside of the time that is known.
        """
        known = (self.first_minute, *self.turns, self.end_minute)
        rises = all(one < other for one, other in pairwise(self.turns))
        if len(self.turns) % 2 or not rises or list(known) != sorted(known):
            raise ValueError("trading hours open and close in turn, in order of time")

    @property
    def first_ms(self) -> int:
        """Begin of the time in which they are known, in ms."""
        return self.first_minute * _MINUTE_MS

    @property
    def end_ms(self) -> int:
        """Its end, in ms."""
        return self.end_minute * _MINUTE_MS

    def stretches_ms(self) -> list[tuple[int, int]]:
        """Return open and close of each session, or part of one between breaks, in ms."""
        times = [turn * _MINUTE_MS for turn in self.turns]
        return list(zip(times[::2], times[1::2], strict=True))

    def pack(self) -> str:
        """Return them as a short text."""
        gaps = [after - before for before, after in pairwise((self.first_minute, *self.turns))]
        document = [self.code, self.first_minute, self.end_minute, *gaps]
        text = json.dumps(document, separators=(",", ":"))
        return base64.b85encode(zlib.compress(text.encode(), 9)).decode()

    @classmethod
    def unpack(cls, text: str) -> Self:
        """Return the hours of a text that ``pack`` made.

        Raises:
            ValueError: it is damaged.
        """
        try:
            reader = zlib.decompressobj()
            document = json.loads(reader.decompress(base64.b85decode(text), _MOST_BYTES))
            code, first, end, *gaps = document
            if not (isinstance(code, str) and all(type(number) is int for number in (first, end, *gaps))):
                raise ValueError("not trading hours")
        except (ValueError, TypeError, zlib.error) as error:
            raise ValueError("the trading hours of the exchange are damaged") from error
        return cls(code, first, end, tuple(accumulate(gaps, initial=first))[1:])
