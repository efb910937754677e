"""What is read off a terminal is what was written to it."""

import pytest

from tests.pty.sight import Sight


def test_text_stands_where_it_was_written_and_colours_do_not():
    sight = Sight(12, 3)
    sight.feed("\x1b[?1049h\x1b[2;3H\x1b[38;5;9mab\x1b[0mc\x1b]0;title\x07\x1b[1;1H│漢x".encode())
    assert sight.lines == ["│漢x        ", "  abc       ", "            "]
    assert "abc" in sight
    assert "title" not in sight
    sight.feed(b"\x1b[2J\x1b[3;11Hlonger")
    assert sight.lines == [" " * 12, " " * 12, "          lo"]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_what_comes_in_pieces_is_the_same(size):
    data = "\x1b[2;1H\x1b[1;38;2;1;2;3mé–▌\x1b[0m\r\nz\x1b[1;4Hend".encode()
    whole, pieces = Sight(8, 4), Sight(8, 4)
    whole.feed(data)
    for start in range(0, len(data), size):
        pieces.feed(data[start : start + size])
    assert pieces.lines == whole.lines == ["   end  ", "é–▌     ", "z       ", "        "]
