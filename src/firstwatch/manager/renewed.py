"""Views of rows that are read again and again, of which few change."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Renewed(Generic[K, V]):
    """Views of rows by their keys. Only rows that are new or have changed are read."""

    def __init__(self) -> None:
        self._known: dict[K, tuple[Any, V]] = {}
        self.views: tuple[V, ...] = ()

    def renew(self, marks: Mapping[K, Any], read: Callable[[list[K]], Mapping[K, V]]) -> tuple[V, ...]:
        """Return the views of the rows in ``marks``, in its order; the same tuple if nothing has changed.

        ``marks``: by key what differs once the row has changed. ``read``: returns the views of the rows that
        it is given, and may return others.
        """
        known = self._known
        changed = [key for key, mark in marks.items() if key not in known or known[key][0] != mark]
        if changed or len(marks) != len(known):
            fresh = read(changed) if changed else {}
            self._known = {
                key: (mark, fresh[key] if key in fresh else known[key][1]) for key, mark in marks.items()
            }
            self.views = tuple(view for _, view in self._known.values())
        return self.views
