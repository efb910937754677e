"""The end of a worker: it waits for the outcomes of its requests for a moment only."""

from types import SimpleNamespace
from typing import Any

from firstwatch.engine.worker.worker import DRAIN_S, RunWorker

_EVENT_EVERY_S = 0.01


class BusyInbox:
    """Has an event of the market at every time, and never the outcome of a request."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.taken = 0

    def get(self, *, timeout: float) -> object:
        self.taken += 1
        assert self.taken < 1_000, "it waits for ever"
        self.now_s += min(timeout, _EVENT_EVERY_S)
        return object()


def test_a_busy_market_does_not_keep_a_worker_that_waits_for_a_request() -> None:
    inbox = BusyInbox()
    worker: Any = SimpleNamespace(
        inbox=inbox,
        is_over=False,
        _clock=SimpleNamespace(elapsed_s=lambda: inbox.now_s),
        _in_flight=SimpleNamespace(are_under_way=True),
    )
    RunWorker._drain_requests(worker, worker)
    assert DRAIN_S <= inbox.now_s < DRAIN_S + 2 * _EVENT_EVERY_S
