"""The conditions of an algorithm in groups: ``required``, ``optional``, and the tree ``when`` (rule 6)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from firstwatch.strategy.conditions import Condition
from firstwatch.strategy.language import MAXIMUM_LENGTH, ConditionError, parse_condition
from firstwatch.trading.orders import Side
from firstwatch.trading.text import counted, quoted
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.validation import value_text
from firstwatch.trading.why import MOST_CONDITIONS

REQUIRED, OPTIONAL, WHEN = "required", "optional", "when"
ANY, ALL, AT_LEAST, OF = "any", "all", "at_least", "of"
LISTS = (ANY, ALL, OF)
"""The keys of a tree's list, one of which it has."""
DEEPEST_TREE = 5
"""Trees within one another; a file allows no more tables and arrays than they need."""
MOST_MISTAKES = 50
"""Lines in which the mistakes of a document are described; the last one counts those that have none."""
UNREAD = "unread"
"""Type of the error of a condition that is not read, because so many before it are wrong."""
TAGS = _CONDITION, _TREE = "item:condition", "item:tree"
"""What pydantic writes into the place of a mistake in a tree."""

Key = str | int


@dataclass(slots=True)
class Reading:
    """What the conditions of one document are read with."""

    timeframe: Timeframe | None
    """The algorithm's own; None: not known."""
    wrong: int = 0
    """Conditions that could not be understood so far: each takes long, and a text is read at each key."""


Truth = TypeVar("Truth")


class Part(BaseModel):
    """A table of an algorithm's file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _read_condition(value: object, info: ValidationInfo) -> Condition:
    if isinstance(value, Condition):
        return value
    if not isinstance(value, str):
        raise ValueError(f'a condition is a text like "rsi(14) < 30", not {value_text(value)}')
    reading = info.context if isinstance(info.context, Reading) else Reading(None)
    if reading.wrong >= MOST_MISTAKES:
        raise PydanticCustomError(UNREAD, "not read")
    try:
        return parse_condition(value, reading.timeframe)
    except ConditionError as error:
        reading.wrong += 1
        raise ValueError(f"in {quoted(value, MAXIMUM_LENGTH)}, {error}") from error


ConditionText = Annotated[Condition, PlainValidator(_read_condition), PlainSerializer(str, return_type=str)]


def _tag(item: object) -> str:
    return _TREE if isinstance(item, Mapping | BaseModel) else _CONDITION


Item = Annotated[
    Annotated[ConditionText, Tag(_CONDITION)] | Annotated["Tree", Tag(_TREE)], Discriminator(_tag)
]
"""A condition, or a tree of such."""
_Items = Annotated[tuple[Item, ...], Field(min_length=1)]


class Tree(Part):
    """Items of which some must be true: one of ``any``, all of ``all``, or ``at_least`` so many of ``of``."""

    any: _Items | None = None
    all: _Items | None = None
    at_least: int | None = Field(default=None, ge=1)
    of: _Items | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [key for key in (*LISTS, AT_LEAST) if getattr(self, key) is not None]
        if given not in ([ANY], [ALL], [OF, AT_LEAST]):
            raise ValueError(
                "a tree is {any = […]}, {all = […]} or {at_least = 2, of = […]}, "
                f"{' and '.join(given) or 'nothing'} given"
            )
        if self.at_least is not None and self.at_least > len(self.items):
            raise ValueError(f"at_least is {self.at_least}, and of has {counted(len(self.items), 'item')}")
        return self

    @property
    def key(self) -> str:
        """The key of its list."""
        return next(key for key in LISTS if getattr(self, key) is not None)

    @property
    def items(self) -> tuple["Condition | Tree", ...]:
        """The conditions and trees in its list."""
        found: tuple[Condition | Tree, ...] = getattr(self, self.key)
        return found

    @property
    def wanted(self) -> int:
        """How many of its items must be true."""
        if self.at_least is not None:
            return self.at_least
        return 1 if self.key == ANY else len(self.items)


class Placed(NamedTuple):
    """A condition of a group, and where it stands in the file."""

    keys: tuple[Key, ...]
    """From the table that it is looked for in: ``("when", "any", 1, "all", 0)``, from a group."""
    condition: Condition
    wanted: tuple[int, ...] = ()
    """In a tree: how many items of each list around it must be true, the outermost first."""

    @property
    def place(self) -> str:
        """As ``entry.long.when.any[1].all[0]``."""
        return place_text(self.keys)

    @property
    def group(self) -> str:
        """The list that it stands in: ``entry.long.when.any[1].all``."""
        return place_text(self.keys[:-1])

    @property
    def number(self) -> int:
        """Its place in that list, from 0."""
        return int(self.keys[-1])


def place_text(keys: Sequence[Key]) -> str:
    """Return keys as they are written in a sentence."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


