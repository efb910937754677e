"""The recipe of one day's calibration, locked before the first order, and the tables made from it.

The recipe has all inputs of the tables but the candles, which it names by their baseline's hash, and the time
lost, whose rows are added as it happens. The same recipe gives the same bits on the same machine and
versions.
"""

import hashlib

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from firstwatch import __version__
from firstwatch.trading.verdicts import FILLS_ALPHA, JOINT_ALPHA, Change
from firstwatch.watch.changes import OWN_CHANGES, draw_donors, play_changed
from firstwatch.watch.joint import (
    BLOCK_DAYS,
    JOINT_CHECKS,
    LOSS_BUDGET,
    LOSS_SHARE,
    REDRAWS,
    TWICE,
    Statistic,
    Tables,
    make_tables,
)
from firstwatch.watch.windows import Carried, DayOfRun, Lost, Windows

_REFERENCE, _DONORS, _CHANGES = range(3)
"""The purpose of random numbers; part of their seed."""
_MOST_SEED = 2**63 - 1


class Recipe(BaseModel):
    """The inputs of the tables of one day's watch of one run."""

    # One that another version of the program has locked may have more fields.
    model_config = ConfigDict(frozen=True, extra="ignore")

    baseline: str
    """The baseline's hash: candles, algorithm, costs."""
    settings: str
    """The run's settings that the core knows, as canonical JSON."""
    seed: int = Field(ge=0, le=_MOST_SEED)
    begin_ms: int = Field(ge=0)
    """Begin of the day's watch: the open of the first bar that the run decides on."""
    day: int = Field(default=1, ge=1)
    carried: Carried | None = None
    """From day 2 on."""
    statistics: tuple[str, ...] = tuple(each.name.lower() for each in Statistic)
    twice: tuple[tuple[str, ...], ...] = tuple(tuple(each.name.lower() for each in of) for of in TWICE)
    loss_budget: float = LOSS_BUDGET
    loss_share: float = LOSS_SHARE
    joint_alpha: float = JOINT_ALPHA
    fills_alpha: float = FILLS_ALPHA
    redraws: int = REDRAWS
    block_days: int = BLOCK_DAYS
    program: str = __version__
    numpy: str = np.__version__

    def canonical_json(self) -> str:
        """Return the recipe as JSON, always the same text."""
        return self.model_dump_json()

    def sha256(self) -> str:
        """Return the hash of the canonical JSON."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()


def generator(seed: int, *purpose: int) -> np.random.Generator:
    """Return the random generator of one purpose."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *purpose])))


def make_day_tables(windows: Windows, recipe: Recipe, lost: tuple[Lost, ...] = ()) -> Tables:
    """Return the tables of the recipe; ``lost``: the day's time lost so far.

    Raises:
        WrongUseError: the baseline has too few days, or no look of the day is left.
    """
    of = DayOfRun(recipe.day, lost, recipe.carried)
    starts = windows.starts(recipe.begin_ms, of)
    days = windows.play(starts, of)
    ones = starts.where(starts.is_exact)
    altered = {}
    if len(ones) > 1:
        true = days.where(starts.is_exact)
        donors = draw_donors(ones.day, ones.day, generator(recipe.seed, _DONORS))
        wanted = {change for check in JOINT_CHECKS for change in OWN_CHANGES[check]}
        altered = {
            change: play_changed(
                windows, ones, change, generator(recipe.seed, _CHANGES, number), donors, true=true, of=of
            )
            for number, change in enumerate(Change)
            if change in wanted
        }
    random = generator(recipe.seed, _REFERENCE)
    return make_tables(windows.grid_ms, days, altered, random, lost=lost)
