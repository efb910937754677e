"""Foreign text (of a venue, a file, another program or user), made safe to show.

Control sequences and direction marks never reach a terminal, a log or the journal: every character that
does not print is replaced, and long texts are cut.
"""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator

LONGEST_LINE = 1_000
"""Characters of one line."""
LONGEST_TEXT = 50
"""Lines of one text."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_TERMINAL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
"""A sequence that steers a terminal."""
_COMPARED = re.compile(r"(?<=\s)(<=|>=|<|>)(?=\s)")
_COMPARISONS = {"<": "below", "<=": "at or below", ">": "above", ">=": "at or above"}
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*|\b(?:data|javascript):\S*", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_MARKS = str.maketrans(
    {"[": "(", "]": ")", "{": "(", "}": ")", '"': "'", "<": "", ">": "", "`": "'", "|": "/", "\\": "/"}
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u3008\u3009\u27e8\u27e9", "'")
    # Variation selectors and blanks that are letters: text can be hidden in them, and is not seen.
    | dict.fromkeys(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x115F, 0x1160, 0x3164)))
)


def clean(text: str, longest: int = LONGEST_LINE) -> str:
    """Return the text as one line of at most ``longest`` printable characters.

    Blanks of any kind, line ends among them, become spaces; what does not print becomes U+FFFD.
    """
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    if text.isprintable():
        return text
    return "".join(map(_printed, text))


def quoted(text: str, longest: int = 60) -> str:
    """Return what an operator or a file wrote, in quotes: cleaned as by ``clean``, and cut."""
    return f'"{clean(text, longest)}"'


def without_markup(text: str, longest: int = 200) -> str:
    """Return foreign text as data for a program that reads words: one line that nothing interprets.

    Terminal sequences, control and direction marks, tags, addresses, fences and double quotes are gone, and
    comparisons are words, so that the text can stand between double quotes. At most ``longest`` characters.
    """
    shown = unicodedata.normalize("NFKC", text[: longest * 4])
    shown = _TERMINAL.sub("", shown)
    shown = _COMPARED.sub(lambda found: _COMPARISONS[found[0]], shown)
    shown = _TAG.sub("", _ADDRESS.sub("(link)", _LINK.sub(r"\1", shown))).translate(_MARKS)
    shown = "".join(
        " " if sign.isspace() else sign
        for sign in shown
        if sign.isspace() or not unicodedata.category(sign).startswith("C")
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number of things: ``1 trade``, ``2,000 trades``; ``many`` where it is not ``one`` and an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def duration(seconds: float) -> str:
    """Return a time for a person, in the largest unit that fits: ``40 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{round(seconds)} s"
    if seconds < 5_400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def clean_lines(text: str) -> str:
    """Return the text with each of its lines cleaned; lines beyond the first ``LONGEST_TEXT`` are counted."""
    if len(text) <= LONGEST_LINE and text.isprintable():
        return text
    lines = text.split("\n")
    shown = [clean(line) for line in lines[:LONGEST_TEXT]]
    if len(lines) > LONGEST_TEXT:
        shown.append(f"… and {counted(len(lines) - LONGEST_TEXT, 'line')} more")
    return "\n".join(shown)


def clean_document(text: str) -> str:
    """Return a text for an editor: lines end with a line feed, a tab is two spaces, no character steers a
    terminal; a byte order mark at its begin is left out. It is as long as before, or nearly.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\t", "  ")
    if text.replace("\n", "").isprintable():
        return text
    return "\n".join(clean(line, len(line)) for line in text.split("\n"))


def clean_fields(record: object, *names: str) -> None:
    """Clean texts of a frozen dataclass, from its ``__post_init__``."""
    for name in names:
        object.__setattr__(record, name, clean(getattr(record, name)))


def _printed(sign: str) -> str:
    if sign.isprintable():
        return sign
    return " " if sign.isspace() else _REPLACEMENT


CleanText = Annotated[str, AfterValidator(clean)]
"""A field of a model that may hold foreign text."""
