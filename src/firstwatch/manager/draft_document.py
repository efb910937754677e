"""A draft's document: its text, its values by their places, and its mistakes by theirs.

The document has the shape of an algorithm's file. A place is a path in it, such as
``entry.long.required[0]`` or ``stop_loss.fraction``. All functions are pure, and fast enough for each key.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from firstwatch.strategy.differences import ChangeKind, differences
from firstwatch.strategy.groups import AT_LEAST, LISTS, WHEN
from firstwatch.strategy.language import ConditionError, parse_condition
from firstwatch.strategy.specification import AlgorithmSpec, EntryKind, LevelKind, SizingKind
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import ResetSettings
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.toml_file import parse_toml
from firstwatch.trading.toml_text import toml_text

Document = Mapping[str, Any]

_STEP = re.compile(r"([A-Za-z_]+)|\[(\d+)\]")
_HEAD = re.compile(r'^([a-z_][\w.\[\]]*)(?: = (?:"[^"]*"|[^:"]*))?: ')
_WHERE = "draft"
SECTIONS: Mapping[str, type[SizingKind] | type[LevelKind]] = {
    "sizing": SizingKind,
    "stop_loss": LevelKind,
    "take_profit": LevelKind,
}
"""Tables with exactly one of several values."""


def document_of(spec: AlgorithmSpec) -> Document:
    """Return the document of a valid specification, defaults written out."""
    return spec.document()


def read_document(text: str) -> Document:
    """Return the document of a draft's text.

    Raises:
        WrongUseError: it is not TOML.
    """
    return parse_toml(text, _WHERE)


def write_document(document: Document) -> str:
    """Return the text of a document."""
    return toml_text(document, inline={WHEN})


def is_text_of(text: str, document: Document) -> bool:
    """Return whether a text says that document, whatever its comments and its order."""
    try:
        return read_document(text) == document
    except WrongUseError:
        return False


def renamed(text: str, old: str, new: str) -> str:
    """Return an algorithm's text under another name; the rest stays as it is written, right or wrong."""
    line = re.compile(rf"^name[ \t]*=[ \t]*{re.escape(_named(old))}(?=[ \t]*(?:#|$))", re.MULTILINE)
    return line.sub(lambda _: f"name = {_named(new)}", text, count=1)


def _named(name: str) -> str:
    return toml_text({"name": name}).removeprefix("name = ").rstrip("\n")


def has_form(document: Document) -> bool:
    """Return whether tables, lists and values stand where a form looks for them; values may be wrong."""
    try:
        ResetSettings.model_validate(document.get("reset", {}))
    except ValidationError:
        return False
    return _has_shape(document, AlgorithmSpec)


def _has_shape(document: Document, model: type[BaseModel]) -> bool:
    for name, value in document.items():
        field = model.model_fields.get(name)
        if field is None:
            continue
        kinds = (field.annotation, *get_args(field.annotation))
        inner = next((each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)), None)
        if get_origin(field.annotation) is tuple:
            if not isinstance(value, list) or (
                inner is None and not all(isinstance(each, str) for each in value)
            ):
                return False
        elif inner is not None:
            # ``tree_rows`` takes a tree of any shape.
            if not isinstance(value, Mapping) or not (name == WHEN or _has_shape(value, inner)):
                return False
        elif isinstance(value, Mapping | list):
            return False
    return True


def spec_of_document(document: Document) -> AlgorithmSpec:
    """Return the specification.

    Raises:
        WrongUseError: all mistakes, each with its place.
    """
    return AlgorithmSpec.from_json(json.dumps(document), _WHERE)


def problems_of(document: Document) -> dict[str, str]:
    """Return a sentence for each mistake by its place; the place of a mistake of the whole is empty."""
    try:
        spec_of_document(document)
    except WrongUseError as error:
        found: dict[str, str] = {}
        for line in str(error).split("\n"):
            sentence = line.removeprefix(f"{_WHERE}: ")
            match = _HEAD.match(sentence)
            place = "" if match is None else match[1]
            text = sentence if match is None else sentence[match.end() :]
            found[place] = f"{found[place]}; {text}" if place in found else text
        return found
    return {}


def condition_problem(text: str, document: Document) -> str:
    """Return what is wrong with a condition of that document, with its column; empty: nothing."""
    base = next((each for each in Timeframe if each == document.get("timeframe")), None)
    try:
        parse_condition(text, base)
    except ConditionError as error:
        return str(error)
    return ""


def value_at(document: Document, place: str) -> Any:
    """Return the value at a place; None: there is none."""
    found: Any = document
    for step in _steps(place):
        found = _get(found, step)
    return found


def with_value(document: Document, place: str, value: Any) -> Document:
    """Return the document with a value at a place; None removes what is there.

    A place one behind the end of a list adds to it. Tables and lists that become empty go.
    """
    new = deepcopy(dict(document))
    _put(new, _steps(place), value)
    return new


