"""Numbers of an algorithm by their place in its file, and the ranges in which they are varied.

A place: ``CONDITION.WAY.PARAMETER`` of an indicator, as ``entry.long.required[0].left.timeperiod``;
``CONDITION.WAY`` of a number; else its keys in the file, as ``stop_loss.fraction`` and
``reset.follow_up[0].wait_bars``. A condition of a tree is ``entry.long.when.any[1].all[0]``. The way is a
side, ``left`` or ``right``, then in arithmetic ``left`` or ``right`` again, behind a sign ``operand``, inside
of an indicator ``source`` or ``periods``: the 2 of ``close > ema(20) + 2 * atr(14)`` is ``right.right.left``.
The name of a function may stand for its way where it occurs once in the condition, and ``period`` for
``timeperiod``: ``entry.long.required[0].rsi.period``.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel

from firstwatch.strategy.conditions import Arithmetic, Condition, Indicator, Negative, Number, Operand
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.functions import ParameterKind
from firstwatch.strategy.groups import AT_LEAST, WHEN, Key, Tree, place_text
from firstwatch.strategy.language import parse_condition
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.numbers import decimal_of, plain, tidy_decimal
from firstwatch.trading.orders import Side
from firstwatch.trading.text import quoted
from firstwatch.trading.validation import nearest
from firstwatch.trading.why import GroupKind

MOST_VALUES = 1_000_000
"""Values that a range may have."""
_FINE = 1_000
"""A range of real numbers without a step has at least this many values."""

_AVERAGE_KIND = "matype"
"""How the names of parameters end that say which kind of moving average is meant."""

_IN_GROUP = re.compile(
    r"((?:entry|exit)\.(?:long|short)\.(?:(?:required|optional)\[\d+\]|when(?:\.(?:any|all|of)\[\d+\])+))"
    r"\.(\w+)((?:\.\w+)*)"
)
_SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Place:
    """One number of a specification. ``lowest`` and ``highest``: what its place allows, by itself."""

    name: str
    value: float
    is_whole: bool
    lowest: float
    highest: float
    keys: tuple[Key, ...]
    """Where it stands in the document; for a number of a condition, where the condition does."""
    operand: tuple[str, ...] = ()
    """The way from the condition to its operand: a side, then into arithmetic and indicators."""
    parameter: str | None = None
    """The parameter of the indicator that the operand is; None: a number by itself."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A place and the values that it takes: ``low``, ``low + step`` and so on, up to ``high``."""

    name: str
    """As the operator wrote it."""
    place: Place
    low: Decimal
    high: Decimal
    step: Decimal

    @property
    def count(self) -> int:
        """How many values there are."""
        return int((self.high - self.low) / self.step) + 1

    def value(self, index: int) -> float:
        """Return a value, counted from 0; a whole number where the place takes one."""
        value = self.low + self.step * index
        return int(value) if self.place.is_whole else float(value)

    def index(self, value: float) -> int:
        """Return the value that is nearest to a number, counted from 0."""
        nearest_index = round((Decimal(repr(value)) - self.low) / self.step)
        return min(max(nearest_index, 0), self.count - 1)

    def __str__(self) -> str:
        return f"{self.name}={self.low.normalize():f}..{self.high.normalize():f}:{self.step.normalize():f}"


def places(spec: AlgorithmSpec) -> tuple[Place, ...]:
    """Return every number that can be varied, in the order of the file; sides never taken have none."""
    return tuple(_places(spec))


def find_place(spec: AlgorithmSpec, name: str) -> Place:
    """Return the place of that name.

    Raises:
        WrongUseError: there is none (the sentence lists those that are), or a function's name is ambiguous.
    """
    known = {place.name: place for place in _places(spec)}
    written = name.strip()
    full = written if written in known else _full_name(spec, written, known)
    found = known.get(full)
    if found is None:
        raise WrongUseError(
            f"{spec.name} has no parameter {quoted(written)}{nearest(full, list(known))} "
            f"(its parameters: {', '.join(known)})."
        )
    return found


def parse_parameter(text: str, spec: AlgorithmSpec) -> Parameter:
    """Return the parameter of ``NAME=LOW..HIGH[:STEP]``.

    Without a step a whole number goes by 1, a real one by a power of ten that gives 1,000 values or more.

    Raises:
        WrongUseError: the specification has no such place, or the range cannot be used.
    """
    name, separator, bounds = text.partition("=")
    first, dots, last = bounds.partition("..")
    last, colon, by = last.partition(":")
    if not (name.strip() and separator and dots):
        raise WrongUseError(
            f"{quoted(text)} is not a parameter: write NAME=LOW..HIGH or NAME=LOW..HIGH:STEP, "
            "as in entry.long.required[0].rsi.period=5..30:1."
        )
    place = find_place(spec, name)
    low, high = _bound(first, text), _bound(last, text)
    if low >= high:
        raise WrongUseError(f"{quoted(text)}: the first bound must be below the second.")
    step = _bound(by, text) if colon else _step(place, high - low)
    if step <= 0 or step > high - low:
        raise WrongUseError(f"{quoted(text)}: the step must be above 0 and at most {high - low:f}.")
    if place.is_whole and any(each != each.to_integral_value() for each in (low, high, step)):
        raise WrongUseError(f"{quoted(text)}: it takes whole numbers.")
    if low < Decimal(repr(place.lowest)) or high > Decimal(repr(place.highest)):
        raise WrongUseError(
            f"{quoted(text)}: it must lie from {_shown(place.lowest)} to {_shown(place.highest)}."
        )
    high = low + step * int((high - low) / step)
    parameter = Parameter(name.strip(), place, low, high, step)
    if parameter.count > MOST_VALUES:
        raise WrongUseError(f"{quoted(text)}: more than {MOST_VALUES:,} values; give a larger step.")
    return parameter


