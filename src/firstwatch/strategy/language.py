"""The condition language: parses one line to a typed condition (rule 6 of ``firstwatch.strategy``)."""

import math
import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from firstwatch.strategy.conditions import (
    Arithmetic,
    Condition,
    Indicator,
    Negative,
    Number,
    Operand,
    Operation,
    Operator,
    Price,
    PriceField,
    Series,
    anchor_problem,
    anchors_of,
    arithmetic_problem,
    number_text,
)
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.functions import Function, Parameter, ParameterKind
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import quoted
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.validation import nearest

MAXIMUM_LENGTH = 500
"""Characters of one condition: readable, and a bound on the parser's recursion."""
MOST_OPERATIONS = 50
"""Additions, multiplications and signs in one condition: they are nested so deep at most."""

_Tree = Any
"""A lark tree: what its children are follows from the grammar, which mypy cannot read."""

_PRICES = frozenset(PriceField)
_NOT = "not"
_NOT_AN_OPERAND = "not stands before a whole condition, as in not rsi(14) < 30"
_ENDS_WITH_NOT = re.compile(rf"(?<!\w){_NOT}\s*$", re.IGNORECASE)
_SERIES_ARGUMENTS = ("source", "periods")
_WORDS = {
    "NUMBER": "a number",
    "NAME": "a price or an indicator",
    "COMPARISON": "< <= > >=",
    "CROSSES": "crosses",
    "DIRECTION": "above or below",
    "TIMEFRAME": "a timeframe",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": "a comma",
    "DOT": "a point",
    "AT": "@",
    "EQUAL": "=",
    "TIMES": "+ - * /",
    "$END": "the end",
}


class ConditionError(WrongUseError):
    """A condition that cannot be understood. ``column`` counts from 1."""

    def __init__(self, sentence: str, column: int) -> None:
        super().__init__(f"column {column}: {sentence}")
        self.sentence = sentence
        self.column = column


