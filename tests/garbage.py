"""What no field expects, and what no sentence for an operator may hold."""

import re
from collections.abc import Iterator
from random import Random

SIGNS = "abcxyz0159-+.,:;@#%&/()[]{}<>|*'\"\\ \t½日\x1b\u202e"
TEXTS = ("abc", "-1", "1e999", "nan", "it's", "a\\b", "x" * 300, "½", "[/red]", "\x1b[31m", "0x10", "1,5")
"""Texts in fields, as they are typed."""
VALUES = (
    '"abc"', '"it\'s"', '"a\\\\b"', "'a\"b'", '""', f'"{"x" * 300}"', '"\\u001b[31m"', "-1", "0", "3.5",
    "1e300", "99999999999999999999", "nan", "inf", "true", "[]", "[1]", '["a", 2]', "{}", "{ a = 1 }",
    "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z",
)  # fmt: skip
"""Values in TOML files, of every kind that TOML has."""
NOT_TOML = ("", "@", "abc", "'", '"', '"""', "[", "{", "1.2.3", "0x", '"\\q"', '"\x01"', "2025-02-30", "1 2")

_FOREIGN = re.compile(
    r"\b(None|True|False|NoneType|Traceback|pydantic|validation error|Input should|Value error|tomllib)\b"
    r"|\b[A-Z]\w*(Error|Exception|Source|Settings)\b|<class|\bobject at 0x|\b[A-Z]\w+\(|\[type="
    r"|invalid literal|could not convert|isoformat|argument of type|unexpected keyword|base 10"
    r"|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\b(dict|set|tuple|frozenset|list)\(|[\[({]'|'[\])}]"
)
"""Marks of Python, of its library and of pydantic."""


def made_up(seed: int, count: int) -> list[str]:
    """Return texts of any signs."""
    chance = Random(seed)
    return ["".join(chance.choices(SIGNS, k=chance.randint(1, 12))) for _ in range(count)]


def foreign_in(text: str, *typed: str) -> list[str]:
    """Return what of a text an operator should not see; ``typed``: what stood in the fields."""
    bare = text
    for each in (*typed, *TEXTS):
        bare = bare.replace(each, "") if len(each) > 1 else bare
    found = [match[0] for match in _FOREIGN.finditer(bare)]
    return found + [repr(each) for each in typed if repr(each).startswith("'") and repr(each) in text]


def spoilt(toml: str, values: tuple[str, ...] = (*VALUES, *NOT_TOML)) -> Iterator[str]:
    """Yield a TOML text again and again, each time with one value replaced, or with an unknown key."""
    lines = toml.splitlines()
    for place, line in enumerate(lines):
        key, sign, _ = line.partition(" = ")
        if sign:
            for value in values:
                yield "\n".join([*lines[:place], f"{key} = {value}", *lines[place + 1 :]])
            yield "\n".join([*lines[:place], f"{key[:-1]}q = 1", *lines[place:]])
            yield "\n".join([*lines[:place], line, *lines[place:]])
