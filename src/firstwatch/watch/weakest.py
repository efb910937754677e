"""The condition of a run's algorithm that is of the least use, where its usefulness is known."""

from dataclasses import dataclass

from firstwatch.store import algorithms, analyses, runs
from firstwatch.store.database import Session
from firstwatch.store.rows import row
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.jobs import JobKind


@dataclass(frozen=True, slots=True)
class Weakest:
    """The condition with the lowest score."""

    condition: str
    group: str
    """Its place in the file, as ``entry.long.required``."""
    score: float
    """0 to 100."""

    @property
    def hint(self) -> str:
        """What follows for an operator."""
        place = f"{self.condition} in {self.group}"
        return f"Swap an indicator: {place} is of the least use, {self.score:.0f} of 100."


def weakest_of_run(session: Session, run_id: str) -> Weakest | None:
    """Return it by the newest usefulness of the run's version on its market.

    None: there is none, none of its conditions has a score, or it cannot be read.
    """
    try:
        run = runs.get_run(session, run_id)
        version = algorithms.version_by_id(session, run.version_id)
        found = analyses.latest_analysis(
            session, JobKind.USEFULNESS, spec_sha256=version.sha256, symbol=run.settings.symbol
        )
        return None if found is None else _weakest(found)
    except DamagedRowError:
        # A hint is no reason to show nothing else.
        return None


def _weakest(found: analyses.Analysis) -> Weakest | None:
    result = found.result
    with row(f"analysis {found.id}"):
        scored = [
            Weakest(str(each["condition"]), str(each["group"]), float(each["score"]))
            for each in result["conditions"]
            if each["score"] is not None
        ]
    return min(scored, key=lambda each: each.score, default=None)
