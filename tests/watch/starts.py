"""Sixteen starts on real candles: a baseline up to a date, a paper run over the day after, and its watch.

Each start is run as it is, with dearer fills, with refused orders, and with decisions that are lost. The
tests run a few of them; ``python -m tests.watch.starts`` runs all, prints a table, and ends with status 1 if
something was not as promised.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from firstwatch.market.assumed import market_of_file
from firstwatch.market.files import read_candles
from firstwatch.store import journal
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.clock import iso, parse_iso
from firstwatch.trading.events import REFUSED_BY_VENUE, DecisionDropped, EntryDecided
from firstwatch.trading.runs import RunState
from firstwatch.trading.verdicts import DAY_MS, CheckName, MismatchCause, Verdict
from firstwatch.trading.watch import Check, WatchReport
from firstwatch.venues.paper.faults import PaperFaults
from firstwatch.venues.paper.settings import PaperVenueSettings
from firstwatch.watch.identity import ALARM_FRACTION
from firstwatch.watch.report import first_diverged
from tests.candles import shared_data
from tests.engine.host import rig
from tests.watch.algorithms import FOLDER, algorithm
from tests.watch.rig import SLIPPAGE_BPS, opened, run_to_end, save_run_baseline, watched

FILE = "hyperliquid_BTCUSDC_perp_5m"
HISTORY_BARS = 1_000
"""Bars before the first one of the run that the venue has."""
MORE_SLIPPAGE_BPS = 8
MOST_DIVERGED = 3
"""Of sixteen true starts."""
IN_MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""Where data folders are made: a commit costs no disk there."""


class Disturbance(StrEnum):
    """What is wrong with a paper run."""

    NOTHING = "nothing"
    DEAR_FILLS = "dear fills"
    REFUSED = "refused orders"
    SUPPRESSED = "lost decisions"


FAULTS: Mapping[Disturbance, Mapping[str, float]] = {
    Disturbance.NOTHING: {},
    Disturbance.DEAR_FILLS: {"slippage_bps": SLIPPAGE_BPS + MORE_SLIPPAGE_BPS},
    Disturbance.REFUSED: {"refuse_share": 0.1},
    Disturbance.SUPPRESSED: {"suppress_share": 0.5},
}
"""The settings of the paper venue that make it so."""


@dataclass(frozen=True, slots=True)
class Start:
    """A run: the open of its first bar, its algorithm, and the seed of its calibration."""

    time: str
    algorithm: str
    seed: int

    @property
    def run_id(self) -> str:
        """The id of the run, from which its calibration draws."""
        return f"{self.seed:016x}"


