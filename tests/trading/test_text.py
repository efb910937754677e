"""Foreign text never keeps what steers a terminal, whatever it is."""

from hypothesis import given
from hypothesis import strategies as st

from firstwatch.trading.account import Approval
from firstwatch.trading.errors import VenueError
from firstwatch.trading.events import RUN_EVENT, AlarmRaised, OrderMoved
from firstwatch.trading.orders import OrderState
from firstwatch.trading.text import LONGEST_LINE, LONGEST_TEXT, clean, clean_lines
from firstwatch.venues.protocol import NeverWill, Refused, StillUnknown, StreamLost, Unknown

STEERING = "\x1b[31m\x1b]0;owned\x07 red \x9b2J \u202egnp.exe \u200b\udcff\r\x00"


@given(st.text(alphabet=st.characters(), max_size=3_000), st.integers(1, 2_000))
def test_what_is_cleaned_is_one_printable_line_and_no_longer_than_wanted(text, longest):
    cleaned = clean(text, longest)
    assert cleaned.isprintable()
    assert len(cleaned) <= longest
    assert clean(cleaned, longest) == cleaned


@given(st.text(alphabet=st.characters(), max_size=3_000))
def test_lines_stay_lines(text):
    cleaned = clean_lines(text)
    assert all(line.isprintable() and len(line) <= LONGEST_LINE for line in cleaned.split("\n"))
    assert cleaned.count("\n") <= LONGEST_TEXT
    assert cleaned.count("\n") == min(text.count("\n"), LONGEST_TEXT)


def test_plain_words_are_left_as_they_are():
    sentence = "Größe 0.5 % – “ok” ✓ 買い"
    assert clean(sentence) is sentence
    assert clean_lines(f"{sentence}\n  {sentence}") == f"{sentence}\n  {sentence}"


def test_every_way_of_a_venues_words_into_the_program_is_clean():
    words = STEERING + "x" * 40_000
    said = [
        Refused("other", words).reason,
        Unknown(words).reason,
        NeverWill(words).reason,
        StillUnknown(words).reason,
        StreamLost("candles", words, 0).reason,
        Approval(words, False, words, words).sentence,
        str(VenueError(f"Hyperliquid says {words}")),
        AlarmRaised(topic="stop_refused", sentence=words).sentence,
        OrderMoved(
            client_order_id="0" * 32, old=OrderState.SUBMITTED, new=OrderState.REJECTED, why=words
        ).why,
    ]
    assert all(text.isprintable() and len(text) <= 2 * LONGEST_LINE + 2 for text in said)
    # What an older version has written is cleaned when it is read.
    stored = '{"kind": "noted", "sentence": "\\u001b[2J gone"}'
    assert RUN_EVENT.validate_json(stored).sentence == "\N{REPLACEMENT CHARACTER}[2J gone"
