"""Jobs: heavy work that a process of its own does, with its progress and result in the store."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from firstwatch.trading.clock import END_MS


class JobState(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class JobKind(StrEnum):
    """Kind of a job."""

    BACKTEST = "backtest"
    BASELINE = "baseline"
    CALIBRATION = "calibration"
    CROSS_VALIDATION = "cross-validation"
    OPTIMISATION = "optimisation"
    USEFULNESS = "usefulness"


class BacktestJob(BaseModel):
    """A test of a version that an agent asks for, with default costs and settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    algorithm: str
    version: int = Field(ge=1, lt=2**31)
    symbol: str = Field(max_length=80)
    from_ms: int = Field(ge=0, lt=END_MS)
    to_ms: int = Field(gt=0, lt=END_MS)

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.from_ms >= self.to_ms:
            raise ValueError("the period ends before it begins")
        return self
