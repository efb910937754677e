"""The notes of a backtest: the core's notes bar by bar, counted, as sentences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.funding import FundingSeries, missing_sentence
from firstwatch.strategy.core_notes import (
    CHAIN_EXHAUSTED,
    LEVEL_DROPPED,
    cap_sentence,
    guard_sentence,
    refusal_sentence,
    take_notes,
)
from firstwatch.strategy.core_state import CoreSettings, CoreState
from firstwatch.trading.market import Market
from firstwatch.trading.notes import Note, NoteCode
from firstwatch.trading.text import counted


@dataclass(slots=True)
class _Counted:
    first_index: int
    count: int = 0
    asked: float = 0.0
    granted: float = 0.0


class NoteKeeper:
    """Counts the notes of one replay by their code."""

    def __init__(self, settings: CoreSettings, market: Market) -> None:
        self._settings = settings
        self._market = market
        self._counted: dict[NoteCode, _Counted] = {}

    def take(self, state: CoreState, index: int) -> None:
        """Count the core's notes up to the close of the bar at ``index``."""
        for code in take_notes(state):
            counted = self._counted.setdefault(code, _Counted(index))
            counted.count += 1
            # The size that was reduced most is reported.
            if counted.count == 1 or state.size_granted * counted.asked < counted.granted * state.size_asked:
                counted.asked, counted.granted = state.size_asked, state.size_granted

    def notes(self, state: CoreState, time_ms: NDArray[np.int64]) -> list[Note]:
        """Return the notes in the order of their first bar; ``time_ms``: the open times of all bars."""
        return [
            Note(
                code,
                self._sentence(code, counted, state, len(time_ms) - 1 - counted.first_index),
                counted.count,
                int(time_ms[counted.first_index]),
            )
            for code, counted in sorted(self._counted.items(), key=lambda item: item[1].first_index)
        ]

    def _sentence(self, code: NoteCode, found: _Counted, state: CoreState, rest: int) -> str:
        entries = _entries(found.count)
        idle = f"nothing was decided on the {counted(rest, 'bar')} after it, which all figures count"
        match code:
            case NoteCode.BELOW_MINIMUM | NoteCode.EQUITY_GONE:
                return f"{entries} refused: {refusal_sentence(code, self._market)}"
            case NoteCode.SIZE_CAPPED | NoteCode.RISK_CAPPED:
                cap = cap_sentence(self._settings, found.asked, found.granted)
                return f"{entries} capped: {'' if found.count == 1 else 'at worst '}{cap}"
            case NoteCode.GUARD_STOP:
                return (
                    f"a guard stopped the run: {guard_sentence(state.guard_stopped, self._settings)}; {idle}"
                )
            case NoteCode.CHAIN_STOP:
                return f"the run was stopped: {CHAIN_EXHAUSTED}; {idle}"
            case NoteCode.GUARD_PAUSE:
                return (
                    f"entries were paused by a guard, {_times(found.count)}; only the pause after a day's"
                    " loss ends in a backtest, with the UTC day"
                )
            case _:
                return f"{LEVEL_DROPPED}, {_times(found.count)}"


def coverage_notes(funding: FundingSeries, start_ms: int, end_ms: int) -> list[Note]:
    """Return at most one note: how much of the tested time has no funding rates.

    Raises:
        WrongUseError: there are no funding rates for any of it.
    """
    funding.require_overlap(start_ms, end_ms)
    missing = funding.uncovered(start_ms, end_ms)
    if not missing:
        return []
    sentence = missing_sentence(missing, end_ms - start_ms)
    return [Note(NoteCode.FUNDING_COVERAGE, sentence, len(missing), missing[0].start_ms)]


def _entries(count: int) -> str:
    return counted(count, "entry", "entries")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
