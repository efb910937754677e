"""Markets as views, from the runs that trade or have traded in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firstwatch.manager.views import MarketView, RunView
from firstwatch.trading.market import Market


@dataclass(frozen=True, slots=True)
class MarketOfRun:
    """The market that was frozen into a run, and its venue."""

    venue: str
    market: Market


def market_views(markets: Mapping[str, MarketOfRun], rows: Sequence[RunView]) -> tuple[MarketView, ...]:
    """Return each market of these runs once, as frozen into the newest run, with the newest mark of all."""
    newest: dict[tuple[str, str], RunView] = {}
    marked: dict[tuple[str, str], RunView] = {}
    for row in rows:
        found = markets.get(row.run_id)
        if found is None:
            continue
        place = (found.venue, found.market.symbol)
        if place not in newest or row.created_ms > newest[place].created_ms:
            newest[place] = row
        if row.mark is not None and (place not in marked or _seen_ms(row) > _seen_ms(marked[place])):
            marked[place] = row
    return tuple(_view(markets[row.run_id], marked.get(place)) for place, row in newest.items())


def _seen_ms(row: RunView) -> int:
    return row.live_ms or 0


def _view(found: MarketOfRun, marked: RunView | None) -> MarketView:
    market = found.market
    return MarketView(
        venue=found.venue,
        symbol=market.symbol,
        tick=market.tick,
        minimum_cost=market.minimum_cost,
        maximum_leverage=market.maximum_leverage,
        price=None if marked is None else marked.mark,
        price_ms=None if marked is None else marked.live_ms,
    )
