"""Writing TOML: the standard library only reads it."""

from collections.abc import Iterator, Mapping
from typing import Any


def toml_text(document: Mapping[str, Any]) -> str:
    """Return a TOML text of texts, numbers, booleans, arrays, tables and arrays of tables.

    Keys keep their order, plain values before tables; empty tables are left out.
    """
    return "\n".join(_lines(document, "")).strip() + "\n"


def _lines(table: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in table.items():
        if not isinstance(value, Mapping) and not _is_tables(value):
            yield f"{key} = {_value(value)}"
    for key, value in table.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            if _has_own(value):
                yield from ("", f"[{name}]")
            yield from _lines(value, name)
        elif _is_tables(value):
            for entry in value:
                yield from ("", f"[[{name}]]")
                yield from _lines(entry, name)


def _has_own(table: Mapping[str, Any]) -> bool:
    return any(not isinstance(value, Mapping) and not _is_tables(value) for value in table.values())


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    # TOML allows no control character in a basic string.
    shown = (f"\\u{ord(sign):04x}" if ord(sign) < 0x20 or ord(sign) == 0x7F else sign for sign in escaped)
    return f'"{"".join(shown)}"'
