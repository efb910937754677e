"""Pydantic's errors as sentences for an operator: the key, what was found, the nearest name."""

import re
from collections.abc import Iterator
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from firstwatch.trading.numbers import plain

_QUOTED = re.compile(r"'([^']*)'")


def validation_sentences(model: type[BaseModel], error: ValidationError, *, hidden: str = "") -> list[str]:
    """Return one sentence for each mistake that ``model`` found, keys written as ``windows[0].start``.

    ``hidden``: prefix of the tags of a union, which are left out of the key.
    """
    return [_sentence(model, details, hidden) for details in error.errors(include_url=False)]


def nearest(word: str, names: list[str]) -> str:
    """Return ``; did you mean X?`` for the nearest of ``names``, nothing when none is near."""
    found = get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def _sentence(model: type[BaseModel], details: Any, hidden: str) -> str:
    *path, last = details["loc"] or ("",)
    key = _key(tuple(part for part in (*path, last) if not (hidden and str(part).startswith(hidden))))
    kind, found = details["type"], details["input"]
    if kind == "extra_forbidden":
        known = sorted({name for owner in _models_at(model, path) for name in owner.model_fields})
        return f"unknown key {key}{nearest(str(last), known) or '; known are ' + ', '.join(known)}"
    if kind == "missing":
        return f"the key {key} is missing"
    what = details["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    if kind == "value_error":
        return f"{key}: {what}" if key else what
    if kind == "string_pattern_mismatch":
        fields = (owner.model_fields.get(str(last)) for owner in _models_at(model, path))
        examples = [str(example) for field in fields if field for example in field.examples or ()]
        return f"{key} = {found!r}: write it like {' or '.join(examples) or details['ctx']['pattern']}"
    hint = nearest(found, _QUOTED.findall(what)) if isinstance(found, str) else ""
    shown = plain(found) if isinstance(found, Decimal) else repr(found)
    return f"{key} = {shown}: {what}{hint}"


def _key(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


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
