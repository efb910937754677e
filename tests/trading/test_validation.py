"""Pydantic's findings as sentences: the key, what was found, the nearest name."""

import pytest
from pydantic import ValidationError

from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.validation import nearest, validation_sentences, value_text

LAUNCH = {"algorithm": "a", "version": 1, "wallet": "w", "symbol": "BTC/USDC:USDC", "capital": "100"}


def sentences(**changes: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        LaunchSettings.model_validate(LAUNCH | changes)
    return validation_sentences(LaunchSettings, caught.value)


def test_unknown_keys_get_the_nearest_of_their_own_model() -> None:
    assert sentences(leverge=2) == ["unknown key leverge; did you mean leverage?"]
    assert sentences(guards={"draw_down": 0.1}) == ["unknown key guards.draw_down; did you mean drawdown?"]
    link = {"after": ["stop_loss"], "within_bars": 2, "wait_bar": 1}
    assert sentences(reset={"follow_up": [link]}) == [
        "unknown key reset.follow_up[0].wait_bar; did you mean wait_bars?"
    ]


def test_an_unknown_key_that_is_near_to_nothing_gets_all_of_them() -> None:
    assert sentences(guards={"xyz": 1})[0].startswith("unknown key guards.xyz; known are daily_loss, ")


def test_a_key_that_needs_quotes_has_them() -> None:
    assert sentences(guards={"a.b": 1})[0].startswith('unknown key guards."a.b"; known are daily_loss, ')


def test_values_are_shown_with_what_they_should_be() -> None:
    assert sentences(leverage=0) == ["leverage = 0: it should be 1 or more"]
    assert sentences(reset={"mode": "regularly"}) == [
        'reset.mode = "regularly": it should be cooldown_only, regular or strict; did you mean regular?'
    ]


def test_all_mistakes_are_told() -> None:
    assert len(sentences(capital="much", version=None, sybol="BTC")) == 3


def test_a_rule_over_several_keys_speaks_for_itself() -> None:
    windows = [{"days": ["mon"], "start": "08:00", "end": "9"}]
    assert sentences(session={"policy": "flatten", "windows": windows}) == [
        'session.windows[0].end = "9": write it like 16:00'
    ]
    assert sentences(
        close_position_on_exit=False,
        session={"policy": "flatten", "windows": [windows[0] | {"end": "09:00"}]},
    ) == ["the session policy flatten needs close_position_on_exit"]


def test_nearest_is_silent_when_nothing_is_near() -> None:
    assert nearest("SPEED", ["speed", "seed"]) == "; did you mean speed?"
    assert nearest("colour", ["speed", "seed"]) == ""


@pytest.mark.timeout(20)
def test_a_text_of_any_length_is_shown_cut_and_an_address_without_what_is_secret() -> None:
    assert value_text("x" * 3_000_000) == f'"{"x" * 59}…"'
    assert value_text("json://user:hidden@host") == '"json://…"'
