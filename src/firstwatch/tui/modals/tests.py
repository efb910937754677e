"""What is asked before a cross-validation and an optimisation of a draft."""

from collections.abc import Mapping, Sequence

from firstwatch.manager.test_requests import range_problem, search_problem
from firstwatch.manager.test_views import DraftView, FoldSettings, PlaceView, SearchSettings
from firstwatch.tui import figures
from firstwatch.tui.launch_form import parse
from firstwatch.tui.modals.settings import Setting, Values

FOLDS, SLIDING, TRIALS = "folds", "sliding", "trials"
YES, NO = "yes", "no"
_PLACE = "place "
_MOST_FOLDS, _MOST_TRIALS = 100, 10_000
_OBJECTIVES = ("sharpe", "sortino", "calmar", "net_pnl", "profit_factor", "expectancy", "max_drawdown")
_NONE = ""
_NO_BOUND = 1e12
"""A number that may be larger may be any, for an operator."""


def _folds(text: str) -> int:
    return parse.count(text, least=1, most=_MOST_FOLDS)


def _trials(text: str) -> int:
    return parse.count(text, least=1, most=_MOST_TRIALS)


def _trials_or_none(text: str) -> int:
    return _trials(text) if text else 0


def validation_settings(draft: DraftView, places: Sequence[PlaceView]) -> tuple[Setting, ...]:
    """Return what is asked before a cross-validation."""
    section = "Folds"
    return (
        Setting(FOLDS, "Folds", section, "So many blocks are tested, one after the other", "6", _folds),
        Setting(
            SLIDING, "Training", section, "The bars before a fold on which numbers are searched", NO,
            words={NO: "all blocks before", YES: "the block before alone"},
        ),
        Setting(
            TRIALS, "Trials in each fold", section,
            "How many are made on the training part; the winner is tested. Empty: nothing is searched",
            read=_trials_or_none, empty="nothing is searched", proposal="50",
        ),
        *(_place(draft, each) for each in places),
    )  # fmt: skip


def folds_of(values: Values) -> FoldSettings:
    """Return the folds of the dialog's values."""
    return FoldSettings(
        folds=_folds(values[FOLDS]),
        is_sliding=values[SLIDING] == YES,
        trials=_trials_or_none(values[TRIALS]),
        parameters=_parameters(values),
    )


def folds_mistake(values: Values) -> str:
    """Return what is wrong with the folds of the dialog's values; empty: nothing."""
    has_numbers = bool(_parameters(values)) and not values[TRIALS]
    return "say how many trials in each fold, or leave the numbers as they are" if has_numbers else ""


def _parameters(values: Values) -> tuple[str, ...]:
    return tuple(
        f"{key.removeprefix(_PLACE)}={value}"
        for key, value in values.items()
        if key.startswith(_PLACE) and value
    )


def optimisation_settings(draft: DraftView, places: Sequence[PlaceView]) -> tuple[Setting, ...]:
    """Return what is asked before an optimisation: a range for each number, then what is looked for."""
    labels = {name: figures.FIGURES[name][0] for name in _OBJECTIVES}
    search = "Search"
    return (
        *(_place(draft, each) for each in places),
        Setting("objective", "Looked for", search, "What the best trial has most of", "sharpe", words=labels),
        Setting(
            "second", "And", search, "A second goal: then the result is a front of points", _NONE,
            words={_NONE: "nothing else"} | labels,
        ),
        Setting(
            "constraint", "Only if", search, "Like max_drawdown<0.2; several with a comma",
            empty="no constraint", proposal="max_drawdown<0.2",
        ),
        Setting(TRIALS, "Trials", search, "How many; each counts against the winner", "100", _trials),
        Setting("study", "Study", search, "Its name: the same one later goes on with it", empty="its job's"),
    )  # fmt: skip


def _place(draft: DraftView, place: PlaceView) -> Setting:
    def read(text: str) -> str:
        problem = range_problem(draft, place.name, text) if text else ""
        if problem:
            raise ValueError(problem)
        return text

    kind = "whole number" if place.is_whole else "number"
    bounds = "" if place.highest > _NO_BOUND else f" from {place.lowest:g} to {place.highest:g}"
    return Setting(
        f"{_PLACE}{place.name}", place.label, place.section,
        f"{place.name} is {place.value:g} now; a {kind}{bounds}. Write"
        f" {place.proposal} or only its ends; empty: it stays", read=read, empty=f"{place.value:g}",
        proposal=place.proposal,
    )  # fmt: skip


def search_of(values: Values) -> SearchSettings:
    """Return the search of the dialog's values."""
    second = values["second"]
    return SearchSettings(
        parameters=_parameters(values),
        objective=f"{values['objective']},{second}" if second else values["objective"],
        constraints=tuple(part.strip() for part in values["constraint"].split(",") if part.strip()),
        trials=_trials(values[TRIALS]),
        study=values["study"],
    )


def search_mistake(draft: DraftView, values: Mapping[str, str]) -> str:
    """Return what is wrong with the search of the dialog's values; empty: nothing."""
    search = search_of(values)
    if not search.parameters:
        return "take at least one number: space on its row"
    return search_problem(draft, search)
