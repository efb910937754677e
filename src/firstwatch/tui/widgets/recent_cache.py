"""A cache that leaves nothing to a full collection."""

from typing import TypeVar, overload

from textual.cache import FIFOCache

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")


class RecentCache(FIFOCache[K, V]):
    """Keeps what was used last, as Textual's ``LRUCache``.

    That one (8.2.8) is a ring of lists which refer to one another: what leaves it, such as the lines of a
    table at each change, stays until a full collection.
    """

    @overload
    def get(self, key: K) -> V | None: ...

    @overload
    def get(self, key: K, default: D) -> V | D: ...

    def get(self, key: K, default: D | None = None) -> V | D | None:
        if key not in self:
            return default
        return self[key]

    def __getitem__(self, key: K) -> V:
        # To the end: the first one goes when there are too many.
        value = self._cache[key] = self._cache.pop(key)
        return value
