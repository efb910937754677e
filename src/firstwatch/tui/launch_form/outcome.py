"""The preview of a launch, in lines: its market, its next trade and the loss that this risks, its start."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from firstwatch.manager.views import MarketView
from firstwatch.trading.launch import (
    CheckResult,
    LaunchPreview,
    LaunchSettings,
    MarketFacts,
    NextTrade,
    SettingDifference,
)
from firstwatch.trading.symbols import base_of, quote_of
from firstwatch.tui import formats


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: a label and its values."""

    label: str
    text: str


def outcome(preview: LaunchPreview, settings: LaunchSettings) -> tuple[Fact, ...]:
    """Return the known facts of a launch."""
    return tuple(_facts(preview, settings))


def _facts(preview: LaunchPreview, settings: LaunchSettings) -> Iterator[Fact]:
    if preview.market is not None:
        yield Fact("market", market_text(preview.market))
    if preview.next_trade is not None:
        yield from _trade(preview.next_trade, settings)
    if preview.assume_position:
        yield Fact("at the start", preview.assume_position)


def market_text(market: MarketFacts | MarketView) -> str:
    """Return a market's price and bounds."""
    price = "" if market.price is None else f"{formats.price(market.price)} · "
    return (
        f"{price}tick {formats.amount(market.tick)} · at least {formats.amount(market.minimum_cost)}"
        f" {quote_of(market.symbol)} · leverage up to {market.maximum_leverage}"
    )


def _trade(trade: NextTrade, settings: LaunchSettings) -> Iterator[Fact]:
    base, quote = base_of(settings.symbol), quote_of(settings.symbol)
    yield Fact(
        "next trade",
        f"{formats.amount(trade.amount)} {base}, worth {formats.money(trade.cost)} {quote},"
        f" margin {formats.money(trade.margin)}",
    )
    share = trade.worst_loss / float(settings.capital)
    loss = f"-{formats.money(trade.worst_loss)} {quote} (-{_percent(share)} of the capital)"
    if trade.stop_share is None:
        yield Fact("worst loss", f"{loss}: there is no stop, the whole margin can go")
    else:
        yield Fact("worst loss", f"{loss} at the stop, {_percent(trade.stop_share)} away, with fees")
    liquidation = trade.liquidation_share
    yield Fact(
        "liquidation", "none at this leverage" if liquidation is None else f"{_percent(liquidation)} away"
    )


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"


def by_reason(checks: Iterable[CheckResult]) -> tuple[tuple[CheckResult, ...], ...]:
    """Return failed checks together that failed for the same reason: without a baseline several do."""
    found: dict[tuple[str, str], list[CheckResult]] = {}
    for check in checks:
        found.setdefault((check.found, check.remedy), []).append(check)
    return tuple(map(tuple, found.values()))


def names_of(checks: Iterable[CheckResult]) -> str:
    """Return the names of checks."""
    return ", ".join(check.name for check in checks)


def difference_rows(differences: Sequence[SettingDifference]) -> tuple[tuple[str, str, str], ...]:
    """Return rows of setting, value here and in the baseline, with a head; empty: no difference matters."""
    if not differences:
        return ()
    rows = ((each.name, each.here, each.baseline) for each in differences)
    return (("setting", "here", "baseline"), *rows)
