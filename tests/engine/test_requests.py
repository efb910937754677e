"""Requests in threads: none waits for another, and each reports how it has ended."""

import threading
from functools import partial
from queue import SimpleQueue
from unittest.mock import Mock

import pytest

from firstwatch.engine.core import inputs
from firstwatch.engine.lease import Lease, LeaseLostError
from firstwatch.engine.worker.executor import EffectExecutor
from firstwatch.engine.worker.requests import RequestsInFlight
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.fault_points import no_fault
from firstwatch.venues.protocol import FENCE, Accepted
from tests.engine.scripted import ScriptedRun

LIMIT_S = 20.0


def outcome(number: int) -> inputs.TimePassed:
    return inputs.TimePassed(number, number)


@pytest.fixture
def landed() -> SimpleQueue:
    return SimpleQueue()


def test_a_request_that_hangs_holds_no_other_one_up(landed: SimpleQueue) -> None:
    flights, answered = RequestsInFlight("a run", landed.put), threading.Event()

    def hangs() -> inputs.Event:
        answered.wait(LIMIT_S)
        return outcome(1)

    flights.begin(hangs)
    flights.begin(lambda: outcome(2))
    assert landed.get(timeout=LIMIT_S) == outcome(2)
    flights.taken()
    assert flights.are_under_way
    answered.set()
    assert landed.get(timeout=LIMIT_S) == outcome(1)
    flights.taken()
    assert not flights.are_under_way
    flights.close()
    assert flights.wait(LIMIT_S)


def test_what_a_request_raises_is_handed_over(landed: SimpleQueue) -> None:
    flights, error = RequestsInFlight("a run", landed.put), ValueError("a defect")

    def fails() -> inputs.Event:
        raise error

    flights.begin(fails)
    assert landed.get(timeout=LIMIT_S) is error


def test_a_request_is_made_although_there_is_no_thread_for_it(
    landed: SimpleQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    flights = RequestsInFlight("a run", landed.put)
    flights.begin(lambda: outcome(1))
    assert landed.get_nowait() == outcome(1)
    flights.close()
    assert flights.wait(LIMIT_S)


def test_requests_one_after_the_other_are_made_in_one_thread(landed: SimpleQueue) -> None:
    flights, threads = RequestsInFlight("a run", landed.put), set()

    def notes() -> inputs.Event:
        threads.add(threading.get_ident())
        return outcome(len(threads))

    for _ in range(50):
        flights.begin(notes)
        landed.get(timeout=LIMIT_S)
        flights.taken()
    assert len(threads) == 1
    flights.close()
    assert flights.wait(LIMIT_S)


def test_requests_at_once_are_each_made_and_all_threads_end(landed: SimpleQueue) -> None:
    flights, together = RequestsInFlight("a run", landed.put), threading.Barrier(8)

    def meets(number: int) -> inputs.Event:
        together.wait(LIMIT_S)
        return outcome(number)

    for round_ in range(20):
        numbers = range(8 * round_, 8 * round_ + 8)
        for number in numbers:
            flights.begin(partial(meets, number))
        assert {landed.get(timeout=LIMIT_S).time_ms for _ in numbers} == set(numbers)
    flights.close()
    flights.close()
    assert flights.wait(LIMIT_S)


def test_the_fence_of_an_act_ends_with_it() -> None:
    clock = ManualClock()
    executor = EffectExecutor(Mock(), ScriptedRun().setup, Lease(0, clock), no_fault, {})
    checks = []

    def act() -> Accepted:
        checks.append(FENCE.get())
        return Accepted("")

    assert executor._write("cancel", act) == Accepted("")
    clock.advance(10_000)
    with pytest.raises(LeaseLostError):
        checks[0]()
    FENCE.get()()
