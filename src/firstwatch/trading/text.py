"""Foreign text (of a venue, a file, another program or user), made safe to show.

Control sequences and direction marks never reach a terminal, a log or the journal: every character that
does not print is replaced, and long texts are cut.
"""

from typing import Annotated

from pydantic import AfterValidator

LONGEST_LINE = 1_000
"""Characters of one line."""
LONGEST_TEXT = 50
"""Lines of one text."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


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


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number of things: ``1 trade``, ``2,000 trades``; ``many`` where it is not ``one`` and an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def clean_lines(text: str) -> str:
    """Return the text with each of its lines cleaned; lines beyond the first ``LONGEST_TEXT`` are counted."""
    if len(text) <= LONGEST_LINE and text.isprintable():
        return text
    lines = text.split("\n")
    shown = [clean(line) for line in lines[:LONGEST_TEXT]]
    if len(lines) > LONGEST_TEXT:
        shown.append(f"… and {len(lines) - LONGEST_TEXT} lines more")
    return "\n".join(shown)


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
