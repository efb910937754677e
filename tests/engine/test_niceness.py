"""Processes yield to other sessions, whatever else is asked of the kernel at that moment."""

import os

import pytest

from firstwatch.engine import niceness


class Session:
    """In place of the kernel's file: takes no change at first, as after one of another process."""

    def __init__(self, refusals: list[OSError]) -> None:
        self.refusals = refusals
        self.value = "0"

    def write_text(self, text: str, encoding: str) -> None:
        assert encoding == "ascii"
        if self.refusals:
            raise self.refusals.pop(0)
        self.value = text


@pytest.fixture
def begin(monkeypatch):
    def begin(*refusals: OSError) -> Session:
        session = Session(list(refusals))
        monkeypatch.setattr(niceness, "_SESSION", session)
        monkeypatch.setattr(niceness, "_PAUSE_S", 0.0)
        monkeypatch.setattr(os, "getsid", lambda _pid: os.getpid())
        return session

    return begin


def test_a_change_that_the_kernel_does_not_take_yet_is_tried_again(begin):
    session = begin(BlockingIOError(), BlockingIOError())
    assert niceness.weigh_session(19)
    assert session.value == "19"


@pytest.mark.parametrize("refusals", [[BlockingIOError()] * 100, [FileNotFoundError()], [PermissionError()]])
def test_where_it_takes_none_the_process_goes_on(begin, refusals):
    session = begin(*refusals)
    assert not niceness.weigh_session(19)
    assert session.value == "0"


def test_a_session_that_another_process_began_is_left_alone(begin, monkeypatch):
    session = begin()
    monkeypatch.setattr(os, "getsid", lambda _pid: os.getpid() + 1)
    assert not niceness.weigh_session(19)
    assert session.value == "0"
