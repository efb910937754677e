"""Studies as rows: what was asked for, the definition that it was turned into, and the trials so far."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from firstwatch.backtest.holdout import Split
from firstwatch.backtest.inputs import BacktestRequest
from firstwatch.backtest.optimisation import MOST_TRIALS, Search, parse_constraint, parse_objectives
from firstwatch.backtest.trial import Trial
from firstwatch.store.database import Session
from firstwatch.store.rows import row
from firstwatch.store.studies import Data, StoredTrial, Study, find_study, trials_of_study
from firstwatch.strategy.parameters import Parameter, find_place, parse_parameters
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.text import quoted
from firstwatch.trading.timeframe import Timeframe


class OptimisationRequest(BaseModel):
    """An optimisation as a job stores it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    test: BacktestRequest
    """The algorithm, its candles, costs and settings; the last fifth of the period is held out."""
    parameters: tuple[str, ...] = Field(min_length=1, max_length=50)
    """``NAME=LOW..HIGH[:STEP]`` each."""
    trials: int = Field(default=100, ge=1, le=MOST_TRIALS)
    """How many the study has in the end; those that it has already count."""
    objective: str = Field(default="sharpe", max_length=200)
    """A metric, or two with a comma."""
    constraints: tuple[str, ...] = Field(default=(), max_length=20)
    """``max_drawdown<0.2`` each."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    study: str | None = Field(default=None, min_length=1, max_length=80)
    """Its name, by which it is gone on with; None: it is called after the job."""
    starts: tuple[str, ...] = Field(default=(), max_length=100)
    """Canonical JSON of versions whose numbers are tried first."""
    prunes: bool = False
    """Give up a trial that is below the median after a third of the period; one objective only."""
    workers: int | None = Field(default=None, ge=1, le=1_000)
    """None: as the settings say."""
    save: str | None = Field(default=None, min_length=1, max_length=80)
    """Name of the algorithm of which the winner becomes the next version."""

    @field_validator("study")
    @classmethod
    def _one_line(cls, study: str | None) -> str | None:
        if study is not None and (study != study.strip() or not study.isprintable() or not study):
            raise ValueError(f"{quoted(study)} is not a name: one line, no blanks around it")
        return study

    @model_validator(mode="after")
    def _prunes_one(self) -> Self:
        if self.prunes and "," in self.objective:
            raise ValueError("A study with two objectives cannot prune.")
        return self

    def search(self) -> Search:
        """Return the study's definition.

        Raises:
            WrongUseError: a part of it cannot be used.
        """
        spec = self.test.spec
        parameters = parse_parameters(self.parameters, spec)
        return Search(
            spec=spec,
            parameters=parameters,
            trials=self.trials,
            objectives=parse_objectives(self.objective),
            constraints=tuple(map(parse_constraint, self.constraints)),
            seed=self.seed,
            starts=tuple(_values_of(AlgorithmSpec.from_json(each), parameters) for each in self.starts),
            prunes=self.prunes,
        )


def _values_of(spec: AlgorithmSpec, parameters: Sequence[Parameter]) -> dict[str, float]:
    """Return the numbers of another version at the same places, as far as it has them.

    Raises:
        WrongUseError: it has none of them.
    """
    found: dict[str, float] = {}
    for parameter in parameters:
        try:
            found[parameter.name] = find_place(spec, parameter.place.name).value
        except WrongUseError:
            continue
    if not found:
        raise WrongUseError(f"{spec.name} has none of the parameters, so the study cannot begin with it.")
    return found


class StudyDefinition(BaseModel):
    """What a study is made of: stored with it, and compared when it is gone on with."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    request: OptimisationRequest
    """As it was asked for first."""
    symbol: str
    timeframe: Timeframe
    start_ms: int
    holdout_ms: int
    end_ms: int
    candles: str
    """Fingerprint of the candles and funding rates up to the end."""
    market_json: str
    costs_json: str

    @property
    def split(self) -> Split:
        """The period in two."""
        return Split(self.start_ms, self.holdout_ms, self.end_ms)

    @property
    def searched(self) -> Data:
        """The data that the trials see."""
        return Data(self.symbol, self.timeframe, self.start_ms, self.holdout_ms)

    @property
    def held_out(self) -> Data:
        """The data that they do not see."""
        return Data(self.symbol, self.timeframe, self.holdout_ms, self.end_ms)

    def differences(self, other: "StudyDefinition") -> list[str]:
        """Return the names of what differs, so that the other one is another study."""
        mine, theirs = self._compared(), other._compared()
        return [name for name, value in mine.items() if value != theirs[name]]

    def _compared(self) -> dict[str, Any]:
        request = self.request
        search = request.search()
        return {
            "algorithm": request.test.spec_json,
            "parameters": [(each.place.name, each.low, each.high, each.step) for each in search.parameters],
            "objective": search.objectives,
            "constraints": search.constraints,
            "seed": search.seed,
            "first trials": [sorted(start.items()) for start in search.starts],
            "pruning": search.prunes,
            "period": (self.start_ms, self.end_ms),
            "candles": self.candles,
            "market": (self.symbol, self.market_json),
            "costs": self.costs_json,
            "settings": request.test.settings,
        }

    @classmethod
    def read(cls, study: Study) -> Self:
        """Return the definition of a stored study.

        Raises:
            WrongUseError: it is damaged, or of a newer version.
        """
        try:
            return cls.model_validate_json(study.request_json)
        except ValidationError as error:
            raise WrongUseError(
                f"The definition of the study {quoted(study.name)} cannot be read; give another name."
            ) from error


@dataclass(frozen=True, slots=True)
class ReadStudy:
    """A study with the trials that it has so far."""

    study: Study
    definition: StudyDefinition
    search: Search
    trials: tuple[Trial, ...]


def read_study(session: Session, name: str) -> ReadStudy:
    """Return a study by its name.

    Raises:
        WrongUseError: there is none, or it is damaged.
        DamagedRowError: a trial cannot be read.
    """
    study = find_study(session, name)
    if study is None:
        raise WrongUseError(f"There is no study {quoted(name)}.")
    definition = StudyDefinition.read(study)
    return ReadStudy(study, definition, definition.request.search(), known_trials(session, study.id))


def known_trials(session: Session, study_id: int) -> tuple[Trial, ...]:
    """Return the trials of a study by number.

    Raises:
        DamagedRowError: one is missing, or cannot be read.
    """
    found = trials_of_study(session, study_id)
    for number, stored in enumerate(found):
        if stored.number != number:
            raise DamagedRowError(f"Trial {number} of the study is missing; begin a new study.")
    return tuple(map(_trial, found))


def stored_trial(trial: Trial) -> StoredTrial:
    """Return the row of a trial."""
    return StoredTrial(
        number=trial.number,
        state=trial.state,
        spec_sha256=trial.spec_sha256,
        parameters_json=json.dumps(trial.parameters),
        first_value=trial.first_value,
        metrics_json=None if trial.metrics is None else json.dumps(trial.metrics, allow_nan=False),
        daily_pnl=None if trial.daily_pnl is None else trial.daily_pnl.astype("<f8").tobytes(),
    )


def _trial(stored: StoredTrial) -> Trial:
    pnl = stored.daily_pnl
    with row(f"trial {stored.number}"):
        return Trial(
            number=stored.number,
            parameters=json.loads(stored.parameters_json),
            state=stored.state,
            spec_sha256=stored.spec_sha256,
            first_value=stored.first_value,
            metrics=None if stored.metrics_json is None else json.loads(stored.metrics_json),
            daily_pnl=None if pnl is None else np.frombuffer(pnl, dtype="<f8").astype(np.float64),
        )
