"""Trials: specifications that were tried on a market, of a study or by themselves."""

from enum import StrEnum


class TrialOrigin(StrEnum):
    """Why a specification was tried."""

    STUDY = "study"
    """A trial of an optimisation."""
    HOLDOUT = "holdout"
    """The winner of a study, on the candles that the study did not see."""
    PREVIEW = "preview"
    """A test by itself that showed money, and whose result is not stored."""


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    UNDEFINED = "undefined"
    """It was tested, and has no value of what is optimised: it made no trade, or the period is too short."""
    PRUNED = "pruned"
    """It was given up after the first part of the period."""
    INVALID = "invalid"
    """It could not be tested: its numbers do not go together, or no bar has a value for every indicator."""
