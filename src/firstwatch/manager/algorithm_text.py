"""An algorithm's text as it is typed: mistakes where they stand, the condition at the cursor, colours.

Lines and columns are counted from 0, in characters. All functions are pure and fast enough for each key; a
text that is longer than an algorithm can be is not looked at.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache

from firstwatch.manager.build_views import TextProblem, TextView
from firstwatch.manager.text_completion import complete, condition_keys, is_condition
from firstwatch.strategy.conditions import Operator, PriceField
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.specification import AlgorithmError, AlgorithmSpec, Mistake
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.toml_file import LONGEST_BYTES
from firstwatch.trading.toml_places import Places, places_of

__all__ = ["Token", "TokenKind", "complete", "edited", "place_at", "tokens_of"]

_WHERE = "text"
_AT = re.compile(rf"{_WHERE} is not valid TOML: (?:line (\d+), column (\d+)|end of document): ")
_LONGEST_MARK = 200
"""Characters that one mistake marks."""
_HEAD = re.compile(rf"{_WHERE}(?: is not valid TOML)?:? ")
_PLACE = re.compile(r"([A-Za-z_][\w.\[\]-]*) (?:=|is) ")
_WORD = re.compile(r"(?:\w|\\u[0-9A-Fa-f]{4})+(?:\.\d+)?|.")


# --- mistakes ----------------------------------------------------------------------------------------


def edited(view: TextView, text: str) -> TextView:
    """Return the view with another text, whose mistakes are found anew."""
    try:
        spec = AlgorithmSpec.from_toml(text, _WHERE)
    except WrongUseError as error:
        is_changed = view.base_id is None or text != view.stored
        problems = tuple(_problems(text, error))
        return replace(view, text=text, algorithm="", problems=problems, is_changed=is_changed)
    is_changed = view.base_id is None or spec.sha256() != _stored_sha256(view.stored)
    return replace(view, text=text, algorithm=spec.name, problems=(), is_changed=is_changed)


@lru_cache(maxsize=4)
def _stored_sha256(text: str) -> str:
    try:
        return AlgorithmSpec.from_toml(text).sha256()
    except WrongUseError:
        return ""


def _problems(text: str, error: WrongUseError) -> Iterator[TextProblem]:
    if len(text) > LONGEST_BYTES:
        yield _problem(Places(text), 0, f"an algorithm has at most {LONGEST_BYTES:,} characters")
        return
    places = places_of(text)
    if isinstance(error, AlgorithmError):
        found = [_mistaken(places, mistake) for mistake in error.mistakes]
        yield from sorted(found, key=lambda problem: (problem.line, problem.column))
        return
    sentence = str(error).removesuffix(".")
    if (at := _AT.match(sentence)) is not None:
        # Behind the last sign where the text ends too early.
        offset = len(text.rstrip()) if at[1] is None else _offset(text, int(at[1]) - 1, int(at[2]) - 1)
        yield _problem(places, offset, sentence[at.end() :])
        return
    sentence = _HEAD.sub("", sentence, count=1)
    named = _PLACE.match(sentence)
    spot = None if named is None else places.nearest(named[1])
    yield _problem(places, 0 if spot is None else spot.start, sentence)


def _mistaken(places: Places, mistake: Mistake) -> TextProblem:
    """Return a mistake of the document where it stands in the text."""
    spot = places.spots.get(mistake.place)
    if spot is None:
        around = places.nearest(mistake.place)
        start, end = (0, 0) if around is None else (around.key_start, around.key_end)
        return _problem(places, start, mistake.sentence, end)
    if mistake.column:
        return _problem(places, places.offset_in(spot, mistake.column - 1), mistake.clause)
    if mistake.sentence.startswith("unknown key"):
        return _problem(places, spot.key_start, mistake.sentence, spot.key_end)
    return _problem(places, spot.start, mistake.sentence, spot.end)


def _problem(places: Places, start: int, sentence: str, end: int = 0) -> TextProblem:
    """Return a problem in one line; without an ``end`` it is that of the word at ``start``.

    One behind the end of a line is marked at its last sign.
    """
    text = places.text
    begin = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line_end = begin + len(text[begin : len(text) if line_end < 0 else line_end].rstrip())
    if start >= line_end:
        start = max(begin, line_end - 1)
    if end <= start:
        word = _WORD.match(text, start, line_end)
        end = start + 1 if word is None else word.end()
    line, column = places.position(start)
    length = min(end, line_end, start + _LONGEST_MARK) - start
    return TextProblem(line, column, column + max(1, length), sentence)


def _offset(text: str, line: int, column: int) -> int:
    """Return the offset of a position; behind the end of a line it is that end."""
    start = 0
    for _ in range(line):
        following = text.find("\n", start)
        if following < 0:
            break
        start = following + 1
    line_end = text.find("\n", start)
    return min(start + column, len(text) if line_end < 0 else line_end)


# --- the cursor --------------------------------------------------------------------------------------


def place_at(text: str, line: int, column: int) -> str:
    """Return the place of the condition at the cursor, as ``entry.long.required[0]``; empty: none."""
    if len(text) > LONGEST_BYTES:
        return ""
    place = places_of(text).text_at(_offset(text, line, column))
    return place if is_condition(place) else ""


# --- colours -----------------------------------------------------------------------------------------


class TokenKind(StrEnum):
    """What a part of a line is."""

    TABLE = "table"
    KEY = "key"
    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    COMMENT = "comment"
    FUNCTION = "function"
    """In a condition, as all that follow."""
    PRICE = "price"
    OPERATOR = "operator"
    TIMEFRAME = "timeframe"


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a line, from ``start`` up to, not including, ``end``."""

    start: int
    end: int
    kind: TokenKind


