"""What a wallet costs of the 1,200 weight of requests that a minute and an internet address have."""

import sys
import threading
import time
from queue import SimpleQueue

import pytest

from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid import account_watch
from firstwatch.venues.protocol import BarClosed, StreamRestored
from tests.venues.hyperliquid.rig import (
    BUY,
    LIMIT,
    MARKET,
    SELL,
    STOP,
    SYMBOL,
    LiveRig,
    LocalSigner,
    flat_bars,
)

MINUTES = 2
FEW_BARS = 3


class Run:
    """What a run reads: everything when it is told to, and its fills at each close."""

    def __init__(self, rig, account):
        self._rig, self._account = rig, account
        self._inbox = SimpleQueue()
        self.reconciled = self.decided = 0
        venue = rig.venue
        self._subscription = venue.subscribe(account, SYMBOL, Timeframe.M1, self._inbox.put)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self):
        while (event := self._inbox.get()) is not None:
            if isinstance(event, StreamRestored) and event.stream == account_watch.RECONCILIATION:
                self.reconciled += 1
                self._read_all()
            elif isinstance(event, BarClosed):
                self.decided += 1

    def _read_all(self):
        venue, account, now_ms = self._rig.venue, self._account, self._rig.venue.now_ms()
        reports = venue.open_orders(account, SYMBOL)
        for report in reports:
            venue.order(account, SYMBOL, report.client_order_id)
        venue.fills_since(account, SYMBOL, now_ms - 60_000)
        venue.funding_since(account, SYMBOL, now_ms - 60_000)
        venue.candles(SYMBOL, Timeframe.M1, end_ms=now_ms, limit=FEW_BARS)
        venue.position(account, SYMBOL)
        venue.balance(account)

    def end(self):
        self._inbox.put(None)
        self._subscription.close()
        self._thread.join()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("wallets", "streamed", "holds"),
    [(1, 8, False), (1, 8, True), (8, 8, True), (12, 8, True), (12, 0, True), (30, 8, True)],
)
def test_what_wallets_cost_in_a_minute(wallets, streamed, holds):
    rig = LiveRig(clock="wall", bars=flat_bars(200), history=100, stream_users=streamed, weight_limit=None)
    try:
        accounts = [rig.wallets.add(LocalSigner(100 + number)).account for number in range(wallets)]
        for account in accounts:
            rig.server.fund(account, 10_000)
        rig.server.limit_weight(None)
        runs = []
        for account in accounts:
            runs.append(Run(rig, account))
            if holds:
                rig.send(BUY, MARKET, "1", account=account)
                rig.send(SELL, STOP, "1", trigger="90", price="85", reduce_only=True, account=account)
                rig.send(SELL, LIMIT, "1", price="110", reduce_only=True, account=account)
        time.sleep(60)
        before, began_s = rig.server.audit().requests, time.monotonic()
        peaks = []
        for _ in range(MINUTES):
            time.sleep(60)
            peaks.append(rig.server.call(lambda: rig.server._weights.total))
        spent_s = time.monotonic() - began_s
        after = rig.server.audit().requests
        for run in runs:
            run.end()
    finally:
        rig.close()
    asked = {kind: after[kind] - before.get(kind, 0) for kind in after if after[kind] > before.get(kind, 0)}
    each = {kind: round(count / spent_s * 60 / wallets, 1) for kind, count in sorted(asked.items())}
    sys.stdout.write(
        f"\n{wallets} wallets, {min(wallets, streamed)} streamed, {'holding' if holds else 'flat'}:"
        f" weight {sum(peaks) / len(peaks):.0f} a minute, {sum(peaks) / len(peaks) / wallets:.0f} each;"
        f" requests of one in a minute: {each}; reconciled {sum(run.reconciled for run in runs)}\n"
    )
    assert max(peaks) < 1_200
