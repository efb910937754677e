"""The way from an empty folder to a small live run, step by step, and how far the operator has come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.verdicts import DAY_MS


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what there is at its end, and how to get there."""

    title: str
    how: str
    is_done: bool


def steps(snapshot: ManagerSnapshot, key_of: Callable[[str], str]) -> tuple[Step, ...]:
    """Return the steps in their order, with the keys that lead there."""
    return tuple(_steps(snapshot, key_of))


def lines(snapshot: ManagerSnapshot, key_of: Callable[[str], str]) -> list[str]:
    """Return the steps as text; the first one that is not done yet is marked."""
    found, is_next = [], True
    for number, step in enumerate(steps(snapshot, key_of), 1):
        mark = "✔" if step.is_done else "→" if is_next else " "
        is_next = is_next and step.is_done
        found += [f"{mark} {number}. {step.title}", f"     {step.how}"]
    return found


def _steps(snapshot: ManagerSnapshot, key_of: Callable[[str], str]) -> Iterator[Step]:
    mode, wallets, create = map(key_of, ("view.mode", "view.wallets", "wallet.create"))
    new, start = map(key_of, ("run.new", "run.start"))
    runs = {run.money for run in snapshot.runs}
    yield Step(
        "An algorithm",
        f"{mode} b: Build. {key_of('build.new')} takes a template,"
        f" {key_of('build.save')} saves it as a version.",
        bool(snapshot.offered),
    )
    yield Step(
        "Its backtest",
        f"{key_of('build.test')} in Build tests it; the launcher makes the run's baseline.",
        _is_tested(snapshot),
    )
    yield Step(
        "A wallet with play money",
        f"{mode} r: Run. {wallets} goes to the wallets,"
        f" {create} makes one, {key_of('wallet.fund')} funds it.",
        any(wallet.money is MoneyKind.PAPER and wallet.total for wallet in snapshot.wallets),
    )
    yield Step(
        "A run with play money",
        f"{new} opens the launcher, {start} starts what has passed its checks.",
        MoneyKind.PAPER in runs,
    )
    yield Step(
        "Its first 24 hours",
        f"{key_of('view.metrics')} says whether it does what its backtest promised.",
        any(_days(run, snapshot.time_ms) >= 1 for run in snapshot.runs),
    )
    yield Step(
        "A run on a test network",
        'The same at a venue with network = "testnet" in the settings.',
        MoneyKind.TESTNET in runs,
    )
    yield Step(
        "A small run with real money",
        'With network = "mainnet", and as much as you can lose.',
        MoneyKind.LIVE in runs,
    )


def _days(run: RunView, now_ms: int) -> float:
    """Return how many days of its venue a run has lasted."""
    if run.started_ms is None:
        return 0.0
    end_ms = now_ms if run.ended_ms is None else run.ended_ms
    return max(0, end_ms - run.started_ms) * run.market_speed / DAY_MS


def _is_tested(snapshot: ManagerSnapshot) -> bool:
    has_test = any(job.kind is JobKind.BACKTEST and job.state is JobState.DONE for job in snapshot.jobs)
    return has_test or any(algorithm.baseline for algorithm in snapshot.algorithms)
