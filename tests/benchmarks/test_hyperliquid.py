"""Fifty runs on fifty wallets react to one candle, through the real client on a loopback venue."""

import statistics
import threading
import time
from queue import SimpleQueue

from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import Accepted, BarClosed
from tests.venues.hyperliquid.rig import BUY, MARKET, SELL, START_MS, SYMBOL, LiveRig, LocalSigner, wait_for

WALLETS = 50
ROUNDS = 3
LONGEST_S = 0.6
# Between two reactions the budget fills up again, as it does on bars of a minute and more.
EVERY = 6


class Reacting(threading.Thread):
    """Sends a market order after every sixth closed bar that it hears of."""

    def __init__(self, rig, account, number):
        super().__init__(daemon=True)
        self.rig, self.account, self.number = rig, account, number
        self.inbox = SimpleQueue()
        self.answers = []
        self.fills = 0

    def run(self):
        while (event := self.inbox.get()) is not None:
            self.fills += type(event).__name__ == "FillReported"
            if not isinstance(event, BarClosed):
                continue
            number = (event.bar.time_ms - START_MS) // 60_000
            if number % EVERY == 0 and len(self.answers) < ROUNDS:
                heard_s = time.perf_counter()
                outcome = self.rig.venue.send(self.rig.venue.prepare(self.intent()))
                self.answers.append((heard_s, time.perf_counter(), outcome))

    def intent(self):
        side = SELL if len(self.answers) % 2 else BUY
        return self.rig.intent(side, MARKET, "1", account=self.account)


def test_fifty_wallets_react_to_one_candle_without_a_refusal():
    bars = [Bar(START_MS + n * 60_000, 100.0, 101.0, 99.0, 100.0, 10.0) for n in range(300)]
    rig = LiveRig(bars=bars, clock=10.0, history=51, stream_users=WALLETS, network="testnet")
    runs = []
    try:
        for number in range(WALLETS):
            account = rig.wallets.add(LocalSigner(100 + number)).account
            rig.server.fund(account, 10_000)
            runs.append(Reacting(rig, account, number))
        for run in runs:
            run.start()
            rig.venue.subscribe(run.account, SYMBOL, Timeframe.M1, run.inbox.put)
        wait_for(lambda: all(len(run.answers) == ROUNDS for run in runs), patience_s=180)
        wait_for(lambda: all(run.fills == ROUNDS for run in runs), patience_s=10)
        took_s = []
        for number in range(ROUNDS):
            answers = [run.answers[number] for run in runs]
            assert all(isinstance(outcome, Accepted) for _, _, outcome in answers)
            took_s.append(max(end for _, end, _ in answers) - min(begin for begin, _, _ in answers))
        audit = rig.server.audit()
        assert (audit.rate_limited, audit.reused_cloids) == (0, [])
        assert audit.peak_weight < 1_200
        print(f"candle to last acceptance: {[f'{seconds:.3f} s' for seconds in took_s]}")  # noqa: T201
        assert statistics.median(took_s) < LONGEST_S
    finally:
        for run in runs:
            run.inbox.put(None)
        rig.close()
