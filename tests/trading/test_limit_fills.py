"""The rule by which limits fill, as text."""

import pytest
from pydantic import BaseModel

from firstwatch.trading.limit_fills import THROUGH, LimitFills, LimitFillsText, LimitRule


@pytest.mark.parametrize(
    ("text", "fills"),
    [
        ("through", THROUGH),
        ("touch", LimitFills(LimitRule.TOUCH)),
        ("queue:0.3", LimitFills(LimitRule.QUEUE, 0.3)),
        ("queue:0", LimitFills(LimitRule.QUEUE)),
    ],
)
def test_a_rule_is_read_from_the_text_that_it_is_written_as(text: str, fills: LimitFills) -> None:
    assert LimitFills.parse(text) == fills
    assert str(fills) == text


@pytest.mark.parametrize(
    "text", ["", "queue", "queue:", "queue:1", "queue:-0.1", "queue:nan", "touch:0.1", "thru", "through:"]
)
def test_another_text_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="touch, through or queue:Q"):
        LimitFills.parse(text)


def test_a_model_writes_and_reads_the_text() -> None:
    class Asked(BaseModel):
        limit_fills: LimitFillsText = THROUGH

    asked = Asked.model_validate_json('{"limit_fills": "queue:0.25"}')
    assert asked.limit_fills == LimitFills(LimitRule.QUEUE, 0.25)
    assert asked.model_dump_json() == '{"limit_fills":"queue:0.25"}'
    assert Asked.model_validate_json(Asked().model_dump_json()) == Asked()
