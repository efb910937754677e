"""Fault points: places where a test may crash the process."""

from collections.abc import Callable

FaultPoint = Callable[[str], None]
"""Called with a point's name just before or after something that cannot be undone."""


def no_fault(point: str) -> None:
    """Do nothing: the fault point outside of tests."""
