"""The notes of a backtest: the core's notes bar by bar, counted, as sentences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.funding import FundingSeries, missing_sentence
from firstwatch.strategy.core_loop import NOTE_FIELDS
from firstwatch.strategy.core_notes import (
    CHAIN_EXHAUSTED,
    LEVEL_DROPPED,
    NOTES,
    SLICE_CUT,
    cap_sentence,
    guard_sentence,
    refusal_sentence,
)
from firstwatch.strategy.core_state import NOTE_KINDS, CoreSettings, CoreState
from firstwatch.trading.market import Market
from firstwatch.trading.notes import Note, NoteCode
from firstwatch.trading.text import counted


@dataclass(frozen=True, slots=True)
class _Counted:
    code: NoteCode
    count: int
    first_index: int
    asked: float
    granted: float


class NoteKeeper:
    """The notes of one replay by their code, counted by ``count_notes`` of the core."""

    def __init__(self, settings: CoreSettings, market: Market) -> None:
        self._settings = settings
        self._market = market
        self.counted = np.zeros((NOTE_KINDS, NOTE_FIELDS))
        """One row per note (float64), the columns those of ``NOTE_FIELDS``."""

    def notes(self, state: CoreState, time_ms: NDArray[np.int64]) -> list[Note]:
        """Return the notes in the order of their first bar; ``time_ms``: the open times of all bars."""
        found = [
            _Counted(code, int(count), int(first), asked, granted)
            for code, (count, first, asked, granted) in zip(NOTES, self.counted.tolist(), strict=True)
            if count
        ]
        return [
            Note(
                each.code,
                self._sentence(each.code, each, state, len(time_ms) - 1 - each.first_index),
                each.count,
                int(time_ms[each.first_index]),
            )
            for each in sorted(found, key=lambda one: one.first_index)
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
            case NoteCode.SLICE_CUT:
                return f"{SLICE_CUT}, {_times(found.count)}"
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