class Group(Part):
    """True when all of ``required``, one of ``optional`` where there are any, and ``when`` are true."""

    required: tuple[ConditionText, ...] = ()
    optional: tuple[ConditionText, ...] = ()
    when: Tree | None = None

    @field_validator(WHEN)
    @classmethod
    def _is_shallow(cls, when: Tree | None) -> Tree | None:
        if when is not None and _depth(when) > DEEPEST_TREE:
            raise ValueError(f"more than {DEEPEST_TREE} trees are within one another")
        return when

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        # What is kept with a decision is the whole tree: a part of it has another meaning.
        if self.when is not None and (count := len(self.conditions)) > MOST_CONDITIONS:
            raise ValueError(f"{count} conditions; a group with when has at most {MOST_CONDITIONS}")
        return self

    @property
    def placed(self) -> tuple[Placed, ...]:
        """The required conditions, then the optional ones, then those of ``when`` from left to right."""
        return tuple(self._placed())

    def _placed(self) -> Iterator[Placed]:
        for part, conditions in ((REQUIRED, self.required), (OPTIONAL, self.optional)):
            for number, condition in enumerate(conditions):
                yield Placed((part, number), condition)
        if self.when is not None:
            yield from _in_tree(self.when, (WHEN,), ())

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions in the order of ``placed``."""
        return tuple(each.condition for each in self.placed)

    @property
    def is_empty(self) -> bool:
        """The group has no condition."""
        return not (self.required or self.optional or self.when)

    @property
    def fewest(self) -> int:
        """How many conditions must be true at least for the group to be."""
        return len(self.required) + bool(self.optional) + (_fewest(self.when) if self.when else 0)

    def needs(self, number: int) -> bool:
        """Return whether the group cannot be true without a condition, counted in the order of ``placed``."""
        others = [each != number for each in range(len(self.conditions))]
        return not self.combined(others, lambda wanted, truths: sum(truths) >= wanted)

    def combined(self, truths: Sequence[Truth], at_least: Callable[[int, Sequence[Truth]], Truth]) -> Truth:
        """Return the truth of the group by those of its conditions, in the order of ``placed``.

        ``at_least``: whether so many of some are true.
        """
        found = iter(truths)
        parts = [next(found) for _ in self.required]
        if self.optional:
            parts.append(at_least(1, [next(found) for _ in self.optional]))
        if self.when is not None:
            parts.append(_combined(self.when, found, at_least))
        return at_least(len(parts), parts)

    def without(self, keys: Sequence[Key]) -> "Group":
        """Return the group without the condition at ``keys``; a tree that it leaves empty goes, too."""
        part, *rest = keys
        if part != WHEN:
            (number,) = rest
            kept = tuple(each for place, each in enumerate(getattr(self, str(part))) if place != number)
            return self.model_copy(update={str(part): kept})
        assert self.when is not None
        return self.model_copy(update={WHEN: _without(self.when, rest)})


def _in_tree(tree: Tree, keys: tuple[Key, ...], wanted: tuple[int, ...]) -> Iterator[Placed]:
    for number, item in enumerate(tree.items):
        at = (*keys, tree.key, number)
        if isinstance(item, Tree):
            yield from _in_tree(item, at, (*wanted, tree.wanted))
        else:
            yield Placed(at, item, (*wanted, tree.wanted))


def _depth(tree: Tree) -> int:
    return 1 + max(_depth(item) if isinstance(item, Tree) else 0 for item in tree.items)


def _fewest(tree: Tree) -> int:
    counts = sorted(_fewest(item) if isinstance(item, Tree) else 1 for item in tree.items)
    return sum(counts[: tree.wanted])


def _combined(tree: Tree, found: Iterator[Truth], at_least: Callable[[int, Sequence[Truth]], Truth]) -> Truth:
    parts = [
        _combined(item, found, at_least) if isinstance(item, Tree) else next(found) for item in tree.items
    ]
    return at_least(tree.wanted, parts)


def _without(tree: Tree, keys: Sequence[Key]) -> Tree | None:
    key, number, *rest = keys
    items: list[Any] = list(tree.items)
    inner = _without(items[int(number)], rest) if rest else None
    items[int(number) : int(number) + 1] = [] if inner is None else [inner]
    if not items:
        return None
    changed: dict[str, object] = {str(key): tuple(items)}
    if tree.at_least is not None:
        changed[AT_LEAST] = min(tree.at_least, len(items))
    return tree.model_copy(update=changed)


class SideGroups(Part):
    """The entry or exit groups of both sides."""

    long: Group | None = None
    short: Group | None = None

    def of(self, side: Side) -> Group | None:
        """Return the group of that side; None where there is none or it is empty."""
        group = self.long if side is Side.LONG else self.short
        return None if group is None or group.is_empty else group
