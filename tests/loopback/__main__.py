"""Starts the loopback venue by hand: ``python -m tests.loopback --port 8123 --speed 600``.

It is controlled by ``POST /control``: ``{"do": "fund", "account": "0x..", "usdc": 1000}``, and by the other
methods of ``Loopback``: ``account audit step_to mark approve_agent``, ``faults.plan`` (and the rest of
``FaultControl``), ``by_hand.market`` (and the rest of ``ByHand``, with ``account``).
"""

import argparse
import csv
import gzip
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from firstwatch.market.synthetic import SyntheticMarket
from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe
from tests.loopback import Coin, Loopback

_START_MS = 1_704_067_200_000


def read_bars(path: Path) -> list[Bar]:
    """Return the candles of a CSV file as in ``shared/data``, gzipped or not."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [
        Bar(
            int(datetime.fromisoformat(row["date"]).replace(tzinfo=UTC).timestamp()) * 1000,
            *(float(row[name]) for name in ("open", "high", "low", "close", "volume")),
        )
        for row in csv.DictReader(text.splitlines())
    ]


def main() -> None:
    """Serve until the process is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--candles", type=Path, help="a CSV file; without one they are generated")
    parser.add_argument("--timeframe", type=Timeframe, default=Timeframe.M1)
    parser.add_argument("--seed", type=int, default=1, help="of the generated candles")
    parser.add_argument("--bars", type=int, default=20_000, help="how many are generated")
    parser.add_argument("--history", type=int, default=5_000, help="bars that are past at the start")
    parser.add_argument("--speed", default="wall", help="times the wall clock, or wall, or stepped")
    parser.add_argument("--network", choices=("mainnet", "testnet"), default="mainnet")
    parser.add_argument("--weight-limit", type=int, default=1_200, help="of requests a minute; 0: none")
    parser.add_argument("--fund", action="append", default=[], metavar="ADDRESS=USDC")
    told = parser.parse_args()
    if told.candles is not None:
        bars = read_bars(told.candles)
    else:
        bars = SyntheticMarket(told.seed, told.timeframe).candles(_START_MS, told.bars).bars()
    coins = [
        Coin("BTC", sz_decimals=5, max_leverage=40, bars=bars, timeframe=told.timeframe),
        Coin("ETH", sz_decimals=4, max_leverage=25, price=2_500.0),
    ]
    clock = told.speed if told.speed in {"wall", "stepped"} else float(told.speed)
    with Loopback(
        coins,
        clock=clock,
        history=told.history,
        network=told.network,
        port=told.port,
        weight_limit=told.weight_limit or None,
    ) as venue:
        for one in told.fund:
            account, _, usdc = one.partition("=")
            venue.fund(account, usdc)
        sys.stdout.write(f"api_url = {venue.url}\nws_url = {venue.ws_url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
