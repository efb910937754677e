"""Short ids of runs for lists."""

from collections.abc import Iterable

from firstwatch.manager.views import SHORT_ID


def short_ids(run_ids: Iterable[str]) -> dict[str, str]:
    """Return the shortest unique prefix of each id, of ``SHORT_ID`` characters at least."""
    ordered = sorted(run_ids)
    found: dict[str, str] = {}
    for place, run_id in enumerate(ordered):
        neighbours = ordered[max(place - 1, 0) : place] + ordered[place + 1 : place + 2]
        alike = max((_alike(run_id, other) for other in neighbours), default=0)
        found[run_id] = run_id[: max(SHORT_ID, alike + 1)]
    return found


def _alike(one: str, other: str) -> int:
    """Return the length of the common prefix."""
    return next(
        (place for place, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )
