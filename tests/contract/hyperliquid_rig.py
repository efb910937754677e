"""The Hyperliquid venue in front of a loopback server that plays the same script, through the real client."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.venue import HyperliquidVenue
from firstwatch.venues.protocol import BarClosed, StillUnknown, StreamRestored, VenueEvent
from tests.contract.rig import MARKET, PLAIN, START_MS, Ear, PaperRig
from tests.loopback import Coin, Loopback, Rules
from tests.venues.hyperliquid.rig import LocalSigner, Wallets, wait_for

_GRACE_MS = 1_500


class _Patient(HyperliquidVenue):
    """Asks about a doubt until it is resolved, as a run does."""

    def resolve(self, prepared):
        ask = super().resolve
        return wait_for(lambda: None if isinstance(found := ask(prepared), StillUnknown) else found)


class HyperliquidRig(PaperRig):
    """One coin on a stepped loopback server. A bar's events have arrived when ``finish`` returns."""

    def __init__(
        self, folder: Path | None = None, *, history: int = 3, deposit: Decimal = Decimal(100_000)
    ) -> None:
        self.symbol = PLAIN.symbol
        self.bars = [Bar(START_MS + n * 60_000, 100.0, 100.0, 100.0, 100.0, 1000.0) for n in range(history)]
        coin = Coin("BTC", 3, PLAIN.maximum_leverage, bars=self.bars)
        rules = Rules(taker_fee_bps=PLAIN.taker_fee_bps, maker_fee_bps=PLAIN.maker_fee_bps)
        self.server = Loopback([coin], history=history, rules=rules, weight_limit=None).start()
        self.wallets = Wallets()
        self.account, self.other = (self.wallets.add(LocalSigner(n)).account for n in (7, 8))
        self.server.fund(self.account, deposit)
        self.server.fund(self.other, 0)
        self.ears: list[Ear] = []
        self._numbers = 0
        self.venue = self._open()
        self.venue.set_leverage(self.account, self.symbol, Decimal(1))
        self.market = self.venue.markets()[self.symbol]

    @property
    def survives(self) -> bool:
        return True

    def _open(self) -> HyperliquidVenue:
        return _Patient(
            "loopback",
            api_url=self.server.url,
            ws_url=self.server.ws_url,
            is_mainnet=True,
            signer_of=self.wallets,
            clock=SystemClock(),
            weight_per_minute=1e6,
        )

    def restart(self) -> None:
        self.venue.close()
        self.ears = []
        self.venue = self._open()

    def close(self) -> None:
        self.venue.close()
        self.server.stop()

    def listen(
        self,
        account: str | None = None,
        timeframe: Timeframe = Timeframe.M1,
        *,
        after_ms: int | None = None,
        react: Callable[[VenueEvent], None] | None = None,
    ) -> Ear:
        ear = super().listen(account, timeframe, after_ms=after_ms, react=react)
        if len(self.ears) == 1:
            wait_for(lambda: ear.of(StreamRestored))
        return ear

    def eventually(self, condition: Callable[[], bool]) -> None:
        wait_for(condition)

    def settle(self) -> None:
        self.server.settle()

    def begin(
        self, open_price: float, high: float, low: float, close: float, volume: float = 1000.0, hole: int = 0
    ) -> None:
        time_ms = self.bars[-1].time_ms + (hole + 1) * 60_000
        bar = Bar(time_ms, open_price, high, low, close, volume)
        self.bars.append(bar)
        self.server.append("BTC", bar)
        self.server.step_to(max(time_ms, self.server.now_ms()))
        # The stream says the time; asking does, too.
        self.venue.order(self.account, self.symbol, "0" * 32)
        wait_for(lambda: self.venue.touch(self.symbol).mark == open_price)

    def revise(self, bar: Bar) -> None:
        self.server.revise("BTC", bar)

    def finish(self) -> None:
        """Play the bar to its end and wait until every subscriber knows that it is closed."""
        bar = self.bars[-1]
        self.server.step_to(bar.time_ms + 60_000 + _GRACE_MS)
        for ear in self.ears:
            if ear.subscription is not None:
                wait_for(lambda ear=ear: any(event.bar == bar for event in ear.of(BarClosed)))

    def hold(self, amount: str = "1", side=None, price: float = 100.0) -> None:
        from tests.contract.rig import BUY

        self.begin(price, price, price, price)
        self.send(side or BUY, MARKET, amount)