def parse_parameters(texts: Sequence[str], spec: AlgorithmSpec) -> tuple[Parameter, ...]:
    """Return the parameters of texts, each of another place.

    Raises:
        WrongUseError: there is none, one cannot be used, or two are of the same place.
    """
    found = tuple(parse_parameter(text, spec) for text in texts)
    if not found:
        raise WrongUseError("Give at least one parameter, as in entry.long.required[0].rsi.period=5..30.")
    seen: dict[str, str] = {}
    for parameter in found:
        if parameter.place.name in seen:
            raise WrongUseError(
                f"{seen[parameter.place.name]} and {parameter.name} are the same parameter; give it once."
            )
        seen[parameter.place.name] = parameter.name
    return found


def usual_parameters(spec: AlgorithmSpec) -> tuple[Parameter, ...]:
    """Return the numbers that are varied where none are named: what conditions and levels are made of.

    Whole numbers of indicators and the distances of stop and target go from half to twice their value,
    numbers that an operand is compared with from half below to half above. A 0, the constants of arithmetic,
    and which kind of moving average is meant, are left as they are.

    Raises:
        WrongUseError: there is none.
    """
    found = []
    for place in _places(spec):
        is_level = place.keys[0] in ("stop_loss", "take_profit")
        is_kind = (place.parameter or "").endswith(_AVERAGE_KIND)
        is_constant = place.parameter is None and len(place.operand) > 1
        if not place.value or is_kind or is_constant or not (place.operand or is_level):
            continue
        value = Decimal(repr(place.value))
        bounds = sorted((value / 2, value * 2 if place.parameter or is_level else value * Decimal("1.5")))
        low = max(bounds[0], Decimal(repr(place.lowest)))
        high = min(bounds[1], Decimal(repr(place.highest)))
        if place.is_whole:
            low, high = low.to_integral_value(ROUND_CEILING), high.to_integral_value(ROUND_FLOOR)
        if low < high:
            found.append(parse_parameter(f"{place.name}={low:f}..{high:f}", spec))
    if not found:
        raise WrongUseError(f"{spec.name} has no number to vary.")
    return tuple(found)


def with_values(spec: AlgorithmSpec, values: Mapping[Place, float]) -> AlgorithmSpec:
    """Return the specification with other numbers at these places.

    Raises:
        WrongUseError: together they are no valid specification, such as a wait that outlasts its window.
    """
    document = spec.document()
    conditions: dict[tuple[Key, ...], Condition] = {}
    for place, value in values.items():
        if place.operand:
            condition = conditions.get(place.keys) or parse_condition(_at(document, place.keys))
            conditions[place.keys] = _replaced(condition, place, value)
        else:
            _put(document, place.keys, int(value) if place.is_whole else value)
    for keys, condition in conditions.items():
        _put(document, keys, str(condition))
    return AlgorithmSpec.from_json(json.dumps(document), spec.name)


# --- where the numbers are -------------------------------------------------------------------------


def _places(spec: AlgorithmSpec) -> Iterator[Place]:
    for kind in GroupKind:
        for side in Side:
            for placed in spec.placed(kind, side):
                yield from _in_condition(placed.place, placed.keys, placed.condition)
            group = spec.group(kind, side)
            if group is not None and group.when is not None:
                yield from _in_tree(group.when, (kind.value, side.value, WHEN))
    for key in ("stop_loss", "take_profit", "sizing"):
        if (level := getattr(spec, key)) is not None:
            yield from _in_model(level, (key,))
    order = _in_model(spec.order, ("order",))
    yield from (place for place in order if place.keys[-1] in spec.order.own_keys)
    yield from _in_model(spec.reset, ("reset",))
    for number, link in enumerate(spec.reset.follow_up):
        yield from _in_model(link, ("reset", "follow_up", number))


def _in_tree(tree: Tree, keys: tuple[Key, ...]) -> Iterator[Place]:
    if tree.at_least is not None:
        at = (*keys, AT_LEAST)
        yield Place(place_text(at), tree.at_least, True, 1, len(tree.items), at)
    for number, item in enumerate(tree.items):
        if isinstance(item, Tree):
            yield from _in_tree(item, (*keys, tree.key, number))


