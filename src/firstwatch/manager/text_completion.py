"""What can be written at a place of an algorithm's text: keys, tables, choices, parts of a condition.

All of it comes from the models of the specification, the table of functions and the operators.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from firstwatch.manager.build_views import Completion, TextChoice
from firstwatch.strategy.conditions import Condition, Indicator, Operation, Operator, PriceField, number_text
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.functions import Function
from firstwatch.strategy.groups import Tree
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.toml_file import LONGEST_BYTES
from firstwatch.trading.toml_places import Part, Places, places_of

_MOST_CHOICES = 300
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_SERIES = ("source", "periods")
"""Inputs of a function that are given by name."""


def complete(text: str, line: int, column: int) -> Completion:
    """Return how the text can go on at a cursor. Lines and columns are counted from 0."""
    lines = text.split("\n", line + 1)
    if len(text) > LONGEST_BYTES or line >= len(lines):
        return Completion(column)
    offset = sum(len(each) + 1 for each in lines[:line]) + min(column, len(lines[line]))
    places = places_of(text[:offset])
    writing = places.writing
    if writing is None:
        return Completion(column)
    word, choices = text[writing.start : offset], list[TextChoice]()
    match writing.part:
        case Part.TABLE:
            is_list = places.text[places.text.rfind("\n") + 1 :].lstrip().startswith("[[")
            choices = _tables(writing.place, places_of(text), is_list, text[offset : offset + 1] != "]")
        case Part.KEY:
            begins_line = not text[: writing.start].rpartition("\n")[2].strip()
            choices = _keys(writing.place, places_of(text), begins_line)
        case Part.VALUE:
            choices = [TextChoice(each, each) for each in _values(writing.place, '"')]
        case Part.TEXT:
            word = word.lstrip("\"'")
            if is_condition(writing.place):
                word, choices = _in_condition(word, text[offset : offset + 1], _base(places_of(text)))
            else:
                choices = [TextChoice(each, each) for each in _values(writing.place, "")]
    return Completion(column - len(word), _fitting(word, choices))


def _fitting(word: str, choices: Iterable[TextChoice]) -> tuple[TextChoice, ...]:
    """Return the choices with the word in their label, those that begin with it first."""
    wanted = word.lower()
    found = [each for each in choices if wanted in each.label.lower() and each.insert != word]
    found.sort(key=lambda each: not each.label.lower().startswith(wanted))
    return tuple(found[:_MOST_CHOICES])


# --- the specification's models ----------------------------------------------------------------------


def is_condition(place: str) -> bool:
    """Return whether the value at a place is a condition."""
    return Condition in _types_at(place)


@cache
def condition_keys() -> frozenset[str]:
    """Return the keys whose values are conditions, or lists of such."""
    return frozenset(
        name
        for model in _models(AlgorithmSpec)
        for name, known in model.model_fields.items()
        if Condition in (*_flat(known.annotation), *_entries(known.annotation))
    )


@cache
def _models(model: type[BaseModel]) -> tuple[type[BaseModel], ...]:
    """Return a model and all those in it."""
    found, ahead = dict.fromkeys([model]), [model]
    while ahead:
        for known in ahead.pop().model_fields.values():
            for each in (*_flat(known.annotation), *_entries(known.annotation)):
                if _is_model(each) and each not in found:
                    found[each] = None
                    ahead.append(each)
    return tuple(found)


def _types_at(place: str) -> tuple[Any, ...]:
    """Return what the value at a place can be."""
    found: list[Any] = [AlgorithmSpec]
    for name, index in _STEP.findall(place):
        if index:
            found = [each for one in found for each in _entries(one)]
        else:
            fields = (one.model_fields.get(name) for one in found if _is_model(one))
            found = [each for known in fields if known for each in _flat(known.annotation)]
    return tuple(found)


def _flat(annotation: Any) -> tuple[Any, ...]:
    """Return the types of which a value can be one."""
    if get_origin(annotation) is Annotated:
        return _flat(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(each for part in get_args(annotation) for each in _flat(part))
    return (annotation,)


def _entries(annotation: Any) -> tuple[Any, ...]:
    """Return the types of the entries, where a value is a list."""
    lists = (each for each in _flat(annotation) if get_origin(each) in (tuple, list))
    return tuple(each for one in lists for each in _flat(get_args(one)[0]))


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrEnum)


# --- tables, keys and values -------------------------------------------------------------------------


def _tables(around: str, places: Places, is_list: bool, needs_end: bool) -> list[TextChoice]:
    """Return the names of tables below a place; those that are there already are left out."""
    end = ("]]" if is_list else "]") if needs_end else ""
    found = []
    for name in _table_names(is_list):
        if name.startswith(f"{around}." if around else "") and (is_list or name not in places.spots):
            label = name[len(around) + 1 if around else 0 :]
            found.append(TextChoice(label, label + end, "list of tables" if is_list else "table"))
    return found


@cache
def _table_names(is_list: bool) -> tuple[str, ...]:
    return tuple(_table_names_in(AlgorithmSpec, "", is_list))


def _table_names_in(model: type[BaseModel], around: str, is_list: bool) -> Iterator[str]:
    for name, known in model.model_fields.items():
        table = _table_of(known)
        if _list_of(known) if is_list else table is not None and not _has_only_tables(table):
            yield around + name
        if table is not None:
            yield from _table_names_in(table, f"{around}{name}.", is_list)


def _table_of(known: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a table of its own; one that is in itself stands in a line."""
    for each in _flat(known.annotation):
        if _is_model(each):
            inner = (one for field in each.model_fields.values() for one in _entries(field.annotation))
            return None if each in inner else each
    return None


