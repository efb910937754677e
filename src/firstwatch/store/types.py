"""Column types: money as canonical text, times as integer milliseconds UTC, packed texts."""

from contextlib import suppress
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, Numeric, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from firstwatch.store.packing import is_packed, pack, unpack
from firstwatch.trading.numbers import plain
from firstwatch.trading.text import quoted

_LONGEST = 100
_MOST_ZEROS = 40
"""Bound of a decimal's exponent: a text of a few characters could otherwise fill the memory."""


def canonical(value: Decimal) -> str:
    """Return the only text of a finite decimal in the store (``plain``).

    Raises:
        ValueError: the value is infinite or not a number.
    """
    if not value.is_finite():
        raise ValueError(f"{value} is not an amount of money")
    return plain(value)


def stored_money(value: Any) -> Decimal:
    """Return the decimal in a column.

    Raises:
        ValueError: the value is not an amount of money.
    """
    return _money(str(value))


@lru_cache(maxsize=1024)
def _money(text: str) -> Decimal:
    with suppress(InvalidOperation):
        money = Decimal(text[: _LONGEST + 1])
        if money.is_finite() and abs(money.adjusted()) <= _MOST_ZEROS and len(text) <= _LONGEST:
            return money
    raise ValueError(f"{quoted(text, _LONGEST)} is not an amount of money")


class Money(TypeDecorator[Decimal]):
    """An exact decimal: canonical text on SQLite, NUMERIC on PostgreSQL.

    SQLite's numeric column would round to float64 silently. Never summed or ordered in SQL. An invalid value
    is read as text, so that the other rows can be read; ``rows.sound`` refuses it.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Numeric() if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"money is Decimal, not {type(value).__name__}")
        return value if dialect.name == "postgresql" else canonical(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        try:
            return None if value is None else stored_money(value)
        except ValueError:
            return str(value)

    @property
    def python_type(self) -> type[Decimal]:
        return Decimal


class PackedText(TypeDecorator[str]):
    """A packed text. Older rows hold it unpacked: a column of SQLite may hold both.

    A damaged value is read as it is, so that the other rows can be read; ``rows.sound`` refuses it.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else pack(value.encode())

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        try:
            return _unpacked(value) if isinstance(value, bytes) else value
        except ValueError:
            return value


# The screen reads the settings of all active runs again and again.
@lru_cache(maxsize=256)
def _unpacked(value: bytes) -> str:
    return unpack(value).decode()


class PackedBytes(TypeDecorator[bytes]):
    """The packed bytes of a text. Older rows hold them unpacked; the first byte shows which."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> Any:
        return None if value is None else pack(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        return unpack(value) if value is not None and is_packed(value) else value


Milliseconds = BigInteger
"""Milliseconds since the epoch, UTC."""

RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""A generated number; SQLite generates only for a column declared INTEGER."""
