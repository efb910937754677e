"""A history longer than a page of the venue is read whole, whatever a page holds."""

import asyncio
from typing import Any

import pytest

from firstwatch.trading.market import Market
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.info import InfoReader, MarketState

ACCOUNT = "0x" + "a" * 40
SYMBOL = "BTC/USDC:USDC"
START_MS = 1_704_067_200_000
HOUR_MS = 3_600_000


class Pages:
    """Answers histories in pages of ``most`` rows, oldest first."""

    def __init__(self, most: int, fills: list[dict[str, Any]], fundings: list[dict[str, Any]]) -> None:
        self.most = most
        self.rows = {"userFillsByTime": fills, "userFunding": fundings}
        self.asked: list[str] = []
        self.now_ms = START_MS
        self.paid: str | None = None
        """What the account's position shows as funding paid; None: it has none."""

    async def listed_markets(self) -> list[dict[str, Any]]:
        return []

    async def ask(self, request: dict[str, Any]) -> Any:
        kind = request["type"]
        self.asked.append(kind)
        if kind == "clearinghouseState":
            summary = {"accountValue": "1000", "totalMarginUsed": "0", "totalRawUsd": "1000"}
            held = {"coin": "BTC", "szi": "1", "entryPx": "100", "cumFunding": {"allTime": self.paid}}
            held |= {"unrealizedPnl": "0", "marginUsed": "20", "leverage": {"type": "isolated", "value": 5}}
            positions = [] if self.paid is None else [{"position": held}]
            state = {"time": self.now_ms, "marginSummary": summary, "assetPositions": positions}
            return state | {"withdrawable": "1000"}
        if kind == "exchangeStatus":
            return {"time": self.now_ms}
        rows = [row for row in self.rows[kind] if row["time"] >= request["startTime"]]
        return rows[: self.most]


def readings_of(client: Pages) -> InfoReader:
    info = InfoReader(
        client,
        VenueClock(lambda: 0.0),
        api_url="",
        note_touch=lambda traded, touch: None,
        deliver_fills=lambda account, fills: None,
    )
    traded = MarketState(Market(), "BTC", 0, is_delisted=False)
    info.markets[SYMBOL] = info.by_coin["BTC"] = traded
    return info


def payment(number: int, coin: str = "BTC") -> dict[str, Any]:
    delta = {"coin": coin, "usdc": f"-{number}", "fundingRate": "0.0000125", "szi": "1"}
    return {"time": START_MS + number * HOUR_MS, "delta": delta}


def fill(number: int) -> dict[str, Any]:
    # Ten at a time: a page begins in the middle of what happened at one time.
    return {
        "time": START_MS + number // 10, "tid": number, "oid": 1, "coin": "BTC", "side": "B", "sz": "0.1",
        "px": "100", "fee": "0.01", "crossed": True, "startPosition": "0", "cloid": "0x" + "1" * 32,
    }  # fmt: skip


@pytest.mark.parametrize("count", [0, 499, 500, 501, 1_234])
def test_more_than_one_page_of_funding_is_read(count: int) -> None:
    rows = [payment(number, coin) for number in range(count) for coin in ("BTC", "ETH")]
    client = Pages(500, [], rows)
    info = readings_of(client)
    found = asyncio.run(info.funding(ACCOUNT, SYMBOL, START_MS))
    assert [int(paid.paid) for paid in found] == list(range(count))


@pytest.mark.parametrize("most", [500, 2_000])
@pytest.mark.parametrize("count", [3, 500, 2_000, 4_321])
def test_more_than_one_page_of_fills_is_read(most: int, count: int) -> None:
    client = Pages(most, [fill(number) for number in range(count)], [])
    found = asyncio.run(readings_of(client).fills(ACCOUNT, START_MS))
    assert [int(read.fill_id) for _, read in found] == list(range(count))


def test_a_payment_that_is_shown_long_after_the_hour_is_read_when_the_account_shows_it() -> None:
    client = Pages(500, [], [])
    info = readings_of(client)

    async def look() -> list[int]:
        found = []
        for minute, paid, rows in ((61.5, "0.0", []), (62, "0.0", []), (63, "1.0", [payment(1)])):
            client.now_ms, client.paid = START_MS + int(minute * 60_000), paid
            client.rows["userFunding"] = rows
            found.append(len(await info.funding(ACCOUNT, SYMBOL, START_MS)))
        return found

    assert asyncio.run(look()) == [0, 0, 1]
    assert client.asked.count("userFunding") == 2
