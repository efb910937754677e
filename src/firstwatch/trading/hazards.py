"""Hazards: what happens around a run that may end it, and what follows by the operator's policy."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Hazard(StrEnum):
    """What happens around a run that it did not decide; its name is the key in ``[policy]``."""

    LIQUIDATION_NEAR = "liquidation_near"
    """Little of the way from the entry to the liquidation price is left."""
    KEY_EXPIRING = "key_expiring"
    """The key that signs for the wallet is valid for a few days only."""
    DELISTING = "delisting"
    """The venue takes the market out of trading."""
    MAINTENANCE = "maintenance"
    """The venue says that it does not work as usual."""
    LEVERAGE_CHANGED = "leverage_changed"
    """The venue has changed the leverage that the market allows, and with it the margin."""
    STREAM_SILENT = "stream_silent"
    """One of the run's streams says nothing: prices (``mark``), ``bars`` or ``orders``."""
    CLOCK_SKEW = "clock_skew"
    """This machine's clock is not that of the venue."""
    BUDGET_LOW = "budget_low"
    """The venue will soon take no more requests, or makes them wait."""
    CRASH_LOOP = "crash_loop"
    """The run's worker has raised too often: the run has failed."""

    topic: str
    """Topic of its alarm; some have behind it which one it is of, as ``stream silent bars``."""

    def __init__(self, name: str) -> None:
        self.topic = name.replace("_", " ")


class Response(StrEnum):
    """What follows when a hazard begins, beside the alarm."""

    ALARM = "alarm"
    """Nothing."""
    PAUSE = "pause"
    """Entries pause until they are resumed."""
    STOP_LEAVE = "stop_leave"
    """The run stops; its position and the protection stay at the venue."""
    STOP_CLOSE = "stop_close"
    """The run stops and closes its position."""


Policy = Mapping[Hazard, Response]

ALARMS_ONLY: Policy = MappingProxyType(dict.fromkeys(Hazard, Response.ALARM))
"""The run goes on as its backtest does."""
DEFAULT_POLICY: Policy = MappingProxyType({**ALARMS_ONLY, Hazard.LIQUIDATION_NEAR: Response.PAUSE})
"""Of the settings."""


def hazard_of(topic: str) -> Hazard | None:
    """Return the hazard of an alarm's topic; None: it is the topic of something else."""
    return next((each for each in Hazard if topic == each.topic or topic.startswith(f"{each.topic} ")), None)