_LONGEST_LINE = 2_000
"""Characters of a line that are coloured."""
_LINE = re.compile(
    r"(?P<comment>\#.*)"
    r"|(?P<table>^\s*\[\[?[^\]\[\"',]*[A-Za-z_][^\]\[\"',]*\]\]?(?=\s*(?:\#|$)))"
    r"|(?P<key>(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*(?=\s*=(?!=)))"
    r"|(?P<string>\"{3}.*?(?:\"{3}|$)|'{3}.*?(?:'{3}|$)|\"(?:[^\"\\]|\\.)*(?:\"|$)|'[^']*(?:'|$))"
    r"|(?P<boolean>\b(?:true|false)\b)"
    r"|(?P<number>[+-]?(?:\d[\w.:+-]*|inf\b|nan\b))"
    r"|\w+|\s+|."
)
_CONDITION = re.compile(
    r"@\s*(?P<timeframe>\w+)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator>[<>]=?|[-+*/])"
    r"|\s+|."
)
_LAST_KEY = re.compile(r"([A-Za-z0-9_-]+)\s*$")


def tokens_of(line: str) -> tuple[Token, ...]:
    """Return the parts of a line that have a colour, from left to right.

    Of lines before it nothing is known: a text in a line without a key is taken for a condition.
    """
    found: list[Token] = []
    key = ""
    for match in _LINE.finditer(line[:_LONGEST_LINE]):
        if match.lastgroup is None:
            continue
        kind = TokenKind(match.lastgroup)
        if kind is TokenKind.KEY:
            named = _LAST_KEY.search(match[0])
            key = named[1] if named else ""
        if kind is TokenKind.STRING and (not key or key in condition_keys()):
            found += _condition_tokens(match[0], match.start())
        else:
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            found.append(Token(start, match.end(), kind))
    return tuple(found)


def _condition_tokens(written: str, start: int) -> Iterator[Token]:
    """Yield the parts of a condition in its quotes; what has no colour of its own is a string's."""
    last = 0
    for match in _CONDITION.finditer(written):
        kind = _kind_of(written, match)
        if kind is None:
            continue
        begin = match.start(match.lastgroup or 0)
        if begin > last:
            yield Token(start + last, start + begin, TokenKind.STRING)
        yield Token(start + begin, start + match.end(), kind)
        last = match.end()
    if len(written) > last:
        yield Token(start + last, start + len(written), TokenKind.STRING)


def _kind_of(written: str, match: re.Match[str]) -> TokenKind | None:
    if match.lastgroup != "name":
        return None if match.lastgroup is None else TokenKind(match.lastgroup)
    name, behind = match[0].lower(), written[match.end() :].lstrip()[:1]
    if behind == "=":
        return TokenKind.KEY
    if name in _operator_words():
        return TokenKind.OPERATOR
    if name in FUNCTIONS or written[: match.start()].rstrip().endswith("."):
        return TokenKind.FUNCTION
    return TokenKind.PRICE if name in frozenset(PriceField) else None


@cache
def _operator_words() -> frozenset[str]:
    return frozenset(word for operator in Operator for word in operator.split() if word.isalpha()) | {"not"}