def _put(parent: Any, steps: Sequence[str | int], value: Any) -> None:
    step, *rest = steps
    if not rest:
        _set(parent, step, value)
        return
    child = _get(parent, step)
    if not isinstance(child, list if isinstance(rest[0], int) else dict):
        child = [] if isinstance(rest[0], int) else {}
        _set(parent, step, child)
    _put(child, rest, value)
    # A tree's number is nothing without its list.
    if not child or list(child) == [AT_LEAST]:
        _set(parent, step, None)


def _get(parent: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return parent.get(step) if isinstance(parent, Mapping) else None
    is_there = isinstance(parent, Sequence) and not isinstance(parent, str) and step < len(parent)
    return parent[step] if is_there else None


def _set(parent: Any, step: Any, value: Any) -> None:
    """Put a value into a table or a list, one behind its end too; None removes what is there."""
    is_list = isinstance(parent, list)
    if value is None:
        if step in (range(len(parent)) if is_list else parent):
            del parent[step]
    elif is_list and step >= len(parent):
        parent.append(value)
    else:
        parent[step] = value


def _steps(place: str) -> list[str | int]:
    return [int(index) if index else name for name, index in _STEP.findall(place)]


# --- trees -----------------------------------------------------------------------------------------


class TreeRow(NamedTuple):
    """A line of a tree ``when``: a condition, room for one more (``text`` is empty), or its ``at_least``."""

    place: str
    key: str
    """``any``, ``all`` or ``of``, the list that it stands in; or ``at_least``."""
    text: str


def tree_rows(document: Document, place: str) -> Iterator[TreeRow]:
    """Yield the lines of the tree at a place in the order of the file; what is no tree has none."""
    tree = value_at(document, place)
    if not isinstance(tree, Mapping):
        return
    if AT_LEAST in tree:
        yield TreeRow(f"{place}.{AT_LEAST}", AT_LEAST, str(tree[AT_LEAST]))
    for key in LISTS:
        items = tree.get(key)
        if isinstance(items, list):
            for number, item in enumerate(items):
                at = f"{place}.{key}[{number}]"
                if isinstance(item, Mapping):
                    yield from tree_rows(document, at)
                else:
                    yield TreeRow(at, key, str(item))
            yield TreeRow(f"{place}.{key}[{len(items)}]", key, "")


# --- tables with one value of several kinds, and the entry order --------------------------------


def kind_of(document: Document, section: str) -> str:
    """Return which kind of value a table has; empty: none."""
    table = document.get(section) or {}
    return next((kind.value for kind in SECTIONS[section] if kind in table), "")


_FIRST_VALUES: Mapping[str, float] = {
    "sizing.fixed": 1_000.0,
    "sizing.equity": 0.5,
    "sizing.risk": 0.01,
    "stop_loss.fraction": 0.05,
    "stop_loss.amount": 100.0,
    "stop_loss.atr": 2.0,
    "take_profit.fraction": 0.1,
    "take_profit.amount": 200.0,
    "take_profit.atr": 4.0,
}
_ATR_PERIOD = 14


def with_kind(document: Document, section: str, kind: str) -> Document:
    """Return the document with another kind of value in a table, at a usual one; empty: without the table."""
    if kind == kind_of(document, section):
        return document
    if not kind:
        return with_value(document, section, None)
    table: dict[str, Any] = {kind: _FIRST_VALUES[f"{section}.{kind}"]}
    if kind == LevelKind.ATR:
        table["period"] = _ATR_PERIOD
    if section == "stop_loss":
        table["trailing"] = bool(value_at(document, "stop_loss.trailing"))
    return with_value(document, section, table)


_ORDERS: Mapping[str, Mapping[str, Any]] = {
    EntryKind.MARKET: {"kind": "market"},
    EntryKind.LIMIT: {"kind": "limit", "offset_bps": 5.0, "timeout_bars": 3},
    EntryKind.TWAP: {"kind": "twap", "bars": 4},
}


def order_kinds() -> tuple[str, ...]:
    """Return the kinds of an entry order."""
    return tuple(_ORDERS)


def with_order(document: Document, kind: str) -> Document:
    """Return the document with another kind of entry order, at usual values."""
    if kind == value_at(document, "order.kind"):
        return document
    return with_value(document, "order", dict(_ORDERS[kind]))


def changed_places(before: Document, after: Document) -> tuple[str, ...]:
    """Return the places whose values differ, in the order of the document; of what was removed, its list."""
    found = (
        change.place.rpartition("[")[0] or change.place if change.kind is ChangeKind.REMOVED else change.place
        for change in differences(before, after)
    )
    return tuple(dict.fromkeys(found))
