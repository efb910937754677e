"""Named points of an act, where a test may let the process die."""

from collections.abc import Callable

Probe = Callable[[str], None]
"""Called with the point's name just before or after something that cannot be undone."""

POINTS = (
    "before commit",
    "after commit",
    "before send",
    "after send",
    "before cancel",
    "after cancel",
    "before modify",
    "after modify",
    "before resolve",
    "after resolve",
    "before read",
    "after read",
    "before leverage",
    "after leverage",
    "before acknowledge",
    "after acknowledge",
)
"""All points of a run's worker, in the order in which an act passes them."""


def no_probe(point: str) -> None:
    """Let every point pass: what the product runs with."""
