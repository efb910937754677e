"""Money keeps every digit; a value has one text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, create_engine, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from firstwatch.store.types import Money, canonical

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False)


@given(AMOUNTS)
def test_canonical_text_keeps_the_value_exactly(value: Decimal) -> None:
    text = canonical(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert not text.startswith("-0") or value < 0


@given(AMOUNTS)
def test_equal_values_have_one_text(value: Decimal) -> None:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign, (*digits, 0, 0), exponent - 2))
    assert canonical(longer) == canonical(value)
    assert canonical(Decimal("-0.00")) == "0"


def test_what_is_no_amount_is_refused() -> None:
    for text in ("NaN", "Infinity", "-Infinity", "sNaN"):
        with pytest.raises(ValueError, match="not an amount of money"):
            canonical(Decimal(text))


def test_a_column_of_money_keeps_what_a_numeric_column_would_round() -> None:
    table = Table("t", MetaData(), Column("amount", Money))
    engine = create_engine("sqlite://")
    value = Decimal("0.1234567890123456789")
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table), [{"amount": value}, {"amount": None}])
        assert connection.execute(select(table.c.amount)).scalars().all() == [value, None]
        with pytest.raises(Exception, match="money is Decimal, not float"):
            connection.execute(insert(table), {"amount": 0.1})


def test_money_is_numeric_on_postgresql() -> None:
    assert Money().compile(dialect=postgresql.dialect()) == "NUMERIC"
    assert Money().compile(dialect=sqlite.dialect()) == "VARCHAR"
