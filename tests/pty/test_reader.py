"""Sequences of the terminal that come in parts."""

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from firstwatch.tui.driver import WholeSequences

SENT = {
    "a paste": ("\x1b[200~qsxy\x1b[201~", events.Paste),
    "the mouse": ("\x1b[<0;12;3M", events.MouseDown),
    "a key": ("\x1b[1;5C", events.Key),
}


@pytest.mark.parametrize("name", SENT)
def test_a_sequence_in_two_parts_is_what_it_is_in_one(name):
    text, kind = SENT[name]
    for cut in range(2, text.index("~") + 1 if "~" in text else len(text)):
        sequences, parser = WholeSequences(), XTermParser()
        found = []
        for at_s, part in ((0.0, text[:cut]), (1.0, ""), (2.0, text[cut:])):
            if whole := sequences.take(part, at_s):
                found += parser.feed(whole)
        assert [type(each) for each in found] == [kind], (cut, found)


def test_what_is_whole_is_not_kept_back_and_escape_is_a_key():
    for text in ("s", "\x1b", "\x1bOP", "\x1b[A", "\x1b[M abc", "é\x1b[<0;1;1m", "\x1b[200~qsx"):
        assert WholeSequences().take(text, 0.0) == text


def test_a_part_whose_rest_does_not_come_is_forgotten():
    sequences = WholeSequences()
    assert sequences.take("ab\x1b[<0;", 0.0) == "ab"
    assert sequences.take("", 4.0) == ""
    assert sequences.take("", 6.0) == ""
    assert sequences.take("s", 6.1) == "s"
