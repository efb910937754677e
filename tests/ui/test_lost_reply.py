"""A lost reply after acceptance, in front of a person: UNKNOWN, then the truth, and one order there."""

import re

import pytest

from firstwatch.manager.views import EngineWhere
from firstwatch.store import algorithms
from firstwatch.store.database import open_store
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import StartRun
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from tests.candles import generated_candles
from tests.loopback import Coin, Loopback
from tests.ui import scenes
from tests.ui.live_venue import ACCOUNT, PASSPHRASE, add_wallet
from tests.ui.stage import NEW_RUN, stage

_LOOKS = 4_000
"""A market moves here, and its bars close when they close."""

HOLDER = """
name = "Holder"
direction = "both"
timeframe = "1m"

[entry.long]
required = ["close > open"]

[entry.short]
required = ["close < open"]

[exit.long]
required = ["close > 1000000"]

[exit.short]
required = ["close < 1"]

[sizing]
fixed = 500

[order]
kind = "market"
"""


@pytest.fixture
def venue():
    bars = generated_candles(2, 4_000, Timeframe.M1).bars()
    with Loopback(
        [Coin("BTC", bars=bars)], clock=30.0, history=1_200, network="testnet", weight_limit=None
    ) as opened:
        opened.fund(ACCOUNT, 10_000)
        yield opened


@pytest.fixture
def settings(home, venue, tmp_path, monkeypatch):
    """A wallet with its key, an algorithm that enters at once, and a vault that a file opens."""
    word = tmp_path / "word"
    word.write_text(PASSPHRASE)
    monkeypatch.setenv("FIRSTWATCH_PASSPHRASE_FILE", str(word))
    add_wallet(home)
    store = open_store(home)
    spec = AlgorithmSpec.from_toml(HOLDER, where="test")
    with store.write() as session:
        algorithms.add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=1)
    store.close()
    hl = HyperliquidVenueSettings(
        kind="hyperliquid",
        network="testnet",
        api_url=venue.url,
        ws_url=venue.ws_url,
        weight_per_minute=100_000,
    )
    return scenes.settings_of(home).model_copy(update={"venues": {"hl": hl}})


def lose_the_reply(venue):
    """Let the next order be accepted and its answer be lost, and nobody be told of it until ``clear``."""
    happened = ("reply_lost", "order")

    def has_happened(_body):
        return happened in venue._faults.fired

    venue.faults.plan(*happened)
    venue.faults.plan("request_lost", "info", count=1_000_000, matches=has_happened)
    venue.faults.plan("message_lost", "*", count=1_000_000, matches=has_happened)


def order_lines(on):
    """Return the orders tab's lines of entry orders."""
    lines = [re.sub("[│▌▏]", " ", line).split() for line in on.text().splitlines()]
    return [line for line in lines if "entry" in line[:3]]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_an_order_in_doubt_is_pictured_and_so_is_the_truth(home, clock, snap_step, size):
    scenes.lost_reply(home)
    with scenes.attached(home, clock):
        async with stage(home, size=size, clock=clock) as on:
            await on.ready()
            await on.press("]", "]", "]")
            await on.until(lambda: any("UNKNOWN" in line for line in order_lines(on)), "an order in doubt")
            await snap_step(on, f"unknown-{size[0]}x{size[1]}")
            await on.press("enter")
            await on.settle()
            if size[0] == 120:
                await snap_step(on, f"why-{size[0]}x{size[1]}")
            await on.press("q")
            scenes.found_reply(home)
            await on.until(lambda: any("filled" in line for line in order_lines(on)), "the truth")
            assert len(order_lines(on)) == 1
            await on.press("enter")
            await on.settle()
            await snap_step(on, f"truth-{size[0]}x{size[1]}")
            assert on.commands() == []


@pytest.mark.slow
async def test_an_order_whose_answer_was_lost_is_unknown_and_then_what_it_is(home, venue, settings):
    lose_the_reply(venue)
    async with stage(home, size=(120, 40), clock=SystemClock(), hosts_engine=True, settings=settings) as on:
        await on.ready()
        await on.until(lambda: on.app.snapshot.engine.where is EngineWhere.EMBEDDED, "the engine")
        # The engine finds out by itself what is in the wallet and what its key may do.
        await on.until(lambda: on.app.snapshot.wallet("main").free == 10_000, "the money", looks=_LOOKS)
        await on.until(lambda: on.app.snapshot.wallet("main").key is not None, "the key", looks=_LOOKS)
        launch = LaunchSettings(
            algorithm="Holder", version=1, wallet="main", symbol=scenes.SYMBOL, capital=2_000,
            accepted_warnings="a test", confirmed_name="Holder@1",
        )  # fmt: skip
        on.app.submit(StartRun(run_id=NEW_RUN, settings=launch))
        await on.until(lambda: on.app.snapshot.run(NEW_RUN) or on.toasts(), "an answer", looks=_LOOKS)
        await on.until(lambda: on.app.snapshot.run(NEW_RUN), f"the run: {on.toasts()}")
        on.app.choose_run(NEW_RUN)
        await on.press("]", "]", "]")
        await on.until(
            lambda: any("UNKNOWN" in line for line in order_lines(on)), "an order in doubt", looks=_LOOKS
        )
        assert len(order_lines(on)) == 1
        # The venue has it all the same.
        assert len(venue.account(ACCOUNT).orders) == 1
        await on.press("enter")
        await on.until(lambda: "UNKNOWN:" in on.text(), "why it is in doubt")
        assert f"Order {NEW_RUN}{1:016x}" in on.text()
        await on.press("q")
        venue.faults.clear()
        await on.until(lambda: any("filled" in line for line in order_lines(on)), "the truth", looks=_LOOKS)
        assert len(order_lines(on)) == 1
        await on.press("enter")
        story = on.text()
        assert f"Order {NEW_RUN}{1:016x}" in story
        assert story.index("PENDING_SUBMIT") < story.index("UNKNOWN:") < story.index("FILLED")
        await on.press("q")
    audit = venue.audit()
    assert [order.cloid for order in venue.account(ACCOUNT).orders] == [f"0x{NEW_RUN}{1:016x}"]
    assert (audit.actions["order"], audit.reused_cloids, audit.orders_without_cloid) == (1, [], 0)
