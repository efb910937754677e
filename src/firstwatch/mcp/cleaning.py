"""Text that others wrote (names, symbols, reasons, a venue's errors), made safe as data for a model.

A name or a symbol that is not plain is shown in a cleaned form; every other foreign text goes through
``text_of`` and stands in a field whose name ends in ``_text``.
"""

import re
from collections.abc import Mapping
from typing import Any

from firstwatch.trading.text import quoted, without_markup

NAME_LENGTH = 60
SYMBOL_LENGTH = 40
TEXT_LENGTH = 300
TEXT_SUFFIX = "_text"
"""End of the name of every field that holds foreign text."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._+%()@-]{0,58}[A-Za-z0-9.+%()])?")
_SYMBOL = re.compile(r"[A-Za-z0-9._-]{1,24}/[A-Za-z0-9._-]{1,8}(?::[A-Za-z0-9._-]{1,6})?")
_KEPT_QUOTE = "\N{MODIFIER LETTER DOUBLE PRIME}"
_NOT_OF_NAME = re.compile(r"[^A-Za-z0-9 ._+%()@-]")
_NOT_OF_SYMBOL = re.compile(r"[^A-Za-z0-9._:/-]")


def name_of(text: str) -> str:
    """Return a name as it is if it is plain, else in a form of letters, digits, blanks and few signs."""
    if _NAME.fullmatch(text):
        return text
    return _NOT_OF_NAME.sub("_", without_markup(text, NAME_LENGTH)) or "_"


def symbol_of(text: str) -> str:
    """Return a symbol as it is if it is one like ``BTC/USDC:USDC``, else in a form of its characters."""
    if _SYMBOL.fullmatch(text):
        return text
    return _NOT_OF_SYMBOL.sub("_", without_markup(text, SYMBOL_LENGTH)) or "_"


def text_of(text: str, longest: int = TEXT_LENGTH) -> str:
    """Return foreign text as one line without control characters, markup and double quotes."""
    return without_markup(text, longest)


def quoted_name(text: str) -> str:
    """Return a name in quotes, for a sentence."""
    return quoted(name_of(text), NAME_LENGTH)


def sentence_of(text: object) -> str:
    """Return a sentence of the program, which may quote others, as one line without markup.

    Its double quotes stay: what is between them is what others wrote.
    """
    kept = str(text).replace(_KEPT_QUOTE, "'").replace('"', _KEPT_QUOTE)
    return without_markup(kept, 2 * TEXT_LENGTH).replace(_KEPT_QUOTE, '"')


def without_texts(value: Any) -> Any:
    """Return JSON data without the fields of foreign text, for a prompt."""
    if isinstance(value, Mapping):
        return {key: without_texts(each) for key, each in value.items() if not str(key).endswith(TEXT_SUFFIX)}
    if isinstance(value, list | tuple):
        return [without_texts(each) for each in value]
    return value