def parse_condition(text: str, base: Timeframe | None = None) -> Condition:
    """Return the condition of a text; with ``base``, for an algorithm of that timeframe.

    Raises:
        ConditionError: what is wrong, at which column, and the nearest known name.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise ConditionError(f"a condition has at most {MAXIMUM_LENGTH} characters", MAXIMUM_LENGTH + 1)
    if not text.strip():
        raise ConditionError("the condition is empty; write one like rsi(14) < 30", 1)
    return _parsed(text, base)


@lru_cache(maxsize=1_000)
def _parsed(text: str, base: Timeframe | None) -> Condition:
    # An algorithm is read again at each key of its editor and for each trial of a study.
    try:
        tree: _Tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    _bound_operations(tree)
    (comparison,), is_negated = tree.children, False
    while comparison.data == "negation":
        comparison, is_negated = comparison.children[1], not is_negated
    left, operator, right = comparison.children
    place = _Place(base)
    condition = Condition(_operand(left, place), _operator(operator), _operand(right, place), is_negated)
    if len(str(condition)) > MAXIMUM_LENGTH:
        raise ConditionError(f"with all defaults written out it has over {MAXIMUM_LENGTH} characters", 1)
    if not condition.series:
        raise ConditionError("two numbers are compared; name a price or an indicator", 1)
    if problem := anchor_problem(condition):
        anchored = left if anchors_of(condition.left) else right
        raise ConditionError(problem, _column(_first(anchored)))
    return condition


class _Place(NamedTuple):
    """Where an operand stands."""

    base: Timeframe | None
    is_inner: bool = False
    """It is the source or the periods of an indicator, whose timeframe it has."""


_INNER = _Place(None, is_inner=True)


@cache
def _parser() -> Lark:
    grammar = files("firstwatch.strategy").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=True)


def _unexpected(text: str, error: UnexpectedInput) -> ConditionError:
    column = len(text.rstrip()) + 1
    found = "the end"
    expected: set[str] = set()
    if isinstance(error, UnexpectedCharacters):
        position = error.pos_in_stream or 0
        column, found = position + 1, quoted(text[position])
        before: Any = _parser().parse_interactive(text[:position])
        before.exhaust_lexer()
        expected = before.accepts()
    elif isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
        if error.token.type != "$END":
            column, found = _column(error.token), quoted(error.token)
    if "NAME" in expected:
        expected.discard("LPAR")
    elif name := _ENDS_WITH_NOT.search(text[: column - 1]):
        return ConditionError(_NOT_AN_OPERAND, name.start() + 1)
    if "CROSSES" in expected:
        expected = {"COMPARISON", "CROSSES"}
    if "$END" not in expected:
        expected.discard("TIMES")
    words = " or ".join(word for key, word in _WORDS.items() if key in expected)
    hint = nearest(found.strip('"'), ["crosses", "above", "below"]) if found[1:2].isalpha() else ""
    return ConditionError(f"{words or 'something else'} expected, {found} found{hint}", column)


def _column(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _operator(tree: _Tree) -> Operator:
    return Operator(" ".join(str(token).lower() for token in tree.children))


def _first(tree: _Tree) -> Token:
    """Return the first token of a part of the text."""
    while not isinstance(tree, Token):
        tree = tree.children[0]
    return tree


def _bound_operations(tree: _Tree) -> None:
    signs = {"arithmetic": 1, "signed": 0}
    found = sorted(
        _column(each.children[signs[each.data]]) for each in tree.iter_subtrees() if each.data in signs
    )
    if len(found) > MOST_OPERATIONS:
        raise ConditionError(
            f"a condition has at most {MOST_OPERATIONS} signs of arithmetic", found[MOST_OPERATIONS]
        )


def _operand(tree: _Tree, place: _Place) -> Operand:
    if tree.data == "number":
        return Number(_number(tree.children[0]))
    if tree.data == "arithmetic":
        return _arithmetic(tree, place)
    if tree.data == "signed":
        return _signed(tree, place)
    return _series(tree, place)


def _number(token: Token) -> float:
    value = float(token)
    if not math.isfinite(value):
        raise ConditionError(f"the number {token} is too large", _column(token))
    return value


def _signed(tree: _Tree, place: _Place) -> Operand:
    sign, inner = tree.children
    operand = _operand(inner, place)
    if sign == Operation.ADD:
        return operand
    if isinstance(operand, Number):
        # A zero has no sign: 0 and -0 are one number.
        return Number(-operand.value + 0.0)
    return _computed(Negative(operand), inner)


def _arithmetic(tree: _Tree, place: _Place) -> Operand:
    left_tree, sign, right_tree = tree.children
    operation = Operation(sign)
    left, right = _operand(left_tree, place), _operand(right_tree, place)
    if right == Number(0.0) and operation is Operation.DIVIDE:
        raise ConditionError("a division by zero has no value", _column(_first(right_tree)))
    if isinstance(left, Number) and isinstance(right, Number):
        # Numbers alone are a number, which its place in a condition may need.
        value = operation.of(left.value, right.value)
        if not math.isfinite(value):
            raise ConditionError(f"{left} {operation} {right} is too large", _column(sign))
        return Number(value + 0.0)
    return _computed(Arithmetic(left, operation, right), left_tree if anchors_of(left) else right_tree)


def _computed(operand: Operand, anchored: _Tree) -> Operand:
    if problem := arithmetic_problem(operand):
        raise ConditionError(problem, _column(_first(anchored)))
    return operand


def _series(tree: _Tree, place: _Place) -> Series:
    name_token, arguments, output, at_token, timeframe_token = tree.children
    name, column = str(name_token).lower(), _column(name_token)
    if place.is_inner and timeframe_token is not None:
        raise ConditionError(
            "a source has the timeframe of the indicator around it; write the timeframe behind that one",
            _column(at_token),
        )
    timeframe = _timeframe(timeframe_token, place.base) if timeframe_token is not None else None
    if name in _PRICES:
        if arguments is not None or output is not None:
            raise ConditionError(f"{name} is a price: it takes no parameters and has no outputs", column)
        return Price(PriceField(name), timeframe)
    if name == _NOT:
        raise ConditionError(_NOT_AN_OPERAND, column)
    if name not in FUNCTIONS:
        kind = "price" if arguments is None else "indicator"
        known = [*FUNCTIONS, *_PRICES] if arguments is None else list(FUNCTIONS)
        raise ConditionError(f"no {kind} is called {quoted(name_token)}{nearest(name, known)}", column)
    if arguments is None:
        raise ConditionError(f"{name} is an indicator: write {_usage(FUNCTIONS[name])}", column)
    return _indicator(FUNCTIONS[name], arguments, output, timeframe, column)


def _indicator(
    function: Function,
    arguments: _Tree,
    output: Token | None,
    timeframe: Timeframe | None,
    column: int,
) -> Indicator:
    values: dict[str, int | float] = {}
    series: dict[str, Operand] = {}
    last_named = ""
    for position, argument in enumerate(arg for arg in arguments.children if arg is not None):
        if argument.data == "positional":
            (value,) = argument.children
            at = _column(_first(value))
            if last_named:
                raise ConditionError(f"a parameter without a name cannot follow {last_named}=", at)
            if position >= len(function.parameters):
                raise ConditionError(
                    f"{function.name} takes {_count(len(function.parameters))}: write {_usage(function)}", at
                )
            parameter = function.parameters[position]
            values[parameter.name] = _parameter(function, parameter, value)
            continue
        name_token, value = argument.children
        last_named, at = str(name_token).lower(), _column(name_token)
        if last_named in values or last_named in series:
            raise ConditionError(f"{last_named} is given twice", at)
        if last_named in _SERIES_ARGUMENTS and last_named in function.inputs:
            series[last_named] = _inner(value, last_named)
            continue
        values[last_named] = _named(function, name_token, value)
    if "periods" in function.inputs and "periods" not in series:
        raise ConditionError(
            f"{function.name} needs a series of periods: {_usage(function)}, periods=ht_dcperiod()", column
        )
    if "source" in function.inputs:
        series.setdefault("source", Price(PriceField.CLOSE))
    parameters = tuple(
        values.get(parameter.name, _whole(parameter, parameter.default)) for parameter in function.parameters
    )
    named = {parameter.name: value for parameter, value in zip(function.parameters, parameters, strict=True)}
    if "maxperiod" in named and named["minperiod"] > named["maxperiod"]:
        raise ConditionError(f"{function.name}: minperiod is above maxperiod", column)
    return Indicator(
        function.name,
        parameters,
        _output(function, output, column),
        series.get("source"),
        series.get("periods"),
        timeframe,
    )


def _inner(tree: _Tree, argument: str) -> Operand:
    operand = _operand(tree, _INNER)
    if isinstance(operand, Number):
        sentence = f"{argument} is a price or an indicator, not the number {operand}"
        raise ConditionError(sentence, _column(_first(tree)))
    return operand


def _named(function: Function, name_token: Token, value: _Tree) -> int | float:
    name = str(name_token).lower()
    known = {parameter.name: parameter for parameter in function.parameters}
    if name not in known:
        takes = [*known, *(argument for argument in _SERIES_ARGUMENTS if argument in function.inputs)]
        if name == "source":
            reads = ", ".join(function.inputs)
            raise ConditionError(f"{function.name} reads {reads} and takes no source", _column(name_token))
        raise ConditionError(
            f"{function.name} has no parameter {quoted(name_token)}{nearest(name, takes)}",
            _column(name_token),
        )
    return _parameter(function, known[name], value)


def _parameter(function: Function, parameter: Parameter, tree: _Tree) -> int | float:
    column = _column(_first(tree))
    operand = _operand(tree, _INNER)
    if not isinstance(operand, Number):
        of_what = "; what it is computed on is written source=" if "source" in function.inputs else ""
        raise ConditionError(f"{parameter.name} is a number{of_what}", column)
    value, where = operand.value, f"{parameter.name} of {function.name}"
    if parameter.kind is not ParameterKind.REAL and value != int(value):
        raise ConditionError(f"{where} is a whole number, not {operand}", column)
    if not parameter.minimum <= value <= parameter.maximum:
        raise ConditionError(
            f"{where} is from {number_text(parameter.minimum)} to {number_text(parameter.maximum)}, "
            f"not {operand}",
            column,
        )
    return _whole(parameter, value)


def _whole(parameter: Parameter, value: float) -> int | float:
    return float(value) if parameter.kind is ParameterKind.REAL else int(value)


def _output(function: Function, token: Token | None, column: int) -> str | None:
    outputs = ", ".join(function.outputs)
    if token is None:
        if function.default_output is None:
            first = function.outputs[0]
            raise ConditionError(
                f"{function.name} has the outputs {outputs}: say which, as in {_usage(function)}.{first}",
                column,
            )
        output = function.default_output
    else:
        output = str(token).lower()
        if output not in function.outputs:
            raise ConditionError(
                f"{function.name} has no output {quoted(token)}, it has {outputs}"
                f"{nearest(output, list(function.outputs))}",
                _column(token),
            )
    return output if len(function.outputs) > 1 else None


def _timeframe(token: Token, base: Timeframe | None) -> Timeframe:
    text, column = str(token).lower(), _column(token)
    known = [str(timeframe) for timeframe in Timeframe]
    if text not in known:
        raise ConditionError(
            f"no timeframe is called {quoted(token)}, known are {' '.join(known)}{nearest(text, known)}",
            column,
        )
    timeframe = Timeframe(text)
    if base is not None and (problem := timeframe_problem(timeframe, base)):
        raise ConditionError(problem, column)
    return timeframe


def timeframe_problem(timeframe: Timeframe, base: Timeframe) -> str | None:
    """Return why an operand of ``timeframe`` cannot be used on bars of ``base``; None: it can."""
    if timeframe.is_multiple_of(base):
        return None
    return f"{timeframe} is not a multiple of the algorithm's timeframe {base}"


def _usage(function: Function) -> str:
    return f"{function.name}({', '.join(number_text(p.default) for p in function.parameters)})"


def _count(parameters: int) -> str:
    return {0: "no parameters", 1: "one parameter"}.get(parameters, f"{parameters} parameters")
