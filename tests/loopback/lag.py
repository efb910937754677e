"""Nodes that are behind: what ``/info`` says of an account is as it was some seconds ago."""

import copy
from collections import deque
from dataclasses import replace
from typing import Any

from tests.loopback.books import Account


class Lags:
    """Remembers how the lagging accounts looked. Used in the venue's thread; times are the wall's."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._views: dict[str, deque[tuple[float, Account]]] = {}
        self._marks: dict[str, Any] = {}

    @property
    def are_set(self) -> bool:
        return bool(self._seconds)

    def set(self, account: Account, seconds: float, now_s: float, venue_ms: int) -> None:
        """Let the answers about an account be so old from now on; 0: of now again."""
        self.clear(account.address)
        if seconds:
            self._seconds[account.address] = seconds
            self._views[account.address] = deque()
            self.note(account, now_s, venue_ms)

    def clear(self, address: str | None = None) -> None:
        """Let all nodes, or those that answer for one account, catch up."""
        for table in (self._seconds, self._views, self._marks):
            if address is None:
                table.clear()
            else:
                table.pop(address, None)

    def note(self, account: Account, now_s: float, venue_ms: int) -> None:
        """Keep how an account looks now, if it is one that lags."""
        views = self._views.get(account.address)
        if views is None:
            return
        orders = [(one.oid, one.status, one.rest, one.is_triggered) for one in account.orders.values()]
        mark = (account.cash, account.leverages, len(account.fills), len(account.funding), orders)
        if self._marks.get(account.address) == mark:
            seen = replace(views[-1][1], seen_ms=venue_ms)
        else:
            self._marks[account.address] = copy.deepcopy(mark)
            seen = replace(copy.deepcopy(account), seen_ms=venue_ms)
        views.append((now_s, seen))
        while len(views) > 1 and views[1][0] <= now_s - self._seconds[account.address]:
            views.popleft()

    def seen(self, account: Account, now_s: float) -> Account:
        """Return the account as a node that lags still sees it."""
        views = self._views.get(account.address)
        if views is None:
            return account
        old = [seen for seen_s, seen in views if seen_s <= now_s - self._seconds[account.address]]
        return old[-1] if old else views[0][1]