STARTS = (
    Start("2025-05-18T00:00:00Z", "long_5m", 101),
    Start("2025-05-22T09:00:00Z", "both_5m", 102),
    Start("2025-05-26T18:00:00Z", "long_5m", 103),
    Start("2025-05-31T03:00:00Z", "both_5m", 104),
    Start("2025-06-04T12:00:00Z", "long_5m", 105),
    Start("2025-06-08T21:00:00Z", "both_5m", 106),
    Start("2025-06-13T06:00:00Z", "long_5m", 107),
    Start("2025-06-17T15:00:00Z", "both_5m", 108),
    Start("2025-06-22T00:00:00Z", "long_5m", 109),
    Start("2025-06-26T09:00:00Z", "both_5m", 110),
    Start("2025-06-30T18:00:00Z", "long_5m", 111),
    Start("2025-07-05T03:00:00Z", "both_5m", 112),
    Start("2025-07-09T12:00:00Z", "long_5m", 113),
    Start("2025-07-13T21:00:00Z", "both_5m", 114),
    Start("2025-07-18T06:00:00Z", "long_5m", 115),
    Start("2025-07-22T15:00:00Z", "both_5m", 116),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run."""

    report: WatchReport
    capital: Decimal
    bar_ms: int
    decided: Sequence[int]
    """The bars of which the run's journal has a decision to enter."""
    refused: Sequence[int]
    """Those whose entry the venue has refused, by the journal."""
    faults: PaperFaults

    def check(self, name: CheckName) -> Check:
        """Return a check as it is at the end of the day."""
        found = self.report.check(name)
        assert found is not None
        return found

    @property
    def diverged(self) -> set[CheckName]:
        """The checks that have diverged on the day."""
        return {check.name for check in self.report.checks if check.verdict is Verdict.DIVERGED}

    @property
    def residual(self) -> Decimal:
        """The larger of the residuals that are known, as a share of the capital."""
        identity = self.report.identity
        assert identity is not None
        return max(abs(identity.residual), abs(identity.venue_residual or Decimal(0))) / self.capital


def real_candles() -> CandleArrays:
    """Return the candles of the sixteen starts; a test that calls it is skipped where they are not."""
    return read_candles(shared_data(FILE)).candles


def run_start(folder: Path, start: Start, candles: CandleArrays, faults: Mapping[str, float]) -> Outcome:
    """Save the baseline, replay the day after through the engine, and watch it to its end."""
    first = candles.index_at(parse_iso(start.time))
    end = candles.index_at(parse_iso(start.time) + DAY_MS)
    toml = (FOLDER / f"{start.algorithm}.toml").read_text(encoding="utf-8")
    keys: dict[str, object] = {"start": start.time, "slippage_bps": SLIPPAGE_BPS}
    settings = rig.make_folder(
        folder, toml=toml, candles=candles.part(first - HISTORY_BARS, end), **keys | faults
    )
    venue = settings.venues["paper"]
    assert isinstance(venue, PaperVenueSettings)
    assert venue.candles is not None
    with opened(folder) as (store, settings):
        launched = rig.launch(algorithm=algorithm(start.algorithm).name)
        market = market_of_file(venue.candles, None)
        save_run_baseline(store, settings, launched, candles=candles.part(0, first), toml=toml, market=market)
        assert run_to_end(store, settings, launched, start.run_id).state is RunState.DONE
        (report,) = watched(store, settings, run_id=start.run_id)
        with store.read() as session:
            entries = journal.events_of_kinds(session, start.run_id, {"entry_decided", "decision_dropped"})
    events = [entry.event for entry in entries]
    return Outcome(
        report,
        launched.capital,
        candles.timeframe.ms,
        [event.bar_time_ms for event in events if isinstance(event, EntryDecided)],
        [
            event.bar_time_ms
            for event in events
            if isinstance(event, DecisionDropped) and event.cause.startswith(REFUSED_BY_VENUE)
        ],
        PaperFaults(venue.refuse_share, venue.suppress_share, venue.seed),
    )


# --- what is promised --------------------------------------------------------------------------------


def wrong_with(disturbance: Disturbance, outcome: Outcome, true: Outcome) -> list[str]:
    """Return what is not as promised of a disturbed run; ``true``: the same start without a fault."""
    checks = {
        Disturbance.NOTHING: _wrong_when_true,
        Disturbance.DEAR_FILLS: _wrong_when_dear,
        Disturbance.REFUSED: _wrong_when_refused,
        Disturbance.SUPPRESSED: _wrong_when_suppressed,
    }
    assert outcome.report.hours == DAY_MS / 3_600_000
    assert "nan" not in outcome.report.model_dump_json().lower()
    said = checks[disturbance](outcome, true)
    if outcome.residual > Decimal(repr(ALARM_FRACTION)):
        said.append(f"a residual of {outcome.residual:.2g} of the capital")
    return said


def _wrong_when_true(outcome: Outcome, _: Outcome) -> list[str]:
    parity = outcome.check(CheckName.SIGNAL_PARITY)
    if parity.verdict is Verdict.CONSISTENT and not outcome.report.mismatches:
        return []
    return [parity.sentence]


def _wrong_when_dear(outcome: Outcome, _: Outcome) -> list[str]:
    said = []
    diverged = outcome.diverged
    drawdown = outcome.check(CheckName.DRAWDOWN)
    first = first_diverged(outcome.report.checks)
    if first is None or first.name is not CheckName.FILL_PRICES:
        said.append(f"first diverged: {None if first is None else first.name}")
    if not diverged <= {CheckName.FILL_PRICES, CheckName.DRAWDOWN}:
        said.append(f"diverged as well: {diverged}")
    if drawdown.verdict in (Verdict.DIVERGED, Verdict.WATCH) and "the fills cost" not in drawdown.sentence:
        said.append(drawdown.sentence)
    return said


def _wrong_when_refused(outcome: Outcome, _: Outcome) -> list[str]:
    mismatches = outcome.report.mismatches
    said = [str(each) for each in mismatches if each.cause is not MismatchCause.REJECTED]
    listed = [each.time // outcome.bar_ms * outcome.bar_ms - outcome.bar_ms for each in mismatches]
    expected = [time_ms for time_ms in outcome.decided if outcome.faults.refuses(time_ms)]
    if not listed == list(outcome.refused) == expected:
        said.append(f"listed {listed}, refused {outcome.refused}, expected {expected}")
    verdict = outcome.check(CheckName.SIGNAL_PARITY).verdict
    if verdict is not (Verdict.WATCH if expected else Verdict.CONSISTENT):
        said.append(f"{len(expected)} refused orders are {verdict}")
    return said


def _wrong_when_suppressed(outcome: Outcome, true: Outcome) -> list[str]:
    first_ms = next(time_ms for time_ms in true.decided if outcome.faults.suppresses(time_ms))
    parity = outcome.check(CheckName.SIGNAL_PARITY)
    if parity.verdict is Verdict.DIVERGED and parity.first_at == first_ms + outcome.bar_ms:
        return []
    at = None if parity.first_at is None else iso(parity.first_at)
    return [f"lost first at {iso(first_ms)}, found at {at}: {parity.sentence}"]


# --- the whole proof ---------------------------------------------------------------------------------


def outcome_of(start: Start, candles: CandleArrays, faults: Mapping[str, float]) -> Outcome:
    """Return what becomes of a start in a data folder of its own; ``faults``: settings of its venue."""
    with tempfile.TemporaryDirectory(prefix="firstwatch-", dir=IN_MEMORY) as folder:
        return run_start(Path(folder), start, candles, faults)


def main() -> int:
    """Run the starts and print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=len(STARTS), help="only the first ones")
    given = parser.parse_args()
    candles = real_candles()
    _say(
        "| start (UTC) | algorithm | seed | entries | verdict, by | residual | 8 bps dearer: fills after | "
        "drawdown | refused, listed | first lost found |"
    )
    _say("|---|---|---|---|---|---|---|---|---|---|")
    wrong: list[str] = []
    diverged = 0
    for start in STARTS[: given.starts]:
        outcomes = {each: outcome_of(start, candles, faults) for each, faults in FAULTS.items()}
        true = outcomes[Disturbance.NOTHING]
        for disturbance, outcome in outcomes.items():
            wrong += [
                f"{start.time}, {disturbance}: {each}" for each in wrong_with(disturbance, outcome, true)
            ]
        diverged += bool(true.diverged)
        _say(_row(start, outcomes))
    if diverged > MOST_DIVERGED:
        wrong.append(f"{diverged} of {given.starts} true starts have diverged")
    _say(f"\n{diverged} of {given.starts} true starts have diverged.")
    for each in wrong:
        _say(f"WRONG {each}")
    return int(bool(wrong))


def _row(start: Start, outcomes: Mapping[Disturbance, Outcome]) -> str:
    true, dear = outcomes[Disturbance.NOTHING], outcomes[Disturbance.DEAR_FILLS]
    refused, suppressed = outcomes[Disturbance.REFUSED], outcomes[Disturbance.SUPPRESSED]
    by = f", {', '.join(sorted(true.diverged))}" if true.diverged else ""
    at = suppressed.check(CheckName.SIGNAL_PARITY).first_at
    cells = (
        start.time[:16].replace("T", " "),
        start.algorithm,
        start.seed,
        true.check(CheckName.TRADE_FREQUENCY).n,
        f"{true.report.verdict}{by}",
        f"{max(each.residual for each in outcomes.values()):.0e}",
        _hours(dear, start),
        dear.check(CheckName.DRAWDOWN).verdict,
        f"{len(refused.refused)}, {len(refused.report.mismatches)}",
        "-" if at is None else iso(at)[11:16],
    )
    return f"| {' | '.join(map(str, cells))} |"


def _hours(dear: Outcome, start: Start) -> str:
    """Return after how many hours of the day, and how many fills, the dear ones were found."""
    fills = dear.check(CheckName.FILL_PRICES)
    if fills.first_at is None:
        return f"not in {fills.n} fills"
    return f"{(fills.first_at - parse_iso(start.time)) / 3_600_000:.1f} h"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
