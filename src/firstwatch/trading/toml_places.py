"""Where the keys and values of a TOML text stand; the standard library's parser does not say it.

What is TOML is decided by ``toml_file`` alone. This scanner accepts every valid text and gives its places; of
a text that is being written it gives those that can be seen, and goes on in the next line after a mistake. A
place is a path in the document, such as ``entry.long.required[0]`` or ``entry."a key"``, with quotes as TOML
needs them; offsets are those of characters.
"""

import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce

from firstwatch.trading.toml_text import key_text

_DEEPEST = 32
"""Values within one another, and parts of a key; what is deeper is passed over."""
_LONGEST = 200
"""Characters of a place; what has a longer one is passed over."""
_BEYOND = "…"
"""In its stead: no place is written like it."""
_BLANKS = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
"""Between the entries of a list."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d\d:[0-9:.Zz+-]+|[^\s,\]}#]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\[^\n])*\\?')
_LITERAL = re.compile(r"'[^'\n]*")
_LONG_BASIC = re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''(?:[^']|'{1,2}(?!'))*", re.DOTALL)
_SIGN = re.compile(r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\[ \t]*\r?\n\s*|\\.|\r\n|.", re.DOTALL)
"""A character of a text with escapes, as it is written."""
_STATEMENT = re.compile(
    r"[ \t]*(?:\[{1,2}[ \t]*(?!(?:true|false|inf|nan)\b)[A-Za-z_][\w.\- \t]*\]|[A-Za-z0-9_.-]+[ \t]*=)"
)
"""Begins a line in a list that has no end: a table or a key, which no entry looks like."""


class Part(StrEnum):
    """What stands at an offset."""

    TABLE = "table"
    """The name of a table, between brackets."""
    KEY = "key"
    TEXT = "text"
    """Between quotes."""
    VALUE = "value"
    """Another value."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the key and the value of a place stand: from ``start`` up to, not including, ``end``.

    The value of a table is its name, that of a text has its quotes.
    """

    key_start: int
    key_end: int
    start: int
    end: int
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Writing:
    """What is being written at the end of a text that is cut there, from ``start`` on."""

    part: Part
    place: str
    """Of the value, or of the table whose key or name it is."""
    start: int


@dataclass(slots=True)
class Places:
    """The places of a text."""

    text: str
    spots: dict[str, Spot] = field(default_factory=dict)
    writing: Writing | None = None
    """None: the text ends behind a value or in a comment."""

    def nearest(self, place: str) -> Spot | None:
        """Return the spot of a place, or of the narrowest table or list around it; None: there is none."""
        while place:
            if place in self.spots:
                return self.spots[place]
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        return None

    def text_at(self, offset: int) -> str:
        """Return the place of the text in quotes at an offset, its quotes included; empty: there is none."""
        found = (
            name for name, spot in self.spots.items() if spot.is_text and spot.start <= offset <= spot.end
        )
        return next(found, "")

    def offset_in(self, spot: Spot, index: int) -> int:
        """Return the offset of a character of a text, by its index in the value; behind it: the end."""
        written = self.text[spot.start : spot.end]
        quotes = 3 if written[:3] in ('"""', "'''") else 1
        at = spot.start + quotes
        end = max(at, spot.end - quotes) if written[quotes:].endswith(written[:quotes]) else spot.end
        if quotes == 3 and (line_end := re.match(r"\r?\n", self.text[at:end])):
            at += line_end.end()
        if written[0] == "'":
            return min(at + index, end)
        while at < end and (sign := _SIGN.match(self.text, at, end)) is not None:
            is_shown = not re.match(r"\\[ \t]*\r?\n", sign[0])
            if is_shown and index == 0:
                return at
            index -= is_shown
            at = sign.end()
        return end

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, from 0."""
        begin = self.text.rfind("\n", 0, offset) + 1
        return self.text.count("\n", 0, offset), offset - begin


def places_of(text: str) -> Places:
    """Return the places of a text. Time grows with its length."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._table = ""
        self._places = Places(text)
        self._lists: dict[str, int] = {}
        """The number of tables in each list of tables."""

    def scan(self) -> Places:
        text, end = self._text, len(self._text)
        while True:
            self._pass(_GAP)
            if self._at >= end:
                break
            if text[self._at] == "[":
                self._header()
            else:
                self._pair(self._table, 0)
            if self._at < end:
                # The rest of the line is a comment, or wrong.
                line_end = text.find("\n", self._at)
                self._at = end if line_end < 0 else line_end
        if self._places.writing is None and not text[text.rfind("\n") + 1 :].strip():
            self._write(Part.KEY, self._table, end)
        return self._places

    # --- statements ------------------------------------------------------------------------------

    def _header(self) -> None:
        is_list = self._text.startswith("[[", self._at)
        self._at += 2 if is_list else 1
        self._pass(_BLANKS)
        start, place = self._at, ""
        parts = self._key(Part.TABLE, "")
        for number, (name, begin, end) in enumerate(parts):
            place = _below(place, name)
            if is_list and number == len(parts) - 1:
                self._spot(place, Spot(begin, end, begin, end))
                self._lists[place] = self._lists.get(place, 0) + 1
            if place in self._lists:
                place = _below(place, self._lists[place] - 1)
            self._spot(place, Spot(begin, end, begin, end))
        if self._at >= len(self._text):
            self._write(Part.TABLE, "", start)
        self._table = place

    def _pair(self, table: str, depth: int) -> bool:
        """Scan a key and its value; return whether both are there."""
        parts = self._key(Part.KEY, table)
        if not parts:
            return False
        place = table
        for name, begin, end in parts:
            place = _below(place, name)
            self._spot(place, Spot(begin, end, begin, end))
        if not self._pass(_EQUALS):
            return False
        return self._value(place, depth, begin, end)

    def _key(self, part: Part, table: str) -> list[tuple[str, int, int]]:
        """Return the parts of a key with their offsets."""
        found: list[tuple[str, int, int]] = []
        while True:
            begin, name = self._at, ""
            if (bare := _BARE.match(self._text, begin)) is not None:
                self._at, name = bare.end(), bare[0]
            elif self._text[begin : begin + 1] in ('"', "'"):
                self._string()
                name = _name(self._text[begin : self._at])
            if self._at >= len(self._text):
                self._write(part, reduce(_below, (known for known, _, _ in found), table), begin)
            if self._at == begin:
                return found
            found.append((name, begin, self._at))
            if not self._pass(_DOT) or len(found) > _DEEPEST:
                return found

    # --- values ----------------------------------------------------------------------------------

    def _value(self, place: str, depth: int, key_start: int, key_end: int) -> bool:
        text, start = self._text, self._at
        sign, is_text = text[start : start + 1], False
        if depth > _DEEPEST:
            return False
        if sign == "[":
            self._list(place, depth)
        elif sign == "{":
            self._inline_table(place, depth)
        elif sign in ('"', "'") and sign:
            is_text = True
            if not self._string() and self._at >= len(text):
                self._write(Part.TEXT, place, start)
        else:
            self._pass(_SCALAR)
            if self._at >= len(text):
                self._write(Part.VALUE, place, start)
        if self._at > start:
            self._spot(place, Spot(key_start, key_end, start, self._at, is_text), is_value=True)
        return self._at > start

    def _string(self) -> bool:
        """Pass a text in quotes; return whether it ends."""
        begin = self._at
        for long, short, quote in ((_LONG_BASIC, _BASIC, '"'), (_LONG_LITERAL, _LITERAL, "'")):
            if (found := long.match(self._text, begin)) is not None:
                self._at = found.end()
                if not self._text.startswith(quote * 3, self._at):
                    return False
                # Up to two quotes before the last three belong to the text.
                quotes = self._text[self._at : self._at + 5]
                self._at += len(quotes) - len(quotes.lstrip(quote))
                return True
            if (found := short.match(self._text, begin)) is not None:
                self._at = found.end()
                is_ended = self._text.startswith(quote, self._at)
                self._at += is_ended
                return is_ended
        return False

    def _list(self, place: str, depth: int) -> None:
        self._at += 1
        number = 0
        while True:
            before = self._at
            self._pass(_GAP)
            if self._at >= len(self._text):
                self._write(Part.VALUE, _below(place, number), self._at)
                return
            line = self._text.rfind("\n", before, self._at) + 1
            if line and _STATEMENT.match(self._text, line):
                self._at = line - 1
                return
            if self._text[self._at] == "]":
                self._at += 1
                return
            begin = self._at
            if self._text[begin] == ",":
                self._at += 1
                continue
            if not self._value(_below(place, number), depth + 1, begin, begin):
                return
            number += 1

    def _inline_table(self, place: str, depth: int) -> None:
        self._at += 1
        while True:
            self._pass(_BLANKS)
            if self._at >= len(self._text):
                self._write(Part.KEY, place, self._at)
                return
            sign = self._text[self._at]
            if sign in ",}":
                self._at += 1
                if sign == "}":
                    return
            elif not self._pair(place, depth + 1):
                return

    # --- steps -----------------------------------------------------------------------------------

    def _pass(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found is not None and bool(found[0])

    def _spot(self, place: str, spot: Spot, *, is_value: bool = False) -> None:
        if place != _BEYOND and (is_value or place not in self._places.spots):
            self._places.spots[place] = spot

    def _write(self, part: Part, place: str, start: int) -> None:
        if self._places.writing is None:
            self._places.writing = Writing(part, place, start)


def _below(place: str, key: str | int) -> str:
    """Return the place of what stands in another one, by its key or index."""
    if isinstance(key, int):
        found = f"{place}[{key}]"
    else:
        found = f"{place}.{key_text(key)}" if place else key_text(key)
    return _BEYOND if place == _BEYOND or len(found) > _LONGEST else found


def _name(written: str) -> str:
    """Return the name that a key in quotes has."""
    if "\\" in written:
        with suppress(ValueError):
            return str(tomllib.loads(f"name = {written}")["name"])
    return written[1:-1]
