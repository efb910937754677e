"""Hazards: external events that may end a run, and the operator's policy for each."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Hazard(StrEnum):
    """External event that may end a run; its value is the key in ``[policy]``."""

    LIQUIDATION_NEAR = "liquidation_near"
    """Little of the way from the entry to the liquidation price is left."""
    KEY_EXPIRING = "key_expiring"
    """The key that signs for the wallet is valid for a few days only."""
    DELISTING = "delisting"
    """The venue delists the market."""
    MAINTENANCE = "maintenance"
    """The venue reports maintenance or limited operation."""
    LEVERAGE_CHANGED = "leverage_changed"
    """The venue has changed the leverage that the market allows, and with it the margin."""
    STREAM_SILENT = "stream_silent"
    """One of the run's streams is silent: prices (``mark``), ``bars`` or ``orders``."""
    CLOCK_SKEW = "clock_skew"
    """This machine's clock differs from the venue's."""
    BUDGET_LOW = "budget_low"
    """The venue's request budget is nearly used up, or requests have to wait for it."""
    CRASH_LOOP = "crash_loop"
    """The run's worker has raised too often: the run has failed."""

    topic: str
    """Topic of its alarm; for some a detail follows, as in ``stream silent bars``."""

    def __init__(self, name: str) -> None:
        self.topic = name.replace("_", " ")


class Response(StrEnum):
    """Response to the start of a hazard, beside the alarm."""

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
"""The policy that only alarms: the run goes on as its backtest does."""
DEFAULT_POLICY: Policy = MappingProxyType({**ALARMS_ONLY, Hazard.LIQUIDATION_NEAR: Response.PAUSE})
"""Default of the settings."""


def hazard_of(topic: str) -> Hazard | None:
    """Return the hazard of an alarm's topic; None: it is the topic of something else."""
    return next((each for each in Hazard if topic == each.topic or topic.startswith(f"{each.topic} ")), None)