def _in_condition(where: str, keys: tuple[Key, ...], condition: Condition) -> Iterator[Place]:
    for way, operand in _operands(condition):
        name = f"{where}.{'.'.join(way)}"
        if isinstance(operand, Number):
            yield Place(name, operand.value, False, -1e15, 1e15, keys, way)
        elif isinstance(operand, Indicator):
            parameters = FUNCTIONS[operand.function].parameters
            for parameter, value in zip(parameters, operand.parameters, strict=True):
                yield Place(
                    f"{name}.{parameter.name}",
                    value,
                    parameter.kind is not ParameterKind.REAL,
                    max(parameter.minimum, -1e15),
                    min(parameter.maximum, 1e15),
                    keys,
                    way,
                    parameter.name,
                )


def _operands(condition: Condition) -> Iterator[tuple[tuple[str, ...], Operand]]:
    for side in _SIDES:
        yield from _inside((side,), getattr(condition, side))


def _inside(way: tuple[str, ...], operand: Operand) -> Iterator[tuple[tuple[str, ...], Operand]]:
    yield way, operand
    for key in _WAYS.get(type(operand), ()):
        if (inner := getattr(operand, key)) is not None:
            yield from _inside((*way, key), inner)


_WAYS: Mapping[type[Operand], tuple[str, ...]] = {
    Indicator: ("source", "periods"),
    Arithmetic: _SIDES,
    Negative: ("operand",),
}
"""The ways into an operand."""


def _in_model(model: BaseModel, keys: tuple[Key, ...]) -> Iterator[Place]:
    where = place_text(keys)
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        is_whole = isinstance(value, int)
        lowest, highest = -1e15, 1e15
        for bound in field.metadata:
            match bound:
                case Ge(ge=limit):
                    lowest = float(limit)  # type: ignore[arg-type]
                case Gt(gt=limit):
                    lowest = _beside(float(limit), is_whole, 1)  # type: ignore[arg-type]
                case Le(le=limit):
                    highest = float(limit)  # type: ignore[arg-type]
                case Lt(lt=limit):
                    highest = _beside(float(limit), is_whole, -1)  # type: ignore[arg-type]
        yield Place(f"{where}.{name}", value, is_whole, lowest, highest, (*keys, name))


def _beside(limit: float, is_whole: bool, direction: int) -> float:
    """Return the number next to a bound that is excluded."""
    return limit + direction if is_whole else limit + direction * 1e-9


def _full_name(spec: AlgorithmSpec, written: str, known: Mapping[str, Place]) -> str:
    """Return the full name of a place; the text itself where it is none."""
    match = _IN_GROUP.fullmatch(written)
    if match is None:
        return written
    where, head, rest = match.groups()
    way = head
    if head not in _SIDES:
        condition = _condition(spec, where)
        ways = [
            ".".join(way)
            for way, operand in (_operands(condition) if condition else ())
            if isinstance(operand, Indicator) and operand.function == head
        ]
        if len(ways) > 1:
            raise WrongUseError(f"{head} occurs twice in {where}: write {' or '.join(ways)} instead.")
        way = ways[0] if ways else head
    name = f"{where}.{way}{rest}"
    if name not in known and name.endswith(".period"):
        name = f"{name.removesuffix('.period')}.timeperiod"
    return name


def _condition(spec: AlgorithmSpec, where: str) -> Condition | None:
    placed = (each for kind in GroupKind for side in Side for each in spec.placed(kind, side))
    return next((each.condition for each in placed if each.place == where), None)


# --- other numbers ---------------------------------------------------------------------------------


def _replaced(condition: Condition, place: Place, value: float) -> Condition:
    side, *way = place.operand
    changed: dict[str, Any] = {side: _operand(getattr(condition, side), way, place, value)}
    return replace(condition, **changed)


def _operand(operand: Any, way: Sequence[str], place: Place, value: float) -> Operand:
    if way:
        inner: dict[str, Any] = {way[0]: _operand(getattr(operand, way[0]), way[1:], place, value)}
        return replace(operand, **inner)  # type: ignore[no-any-return]
    if not isinstance(operand, Indicator):
        return Number(float(value))
    names = [parameter.name for parameter in FUNCTIONS[operand.function].parameters]
    values = list(operand.parameters)
    values[names.index(place.parameter or "")] = int(value) if place.is_whole else float(value)
    return replace(operand, parameters=tuple(values))


def _at(document: Any, keys: Sequence[Key]) -> Any:
    for key in keys:
        document = document[key]
    return document


def _put(document: dict[str, Any], keys: Sequence[Key], value: object) -> None:
    _at(document, keys[:-1])[keys[-1]] = value


# --- ranges ----------------------------------------------------------------------------------------


def _bound(text: str, whole: str) -> Decimal:
    try:
        return decimal_of(text)
    except ValueError as error:
        raise WrongUseError(
            f"{quoted(whole)}: {error}; write NAME=LOW..HIGH or NAME=LOW..HIGH:STEP."
        ) from error


def _step(place: Place, width: Decimal) -> Decimal:
    if place.is_whole:
        return Decimal(1)
    return Decimal(1).scaleb((width / _FINE).adjusted())


def _shown(value: float) -> str:
    return plain(tidy_decimal(value))
