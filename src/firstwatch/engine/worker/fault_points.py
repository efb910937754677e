"""Named points of an act, where a test may let the process die."""

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