def _list_of(known: FieldInfo) -> bool:
    """Return whether a field is a list of tables."""
    entries = _entries(known.annotation)
    return bool(entries) and all(map(_is_model, entries))


def _has_only_tables(model: type[BaseModel]) -> bool:
    return all(_table_of(known) is not None for known in model.model_fields.values())


def _keys(table: str, places: Places, begins_line: bool) -> list[TextChoice]:
    """Return the keys of a table that are not there yet; at the begin of a line also the tables."""
    found = []
    for model in filter(_is_model, _types_at(table)):
        for name, known in model.model_fields.items():
            place = f"{table}.{name}" if table else name
            if place not in places.spots and _table_of(known) is None and not _list_of(known):
                brace = "{" if any(map(_is_model, _flat(known.annotation))) else ""
                found.append(TextChoice(name, f"{name} = {brace}", _detail(known)))
    if begins_line:
        tables = ((each, f"[{each}]") for each in _table_names(False) if each not in places.spots)
        lists = ((each, f"[[{each}]]") for each in _table_names(True))
        found += [TextChoice(label, insert, "table") for label, insert in (*tables, *lists)]
    return found


_KINDS = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Condition: "condition",
    Tree: "tree of conditions",
}


def _detail(known: FieldInfo) -> str:
    kinds = [each for each in _flat(known.annotation) if each is not type(None)]
    entries = _entries(known.annotation)
    if entries:
        said = "list of conditions" if Condition in entries else "list"
    else:
        said = " or ".join(
            ", ".join(each) if _is_choice(each) else _KINDS.get(each, "table") for each in kinds
        )
    has_default = isinstance(known.default, str | int | float) and not known.is_required()
    return f"{said}; {str(known.default).lower()} unless given" if has_default else said


def _values(place: str, quote: str) -> list[str]:
    """Return the names that can be the value at a place."""
    kinds = _types_at(place)
    found = [f"{quote}{each}{quote}" for kind in kinds if _is_choice(kind) for each in kind]
    return found + (["true", "false"] if bool in kinds and quote else [])


def _base(places: Places) -> Timeframe | None:
    spot = places.spots.get("timeframe")
    written = "" if spot is None else places.text[spot.start : spot.end].strip("\"'")
    return next((each for each in Timeframe if each == written), None)


# --- conditions --------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*((?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w)|\w+|[<>]=?|\S)")
_NUMBER = re.compile(r"\.?\d.*")
_WRITTEN = re.compile(r"[A-Za-z_]\w*$|(?<=@)\w*$")
_COMPARISONS = tuple(operator for operator in Operator if not operator.is_cross)
_CROSSES = tuple(operator for operator in Operator if operator.is_cross)


@dataclass(slots=True)
class _Call:
    """Parentheses that are open: of a function, or around operands."""

    function: Function | None = None
    given: list[str] = field(default_factory=list)
    positions: int = 0


