"""Writing TOML: the standard library only reads it."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_WIDTH = 100
"""Characters of a line; a longer list within an inline table is written with an item a line."""
_STEP = "    "
_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""A key that needs no quotes."""


def toml_text(document: Mapping[str, Any], *, inline: Collection[str] = ()) -> str:
    """Return a TOML text of texts, numbers, booleans, arrays, tables and arrays of tables.

    Keys keep their order, plain values before tables; empty tables are left out. ``inline``: keys whose
    tables are written as values, and in which arrays hold values and tables side by side.
    """
    return "\n".join(_lines(document, "", inline)).strip() + "\n"


def key_text(name: str) -> str:
    """Return a key as it is written: in quotes, unless it is bare."""
    return name if _BARE.fullmatch(name) else _quoted(name)


def inline_text(value: Any) -> str:
    """Return a value, a table too, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(inline_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key_text(key)} = {inline_text(each)}' for key, each in value.items())}}}"
    return repr(value)


def _lines(table: Mapping[str, Any], path: str, inline: Collection[str]) -> Iterator[str]:
    tables = {}
    for key, value in table.items():
        name = key_text(key)
        if _is_own(key, value, inline):
            # A list of plain values stays on its line, whatever its length: so it always was.
            is_table = isinstance(value, Mapping)
            yield f"{name} = {_broken(value, len(name) + 3, '') if is_table else inline_text(value)}"
        else:
            tables[key] = value
    for key, value in tables.items():
        name = f"{path}.{key_text(key)}" if path else key_text(key)
        if isinstance(value, Mapping):
            if any(_is_own(*item, inline) for item in value.items()):
                yield from ("", f"[{name}]")
            yield from _lines(value, name, inline)
        else:
            for entry in value:
                yield from ("", f"[[{name}]]")
                yield from _lines(entry, name, inline)


def _is_own(key: str, value: Any, inline: Collection[str]) -> bool:
    """Return whether a value is written behind its key, not as a table below."""
    if isinstance(value, Mapping):
        return key in inline
    return not (isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value))


def _broken(value: Any, used: int, indent: str) -> str:
    """Return a value behind ``used`` characters; lists of what is too wide for a line have an item a line."""
    text = inline_text(value)
    if len(indent) + used + len(text) <= _WIDTH or not isinstance(value, list | Mapping):
        return text
    if isinstance(value, Mapping):
        # No line ends within the braces of a table but in a list in it.
        items = (f"{key_text(key)} = {_broken(each, _WIDTH, indent)}" for key, each in value.items())
        return f"{{{', '.join(items)}}}"
    inner = f"{indent}{_STEP}"
    return "\n".join(["[", *(f"{inner}{_broken(each, 1, inner)}," for each in value), f"{indent}]"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    # TOML allows no control character in a basic string.
    shown = (f"\\u{ord(sign):04x}" if ord(sign) < 0x20 or ord(sign) == 0x7F else sign for sign in escaped)
    return f'"{"".join(shown)}"'
