"""Numbers are written as people write them, and lose nothing that was meant."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.trading.numbers import plain, tidy, tidy_decimal


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6))
def test_a_decimal_of_fifteen_figures_survives_the_double(value):
    assert tidy(float(value) * (1 + 2**-52)) == float(value)
    assert Decimal(plain(value)) == value
    assert "E" not in plain(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (119275.14020000001, "119275.1402"),
        (0.1 + 0.2, "0.3"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.000"), "0"),
        (Decimal("1.500"), "1.5"),
        (1e-7, "0.0000001"),
        (Decimal("65048.387720000006"), "65048.38772"),
    ],
)
def test_noise_exponents_and_zeros_at_the_end_are_not_written(value, text):
    assert plain(tidy_decimal(value)) == text