@dataclass(slots=True)
class _Sentence:
    """A condition up to the word that is being written."""

    open: list[_Call] = field(default_factory=list)
    before: Sequence[str] = ("", "")
    """The last two signs or words."""
    called: Function | None = None
    """The function whose call has just ended."""
    is_compared: bool = False

    @classmethod
    def read(cls, text: str) -> "_Sentence":
        found = cls()
        for token in _TOKEN.findall(text):
            found._take(token)
        return found

    def _take(self, token: str) -> None:
        last = self.before[1]
        if token == "(":
            self.open.append(_Call(FUNCTIONS.get(last.lower())))
        elif token == ")" and self.open:
            self.called = self.open.pop().function
        elif self.open and self.open[-1].function is not None:
            call = self.open[-1]
            call.positions += token == ","
            if token == "=":
                call.given.append(last.lower())
        elif token in _COMPARISONS or token.lower() in ("above", "below"):
            self.is_compared = True
        self.before = (last, token)

    @property
    def call(self) -> _Call | None:
        """The call of a function in whose parentheses one writes."""
        return self.open[-1] if self.open and self.open[-1].function is not None else None

    @property
    def ends_operand(self) -> bool:
        """What stands before is an operand, and can be compared."""
        before, last = self.before[0], self.before[1].lower()
        is_value = _NUMBER.fullmatch(last) is not None or last in frozenset(PriceField)
        return is_value or last == ")" or before in ("@", ".")


def _in_condition(written: str, behind: str, base: Timeframe | None) -> tuple[str, list[TextChoice]]:
    """Return the word that is being written in a condition, and how it can go on."""
    match = _WRITTEN.search(written)
    word = "" if match is None else match[0]
    sentence = _Sentence.read(written[: len(written) - len(word)])
    last = sentence.before[1]
    if last == "@":
        return word, [
            TextChoice(str(each), str(each), "timeframe")
            for each in Timeframe
            if base is None or (each.is_multiple_of(base) and each is not base)
        ]
    if last == "." and sentence.before[0] == ")":
        outputs = () if sentence.called is None else sentence.called.outputs
        return word, [TextChoice(each, each, "output") for each in outputs] if len(outputs) > 1 else []
    call = sentence.call
    if call is not None and last in ("(", ","):
        return word, _arguments(call)
    if call is not None and last == "=":
        takes_series = call.given[-1:] and call.given[-1] in _SERIES
        return word, _operands(behind) if takes_series else []
    if last.lower() == "crosses":
        return word, [_word(each.split()[1]) for each in _CROSSES]
    if sentence.ends_operand:
        compared = () if sentence.is_compared or call is not None else (*_COMPARISONS, *_CROSSES)
        return word, [_word(each) for each in (*compared, *Operation)]
    negation = [TextChoice("not", "not ", "operator")] if last.lower() in ("", "(", "not") else []
    return word, [*negation, *_operands(behind)]


def _word(operator: str) -> TextChoice:
    return TextChoice(str(operator), f"{operator} ", "operator")


def _arguments(call: _Call) -> list[TextChoice]:
    """Return the parameters and series of a function that are not given yet."""
    function = call.function
    assert function is not None
    named = [
        TextChoice(each.name, f"{each.name}=", f"{number_text(each.minimum)} to {number_text(each.maximum)}")
        for each in function.parameters[call.positions - len(call.given) :]
    ]
    series = [TextChoice(each, f"{each}=", "series") for each in _SERIES if each in function.inputs]
    return [each for each in (*named, *series) if each.label not in call.given]


def _operands(behind: str) -> list[TextChoice]:
    """Return prices and functions; where parentheses follow, functions are written without their own."""
    if behind == "(":
        return [TextChoice(each, each, each) for each in FUNCTIONS]
    return [*(TextChoice(str(each), str(each), "price") for each in PriceField), *_functions()]


@cache
def _functions() -> tuple[TextChoice, ...]:
    """Return each function with its usual parameters; one of several outputs with each of them."""
    found = []
    for function in FUNCTIONS.values():
        parameters = ", ".join(f"{each.name} {number_text(each.default)}" for each in function.parameters)
        outputs = f" gives {', '.join(function.outputs)}" if len(function.outputs) > 1 else ""
        detail = f"{function.name}({parameters}){outputs}"
        if "periods" in function.inputs:
            found.append(TextChoice(function.name, f"{function.name}(", detail))
            continue
        values = tuple(each.default for each in function.parameters)
        for output in (None,) if function.default_output else function.outputs:
            label = function.name if output is None else f"{function.name}.{output}"
            found.append(TextChoice(label, str(Indicator(function.name, values, output)), detail))
    return tuple(found)
