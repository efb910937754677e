"""The one reader of the TOML files that an operator writes; everything in them is bounded."""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from firstwatch.trading.errors import WrongUseError

LONGEST_BYTES = 128 * 1024
DEEPEST = 16
"""Tables and arrays within one another."""
_MOST_DOTS = 2_000
"""The parser's time grows with the square of a dotted key's parts; no file needs so many."""
_PLACE = re.compile(r"\((at [^()]*)\)$")
_FINDINGS: Mapping[str, str] = {
    "Cannot declare": "a table is there twice",
    "Cannot redefine": "a table is there twice",
    "Cannot mutate": "a table is there twice",
    "Cannot overwrite": "a key is there twice",
    "Duplicate inline table key": "a key is there twice",
    "Expected '='": "a key needs = and a value",
    "Expected ']": "a table's name needs ] at its end",
    "Expected newline": "one line holds one key and its value",
    "Expected": "the quotes of a text do not end",
    "Invalid statement": "a key = value or a [table] is wanted",
    "Invalid initial character": "a key is wanted",
    "Invalid value": "a value is wanted; a text needs quotes",
    "Invalid hex": "a \\u in a text needs hexadecimal digits",
    "Invalid date": "there is no such date",
    "Unescaped": "a \\ in a text is written \\\\",
    "Unterminated string": "the quotes of a text do not end",
    "Unclosed array": "a list has no ] at its end",
    "Unclosed inline table": "a table has no } at its end",
    "Illegal character '\\n'": "the quotes of a text do not end",
    "Illegal character": "a character that does not print",
    "Found invalid character": "a character that does not print",
    "Escaped character": "there is no such character",
}
"""Our texts for the parser's messages, by how they begin."""
_INTEGERS = range(-(2**63), 2**63)


def read_text(path: Path) -> str:
    """Return the text of a small file.

    Raises:
        WrongUseError: it is missing, cannot be read, is too long, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_BYTES + 1)
        if len(content) > LONGEST_BYTES:
            raise WrongUseError(
                f"{path} is longer than {LONGEST_BYTES} bytes; a file of settings is shorter."
            )
        return content.decode()
    except UnicodeDecodeError as error:
        raise WrongUseError(f"{path} is not text: byte {error.start} is not UTF-8.") from error
    except (OSError, ValueError) as error:
        raise WrongUseError(f"{path} cannot be read: {getattr(error, 'strerror', error)}.") from error


def read_toml(path: Path, *, has_times: bool = False) -> dict[str, Any]:
    """Return the tables of a TOML file. Dates and times are refused, unless it ``has_times``.

    Raises:
        WrongUseError: as ``read_text`` and ``parse_toml``.
    """
    return parse_toml(read_text(path), str(path), has_times=has_times)


def parse_toml(text: str, where: str, *, has_times: bool = False) -> dict[str, Any]:
    """Return the tables of a TOML text: numbers finite and of 64 bits, nested ``DEEPEST`` times at most.

    Raises:
        WrongUseError: it is not TOML, or is beyond these bounds; the sentence begins with ``where``.
    """
    if len(text) > LONGEST_BYTES or text.count(".") > _MOST_DOTS:
        raise WrongUseError(f"{where} is longer than a file of settings can be.")
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise WrongUseError(f"{where} is nested too deeply.") from error
    except ValueError as error:
        # Also errors that the parser does not expect: integers of thousands of digits, dates out of range.
        raise WrongUseError(f"{where} is not valid TOML: {_parser_words(str(error))}.") from error
    for problem in _problems(document, "", 0, has_times):
        raise WrongUseError(f"{where}: {problem}.")
    return document


def _parser_words(message: str) -> str:
    """Return the parser's finding as a clause with its place, without what it quotes from the text."""
    place = _PLACE.search(message)
    at = place[1].removeprefix("at ") if place else ""
    what = next((words for start, words in _FINDINGS.items() if message.startswith(start)), "")
    if not what:
        what = "this is not understood" if at else "a number or a date is out of range"
    return f"{at}: {what}" if at else what


def _problems(value: Any, key: str, depth: int, has_times: bool) -> Iterator[str]:
    if depth > DEEPEST:
        yield f"it is nested too deeply, more than {DEEPEST} tables and arrays"
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _problems(inner, f"{key}.{name}" if key else name, depth + 1, has_times)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _problems(inner, f"{key}[{place}]", depth + 1, has_times)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{key} = {value}: it should be a finite number"
    elif isinstance(value, int) and value not in _INTEGERS:
        yield f"{key} is a number beyond 64 bits"
    elif isinstance(value, date | time) and not has_times:
        yield f"{key} = {value}: a date or time does not belong here; write a text in quotes"
