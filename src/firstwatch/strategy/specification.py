"""The specification of an algorithm: one version as a typed model, in TOML and in canonical JSON.

The models have the shape of the file, so the path of a mistake is the key in the file.
All in one place: the document, consistency checks of its parts, its requirements, its texts.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from firstwatch.strategy.conditions import (
    Condition,
    Indicator,
    Operand,
    Series,
    anchors_of,
    indicators_of,
    series_of,
)
from firstwatch.strategy.core_state import MAXIMUM_LINKS
from firstwatch.strategy.formulas import FORMULAS
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.functions import ParameterKind
from firstwatch.strategy.groups import (
    MOST_MISTAKES,
    TAGS,
    UNREAD,
    WHEN,
    Group,
    Key,
    Part,
    Placed,
    Reading,
    SideGroups,
)
from firstwatch.strategy.language import ConditionError, timeframe_problem
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import FollowUpSide, ResetSettings
from firstwatch.trading.numbers import MOST_BARS
from firstwatch.trading.orders import Side
from firstwatch.trading.text import counted, quoted
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.toml_file import parse_toml
from firstwatch.trading.toml_text import toml_text
from firstwatch.trading.validation import key_of, validation_sentence
from firstwatch.trading.why import GroupKind

MINIMUM_HISTORY = 1_000
"""Bars per timeframe that a live run starts with at least (rule 4 of ``firstwatch.strategy``)."""
PERIODS_OF_HISTORY = 10
LONGEST_NAME = 80
"""Characters of an algorithm's name."""
MOST_SLICES = 1_000
"""Most slices of an entry."""
_SMALLEST, _LARGEST = 1e-9, 1e12
"""Bounds of an amount or a fraction."""

_KEY = re.compile(r"([a-z_][\w.\[\]]*): ")
"""Begins a sentence about the whole that names a key."""
_SYMBOL = re.compile(r"[^\s/:]+/[^\s/:]+(:[^\s/:]+)?")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in an algorithm's document."""

    place: str
    """Its key, as ``entry.long.required[0]``; empty: of the whole."""
    sentence: str
    """With the key and what was found there."""
    clause: str = ""
    """What is wrong with a condition, without its text; empty: it is not of a condition."""
    column: int = 0
    """Where in the text of the condition, from 1."""


