"""Pydantic's errors as sentences for an operator: the key, what was found, the nearest name.

The sentences are the program's own: nothing of the library's text is in them.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from firstwatch.trading.numbers import plain
from firstwatch.trading.text import clean, quoted
from firstwatch.trading.toml_text import key_text

_LONGEST = 60
_WHAT_IT_SHOULD_BE: Mapping[str, str] = {
    "greater_than": "above {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "below {lt}",
    "less_than_equal": "{le} or less",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "finite": "a finite number",
    "string": "a text in quotes",
    "path": "a text in quotes",
    "list": "a list",
    "tuple": "a list",
    "dict": "a table",
    "model": "a table",
}
"""Texts by error type of pydantic, or by a prefix of it."""
_WHAT_IT_IS: Mapping[str, str] = {
    "missing": "it is missing",
    "int_parsing_size": "it is too large",
    "string_pattern_mismatch": "it is not of the form that is wanted",
    "string_too_short": "it is too short",
    "string_too_long": "it is too long: {max_length} characters at most",
    "too_short": "it is empty",
    "too_long": "it is too long: {max_length} entries at most",
}


def validation_sentences(
    model: type[BaseModel], error: ValidationError, *, hidden: Collection[str] = ()
) -> list[str]:
    """Return one sentence for each mistake that ``model`` found, keys written as ``windows[0].start``.

    ``hidden``: tags of a union, which are left out of the key.
    """
    return [validation_sentence(model, details, hidden=hidden) for details in error.errors(include_url=False)]


def nearest(word: str, names: Sequence[str]) -> str:
    """Return ``; did you mean X?`` for the nearest of ``names``, nothing when none is near."""
    found = get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def value_text(value: object) -> str:
    """Return a value as an operator writes it in a file, cut to a readable length.

    An address is cut behind ``://``: it may hold a password.
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping | BaseModel):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list" if value else "[]"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, Decimal) and value.is_finite():
        return plain(value)
    if isinstance(value, int | Decimal):
        return clean(str(value), _LONGEST)
    start, is_address, _ = str(value).partition("://")
    return quoted(f"{start}://…" if is_address else start)


def why_wrong(details: Any) -> str:
    """Return what is wrong with the value, without the key, from one of ``ValidationError.errors``."""
    kind, context = details["type"], details.get("ctx") or {}
    if kind == "value_error":
        return str(context["error"])
    if kind in _WHAT_IT_IS:
        return _WHAT_IT_IS[kind].format(**context)
    what = _WHAT_IT_SHOULD_BE.get(kind) or _WHAT_IT_SHOULD_BE.get(kind.split("_")[0])
    if what is None:
        return "it cannot be used"
    bounds = {name: bound.replace("'", "") if isinstance(bound, str) else value_text(bound)
              for name, bound in context.items()}  # fmt: skip
    return f"it should be {what.format(**bounds)}"


def validation_sentence(model: type[BaseModel], details: Any, *, hidden: Collection[str] = ()) -> str:
    """Return the sentence of one of ``ValidationError.errors``."""
    *path, last = details["loc"] or ("",)
    key = key_of(tuple(part for part in details["loc"] if part not in hidden))
    kind, found = details["type"], details["input"]
    if kind == "extra_forbidden":
        known = sorted({name for owner in _models_at(model, path) for name in owner.model_fields})
        return f"unknown key {key}{nearest(str(last), known) or '; known are ' + ', '.join(known)}"
    if kind == "missing":
        return f"the key {key} is missing"
    what = why_wrong(details)
    if kind == "value_error":
        return f"{key}: {what}" if key else what
    if kind == "string_pattern_mismatch":
        fields = (owner.model_fields.get(str(last)) for owner in _models_at(model, path))
        examples = [str(example) for field in fields if field for example in field.examples or ()]
        what = f"write it like {' or '.join(examples)}" if examples else what
    hint = ""
    if isinstance(found, str) and "expected" in (details.get("ctx") or {}):
        hint = nearest(found, re.findall(r"'([^']*)'", details["ctx"]["expected"]))
    return f"{key} = {value_text(found)}: {what}{hint}"


def key_of(path: tuple[str | int, ...]) -> str:
    """Return a path of keys and indexes as an operator writes it: ``windows[0].start``, ``fees."a key"``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{key_text(clean(part, _LONGEST))}" for part in path)
    return "".join(parts).removeprefix(".")


def _models_at(model: type[BaseModel], path: list[str | int]) -> list[type[BaseModel]]:
    """Return the models that a path of keys leads to; places in lists and names in tables are passed over."""
    models = [model]
    for part in path:
        if isinstance(part, str):
            fields = (owner.model_fields.get(part) for owner in models)
            inner = [found for field in fields if field for found in _models_in(field.annotation)]
            models = inner or models
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
