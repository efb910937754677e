"""What stands before a launch of the draft."""

from collections.abc import Iterator, Sequence

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.test_views import Blocker, DraftView, Standing, TestView
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.text import counted
from firstwatch.tui.bench import first_mistake


def saved_version(draft: DraftView, snapshot: ManagerSnapshot) -> str:
    """Return the stored version of that algorithm with the draft's specification; empty: there is none."""
    if not draft.sha256:
        return ""
    return next(
        (
            each.title
            for each in snapshot.algorithms
            if each.sha256 == draft.sha256 and each.name == draft.algorithm
        ),
        "",
    )


def blockers(draft: DraftView, tests: Sequence[TestView], snapshot: ManagerSnapshot) -> tuple[Blocker, ...]:
    """Return what stands before a launch, the hardest first."""
    found = list(_found(draft, tests, snapshot))
    order = list(Standing)
    return tuple(sorted(found, key=lambda each: order.index(each.standing)))


def _found(draft: DraftView, tests: Sequence[TestView], snapshot: ManagerSnapshot) -> Iterator[Blocker]:
    blocks, warns, fine = Standing.BLOCKS, Standing.WARNS, Standing.OK
    if mistake := first_mistake(draft):
        yield Blocker(blocks, mistake)
        return
    if saved := saved_version(draft, snapshot):
        yield Blocker(fine, f"saved as {saved}")
    else:
        yield Blocker(blocks, f"{counted(len(draft.changes), 'change')} not saved", "test.save")
    if not draft.setup.symbol:
        yield Blocker(blocks, "no market is chosen")
    mine = [each for each in tests if each.spec_sha256 == draft.sha256 and each.state is JobState.DONE]
    yield _backtest(next((each for each in mine if each.kind is JobKind.BACKTEST), None))
    yield _validation(next((each for each in mine if each.kind is JobKind.CROSS_VALIDATION), None))
    for warning in draft.warnings:
        yield Blocker(warns, warning)


def _backtest(test: TestView | None) -> Blocker:
    if test is None:
        return Blocker(Standing.WARNS, "not tested", "test.backtest")
    if test.poor:
        return Blocker(Standing.WARNS, f"test {test.number}: {', '.join(test.poor)}")
    return Blocker(Standing.OK, f"test {test.number}: figures as they should be")


def _validation(test: TestView | None) -> Blocker:
    if test is None:
        return Blocker(Standing.WARNS, "not cross-validated", "test.validate")
    if test.verdict:
        return Blocker(Standing.OK, f"cross-validation {test.number} passed")
    word = "gives no verdict" if test.verdict is None else "failed"
    return Blocker(Standing.WARNS, f"cross-validation {test.number} {word}")
