"""Where a test may let the process die, and how it is called there."""

from collections.abc import Callable

FaultPoint = Callable[[str], None]
"""Called with a point's name just before or after something that cannot be undone."""


def no_fault(point: str) -> None:
    """Let every point pass: what the product runs with."""