class AlgorithmError(WrongUseError):
    """An algorithm with mistakes."""

    def __init__(self, mistakes: Sequence[Mistake], where: str) -> None:
        super().__init__("\n".join(f"{where}: {mistake.sentence}" for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class Direction(StrEnum):
    """The sides that an algorithm may take."""

    LONG = "long"
    SHORT = "short"
    BOTH = "both"

    def allows(self, side: Side) -> bool:
        """Return whether the algorithm may hold a position of that side."""
        return self in (Direction.BOTH, Direction(side.value))


class LevelKind(StrEnum):
    """Unit in which the distance of a stop or target is given."""

    FRACTION = "fraction"
    AMOUNT = "amount"
    ATR = "atr"


class Level(Part):
    """A protective stop or target: exactly one of the three kinds."""

    fraction: float | None = Field(default=None, ge=_SMALLEST, le=1_000)
    """Of the entry price: 0.05 is 5 %."""
    amount: float | None = Field(default=None, ge=_SMALLEST, le=_LARGEST)
    """Distance in price."""
    atr: float | None = Field(default=None, ge=_SMALLEST, le=1_000)
    """Multiple of ATR(``period``)."""
    period: int | None = Field(default=None, ge=1, le=100_000)
    trailing: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        _exactly_one(self, LevelKind)
        if (self.atr is None) != (self.period is None):
            raise ValueError("atr and period belong together: write both or neither")
        return self

    @property
    def kind(self) -> LevelKind:
        """The kind that is given."""
        return next(kind for kind in LevelKind if getattr(self, kind) is not None)

    @property
    def value(self) -> float:
        """The fraction, the amount or the multiple."""
        return float(getattr(self, self.kind))


class SizingKind(StrEnum):
    """How a position is sized."""

    FIXED = "fixed"
    EQUITY = "equity"
    RISK = "risk"


class Sizing(Part):
    """Position size: exactly one of the three kinds."""

    fixed: float | None = Field(default=None, ge=_SMALLEST, le=_LARGEST)
    """Margin in quote."""
    equity: float | None = Field(default=None, ge=_SMALLEST, le=1)
    """Fraction of run equity as margin."""
    risk: float | None = Field(default=None, ge=_SMALLEST, lt=1)
    """Fraction of run equity that is lost when the stop is hit."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        _exactly_one(self, SizingKind)
        return self

    @property
    def kind(self) -> SizingKind:
        """The kind that is given."""
        return next(kind for kind in SizingKind if getattr(self, kind) is not None)

    @property
    def value(self) -> float:
        """The quote amount or the fraction."""
        return float(getattr(self, self.kind))


class EntryKind(StrEnum):
    """The kind of the entry order."""

    MARKET = "market"
    LIMIT = "limit"
    TWAP = "twap"
    """At market in equal slices, one at the open of each of several bars: time-weighted average price."""


_KEYS = {
    EntryKind.MARKET: frozenset[str](),
    EntryKind.LIMIT: frozenset({"offset_bps", "timeout_bars"}),
    EntryKind.TWAP: frozenset({"bars"}),
}
"""The keys of each kind of entry order, all of which it needs."""


class EntryOrder(Part):
    """The entry order. A limit rests ``offset_bps`` away for ``timeout_bars`` bars; a TWAP takes ``bars``."""

    kind: EntryKind = EntryKind.MARKET
    offset_bps: float = Field(default=0.0, ge=0, lt=10_000)
    timeout_bars: int = Field(default=1, ge=1, le=MOST_BARS)
    bars: int = Field(default=1, ge=1, le=MOST_SLICES)

    @model_validator(mode="after")
    def _keys_are_its_own(self) -> Self:
        own = _KEYS[self.kind]
        if own - self.model_fields_set:
            raise ValueError(f"a {self.kind} entry needs {' and '.join(sorted(own))}")
        for kind, keys in _KEYS.items():
            if foreign := (keys - own) & self.model_fields_set:
                raise ValueError(f'{" and ".join(sorted(foreign))} belong to kind = "{kind}"')
        return self

    @property
    def own_keys(self) -> frozenset[str]:
        """The keys that its kind has."""
        return _KEYS[self.kind]

    def document(self) -> dict[str, Any]:
        """Return the kind and its own keys as plain values."""
        return self.model_dump(mode="json", include={"kind", *self.own_keys})


class AlgorithmSpec(Part):
    """One immutable version of an algorithm (rule 5 of ``firstwatch.strategy``)."""

    name: str = Field(max_length=LONGEST_NAME)
    direction: Direction
    timeframe: Timeframe
    symbol: str | None = None
    """ccxt unified symbol; when set, a run cannot choose another market."""
    entry: SideGroups
    exit: SideGroups = SideGroups()
    stop_loss: Level | None = None
    take_profit: Level | None = None
    sizing: Sizing
    order: EntryOrder = EntryOrder()
    reset: ResetSettings = ResetSettings()

    @field_validator("name")
    @classmethod
    def _name_can_be_asked_for(cls, name: str) -> str:
        if problem := name_problem(name):
            raise ValueError(problem)
        return name

    @field_validator("symbol")
    @classmethod
    def _symbol_is_unified(cls, symbol: str | None) -> str | None:
        if symbol is not None and not _SYMBOL.fullmatch(symbol):
            raise ValueError(f"{quoted(symbol)} is not a unified symbol; write one like BTC/USDC:USDC")
        return symbol

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        for side in Side:
            if self.direction.allows(side) and self.entry.of(side) is None:
                yield f"entry.{side}: direction {self.direction} needs conditions here"
        if self.take_profit is not None and self.take_profit.trailing:
            yield "take_profit.trailing: only a stop can trail"
        if self.sizing.kind is SizingKind.RISK and self.stop_loss is None:
            yield "sizing.risk: needs a stop_loss"
        if self.stop_loss is not None and (self.stop_loss.fraction or 0) >= 1 and self.direction != "short":
            yield "stop_loss.fraction: a long's stop lies above price 0, so the fraction is below 1"
        if (
            self.take_profit is not None
            and (self.take_profit.fraction or 0) >= 1
            and self.direction != "long"
        ):
            yield "take_profit.fraction: a short's target lies above price 0, so the fraction is below 1"
        if problem := follow_up_problem(self.reset, self.direction):
            yield f"reset.{problem}"
        for series in self._series():
            if series.timeframe is not None and (
                problem := timeframe_problem(series.timeframe, self.timeframe)
            ):
                yield f"timeframe: {series}: {problem}"

    # --- what it uses --------------------------------------------------------------------------

    def groups(self) -> Iterator[Group]:
        """Yield the groups of the sides that the algorithm may take."""
        for side in Side:
            yield from filter(None, (self.group(kind, side) for kind in GroupKind))

    def conditions(self) -> tuple[Condition, ...]:
        """Return the conditions of the sides that the algorithm may take."""
        return tuple(condition for group in self.groups() for condition in group.conditions)

    def group(self, kind: GroupKind, side: Side) -> Group | None:
        """Return a group; None: there is none, it has no condition, or its side is never taken."""
        groups = self.entry if kind is GroupKind.ENTRY else self.exit
        return groups.of(side) if self.direction.allows(side) else None

    def placed(self, kind: GroupKind, side: Side) -> tuple[Placed, ...]:
        """Return the conditions of a group, each with its place in the file: ``entry.long.required[0]``."""
        group = self.group(kind, side)
        placed = () if group is None else group.placed
        return tuple(each._replace(keys=(kind.value, side.value, *each.keys)) for each in placed)

    def levels(self) -> tuple[Level, ...]:
        """Return the stop and the target, as far as there are any."""
        return tuple(level for level in (self.stop_loss, self.take_profit) if level is not None)

    def _series(self) -> tuple[Series, ...]:
        return tuple(series for condition in self.conditions() for series in condition.series)

    def _indicators(self) -> Iterator[Indicator]:
        for series in self._series():
            yield from indicators_of(series)
        for level in self.levels():
            if level.period is not None:
                yield atr(level.period)

    def timeframes(self) -> tuple[Timeframe, ...]:
        """Return the algorithm's timeframe and the higher ones that its conditions name, rising."""
        named = {series.timeframe for series in self._series() if series.timeframe is not None}
        return tuple(sorted({self.timeframe, *named}, key=lambda timeframe: timeframe.ms))

    def longest_period(self) -> int:
        """Return the largest period of any indicator, in bars of its timeframe; 1 without any.

        A function without a period counts with the bars before its first value.
        """
        return max([1, *(_period(indicator) for indicator in self._indicators())])

    def needed_bars(self) -> dict[Timeframe, int]:
        """Return the live history per timeframe: max(1,000, 10 x the longest period) bars.

        At least as many as give every operand a value, and of the algorithm's own timeframe as many
        as the longest higher bar has, so that the one open at the start is completed from them.
        """
        needed = max(MINIMUM_HISTORY, PERIODS_OF_HISTORY * self.longest_period())
        bars = dict.fromkeys(self.timeframes(), needed)
        for series in self._series():
            timeframe = series.timeframe or self.timeframe
            bars[timeframe] = max(bars[timeframe], 2 + _bars_before(series, timeframe))
        longest = self.timeframes()[-1]
        bars[self.timeframe] = max(bars[self.timeframe], longest.ms // self.timeframe.ms)
        return bars

    def warm_up_bars(self) -> int:
        """Return after how many bars of its timeframe every operand has a value, holes and zeros apart.

        A bar of a higher timeframe counts in full, and so does the incomplete one before the first.
        """
        bars = [0]
        for condition in self.conditions():
            for series in condition.series:
                timeframe = series.timeframe or self.timeframe
                factor = timeframe.ms // self.timeframe.ms
                before = _bars_before(series, timeframe)
                bars.append(before if factor == 1 else (before + 2) * factor - 2)
                bars[-1] += condition.operator.is_cross
        bars += [_lookback(atr(level.period)) for level in self.levels() if level.period is not None]
        return max(bars)

    def warnings(self) -> tuple[str, ...]:
        """Return sentences on settings that are allowed but may surprise."""
        sentences = []
        for condition in self.conditions():
            anchors = {anchor.function for series in condition.series for anchor in anchors_of(series)}
            if anchors:
                sentences.append(
                    f"{condition}: the value of {' and '.join(sorted(anchors))} depends on where history "
                    "starts, so a live run and a backtest may see this condition differently"
                )
        for side in Side:
            unused = [key for key, groups in (("entry", self.entry), ("exit", self.exit)) if groups.of(side)]
            if unused and not self.direction.allows(side):
                keys = " and ".join(f"{key}.{side}" for key in unused)
                sentences.append(f"{keys}: never used, because direction is {self.direction}")
        if self.stop_loss is None:
            sentences.append("no stop_loss: a loss is limited by signals and by liquidation only")
        return tuple(sentences)

    # --- as text -------------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """Return the specification as plain values in the shape of the file, defaults written out."""
        return self.model_dump(mode="json", exclude_none=True) | {"order": self.order.document()}

    def to_toml(self) -> str:
        """Return the canonical file; reading it gives an equal specification."""
        return toml_text(self.document(), inline={WHEN})

    def canonical_json(self) -> str:
        """Return the one JSON text of this specification: keys sorted, no blanks, all defaults."""
        return json.dumps(self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def sha256(self) -> str:
        """Return the SHA-256 of the canonical JSON, 64 hex characters."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    @classmethod
    def from_toml(cls, text: str, where: str = "the algorithm") -> Self:
        """Return the specification in a TOML text.

        Raises:
            WrongUseError: all mistakes of the file together, each with its key, headed by ``where``.
        """
        return cls._from_document(parse_toml(text, where), where)

    @classmethod
    def from_json(cls, text: str, where: str = "the stored version") -> Self:
        """Return the specification in a canonical JSON text.

        Raises:
            WrongUseError: as in ``from_toml``.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise WrongUseError(f"{where} is not valid JSON: {error}") from error
        if not isinstance(document, dict):
            raise WrongUseError(f"{where} is not a JSON object")
        return cls._from_document(document, where)

    @classmethod
    def _from_document(cls, document: dict[str, Any], where: str) -> Self:
        known = [timeframe for timeframe in Timeframe if timeframe == document.get("timeframe")]
        try:
            # Strict JSON: true is not a number and a number not a text, but names of choices are accepted.
            return cls.model_validate_json(
                json.dumps(document), strict=True, context=Reading(known[0] if known else None)
            )
        except ValidationError as error:
            if error.errors(include_url=False)[0]["type"] == "json_invalid":
                raise WrongUseError(f"{where} is nested too deeply") from error
            raise AlgorithmError(_mistakes(error), where) from error


def name_problem(name: str) -> str:
    """Return why a text cannot be an algorithm's name; empty: it can."""
    if not name.strip() or name != name.strip() or "@" in name or not name.isprintable():
        return (
            f"{quoted(name)} is not a name: one line, no blanks around it, no @, which stands in name@version"
        )
    if len(name) > LONGEST_NAME:
        return f"{quoted(name)} is too long: a name has {LONGEST_NAME} characters at most"
    return ""


def atr(period: int) -> Indicator:
    """Return the ATR that levels are measured with, on the algorithm's timeframe."""
    return Indicator("atr", (period,))


def follow_up_problem(reset: ResetSettings, direction: Direction) -> str | None:
    """Return what is wrong with the chain (its length, a side that is not allowed); None: nothing."""
    if len(reset.follow_up) > MAXIMUM_LINKS:
        return f"follow_up: {len(reset.follow_up)} links, at most {MAXIMUM_LINKS} are allowed"
    for number, link in enumerate(reset.follow_up):
        if link.side is FollowUpSide.OPPOSITE and direction is not Direction.BOTH:
            return f"follow_up[{number}].side: opposite is not allowed by direction {direction}"
    return None


def sample_toml() -> str:
    """Return the sample algorithm's file: RSI reversion with a trailing stop and a target."""
    return files("firstwatch.strategy").joinpath("sample.toml").read_text(encoding="utf-8")


def _period(indicator: Indicator) -> int:
    parameters = zip(FUNCTIONS[indicator.function].parameters, indicator.parameters, strict=True)
    periods = [int(value) for parameter, value in parameters if parameter.kind is ParameterKind.INTEGER]
    formula = FORMULAS.get(indicator.function)
    if formula is not None and formula.period is not None:
        periods.append(formula.period(*indicator.parameters))
    return max(periods) if periods else _lookback(indicator)


def _bars_before(operand: Operand | None, timeframe: Timeframe) -> int:
    """Return how many bars of a timeframe pass before an operand has its first value, at most."""
    before = [0]
    for each in () if operand is None else series_of(operand):
        if isinstance(each, Indicator):
            days = FUNCTIONS[each.function].days * Timeframe.D1.ms // timeframe.ms
            inner = max(_bars_before(each.source, timeframe), _bars_before(each.periods, timeframe))
            before.append(max(days - 1, _lookback(each) + inner))
    return max(before)


def _lookback(indicator: Indicator) -> int:
    # TA-Lib is imported where it is needed: reading and listing algorithms needs none.
    from firstwatch.strategy.indicators import lookback

    return lookback(indicator.function, indicator.parameters)


def _exactly_one(part: BaseModel, kinds: type[StrEnum]) -> None:
    given = [str(kind) for kind in kinds if getattr(part, kind) is not None]
    if len(given) != 1:
        names = ", ".join(kinds)
        raise ValueError(f"exactly one of {names} is needed, {' and '.join(given) or 'none'} given")


def _mistakes(error: ValidationError) -> tuple[Mistake, ...]:
    """Return the first mistakes, but not that of a list that is empty because its items are wrong."""
    found = error.errors(include_url=False)
    around = {path[:length] for path in map(_path, found) for length in range(len(path))}
    read = [
        each
        for each in found
        if each["type"] != UNREAD and not (each["type"] == "too_short" and _path(each) in around)
    ]
    unread = sum(each["type"] == UNREAD for each in found)
    described = [mistake for each in read[:MOST_MISTAKES] for mistake in _described(each)]
    count = len(described) + len(read[MOST_MISTAKES:])
    if count <= MOST_MISTAKES and not unread:
        return tuple(described)
    shown = described[: MOST_MISTAKES - 1]
    more = f"{counted(count - len(shown), 'mistake')} more"
    if unread:
        more = f"{more}; {counted(unread, 'condition')} not read"
    return (*shown, Mistake("", more))


def _described(error: Mapping[str, Any]) -> Iterator[Mistake]:
    path, sentence = _path(error), validation_sentence(AlgorithmSpec, error, hidden=TAGS)
    cause = getattr(error.get("ctx", {}).get("error"), "__cause__", None)
    if isinstance(cause, ConditionError):
        yield Mistake(key_of(path), sentence, cause.sentence, cause.column)
        return
    for line in sentence.split("\n"):
        named = _KEY.match(line)
        yield Mistake(key_of(path) or (named[1] if named else ""), line)


def _path(mistake: Mapping[str, Any]) -> tuple[Key, ...]:
    return tuple(part for part in mistake["loc"] if part not in TAGS)
