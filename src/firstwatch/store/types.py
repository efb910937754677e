"""How values stand in a column: money as canonical text, times as integer milliseconds UTC."""

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, Numeric, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from firstwatch.store.packing import is_packed, pack, unpack
from firstwatch.trading.numbers import plain


def canonical(value: Decimal) -> str:
    """Return the one text of a finite decimal (``plain``).

    Raises:
        ValueError: the value is infinite or not a number.
    """
    if not value.is_finite():
        raise ValueError(f"{value} is no amount of money")
    return plain(value)


class Money(TypeDecorator[Decimal]):
    """An exact decimal: canonical text on SQLite, NUMERIC on PostgreSQL.

    SQLite's numeric column would round to float64 silently. Never summed or ordered in SQL.
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

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class PackedText(TypeDecorator[str]):
    """A text, packed. Rows from before hold it as it is: SQLite keeps both in one column."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else pack(value.encode())

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return unpack(value).decode() if isinstance(value, bytes) else value


class PackedBytes(TypeDecorator[bytes]):
    """The bytes of a text, packed. Rows from before hold them as they are, which no packed ones are."""

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
