"""A loopback venue on a stepped clock, and the real ccxt client at its door."""

import asyncio

import pytest
from eth_account import Account as EthAccount

from firstwatch.trading.bar import Bar
from tests.loopback import Coin, Loopback

START_MS = 1_704_067_200_000
MINUTE_MS = 60_000
SYMBOL = "BTC/USDC:USDC"
MASTER_KEY = "0x" + "11" * 32
MASTER = EthAccount.from_key(MASTER_KEY).address.lower()
AGENT_KEY = "0x" + "22" * 32
AGENT = EthAccount.from_key(AGENT_KEY).address.lower()
FLAT = [Bar(START_MS + n * MINUTE_MS, 100.0, 100.0, 100.0, 100.0, 10.0) for n in range(60)]


def cloid(number: int) -> str:
    return f"0x{number:032x}"


async def heard_by(venue, kind: str) -> None:
    """Wait until a stream has subscribed to that channel."""
    async with asyncio.timeout(5):
        while not any(one["type"] == kind for one in venue.subscriptions()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.fixture
def make_venue():
    """A factory of started venues: BTC at 100 with ten bars of history, ETH beside it."""
    started = []

    def make(bars=FLAT, **how):
        how.setdefault("history", 10)
        coin = how.pop("coin", {})
        coins = [
            Coin("ETH", sz_decimals=4, max_leverage=25, price=2_000.0),
            Coin("BTC", sz_decimals=5, bars=bars, **coin),
            Coin("GONE", sz_decimals=1, max_leverage=3, price=1.0, is_delisted=True),
        ]
        venue = Loopback(coins, **how).start()
        started.append(venue)
        venue.fund(MASTER, 10_000)
        return venue

    yield make
    for venue in started:
        venue.stop()


@pytest.fixture
def venue(make_venue):
    return make_venue()


@pytest.fixture
async def make_client():
    """A factory of ccxt clients without implicit actions; ``plain`` is the one that ccxt ships."""
    import ccxt.pro

    class Quiet(ccxt.pro.hyperliquid):
        async def initialize_client(self) -> bool:
            return True

    made = []

    def make(venue, key=MASTER_KEY, account=MASTER, *, plain=False, **config):
        api = {"public": venue.url, "private": venue.url, "ws": {"public": venue.ws_url}}
        options = {"fetchMarkets": {"types": ["swap"]}, "sandboxMode": venue.network == "testnet"}
        if not plain:
            options["enableUnifiedMargin"] = False
        client = (ccxt.pro.hyperliquid if plain else Quiet)(
            {
                "walletAddress": account,
                "privateKey": key,
                "urls": {"api": api, "test": api},
                "options": options,
                "enableRateLimit": False,
                "timeout": 5_000,
                **config,
            }
        )
        made.append(client)
        return client

    yield make
    await asyncio.gather(*(client.close() for client in made))


@pytest.fixture
async def client(venue, make_client):
    client = make_client(venue)
    await client.load_markets()
    return client
