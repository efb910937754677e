"""Options with a note on each: a version's metrics, a wallet's money, the limits of a market."""

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlgorithmView, MarketView, WalletView
from firstwatch.trading.launch import LaunchPreview
from firstwatch.tui import formats
from firstwatch.tui.launch_form.draft import FormField, LaunchDraft, chosen_algorithm
from firstwatch.tui.launch_form.outcome import market_text
from firstwatch.tui.modals.choice import Choice
from firstwatch.tui.money_text import money_word


def choices_of(
    field: FormField, draft: LaunchDraft, snapshot: ManagerSnapshot, preview: LaunchPreview | None
) -> list[Choice]:
    """Return the options of a field now; ``preview``: the last one, which has the venue's markets."""
    match field.id:
        case "algorithm":
            return [_algorithm(each) for each in snapshot.offered]
        case "wallet":
            return [_wallet(each) for each in sorted(snapshot.wallets, key=_is_used)]
        case "symbol":
            return _markets(field, draft, snapshot, preview)
    return [Choice(value, field.worded(value)) for value in field.choices(draft, snapshot)]


def _algorithm(algorithm: AlgorithmView) -> Choice:
    stop = f"stop {algorithm.stop}" if algorithm.stop else "no stop"
    about = f"{algorithm.timeframe} · {algorithm.direction} · {stop}"
    baseline = f"baseline {algorithm.baseline}" if algorithm.baseline else "no baseline yet"
    return Choice(algorithm.title, f"{algorithm.title}  {about}", baseline)


def _is_used(wallet: WalletView) -> bool:
    return wallet.active_run_id is not None


def _wallet(wallet: WalletView) -> Choice:
    use = "" if wallet.active_run_id is None else f", used by run {formats.short_id(wallet.active_run_id)}"
    return Choice(
        wallet.name,
        wallet.name,
        f"{money_word(wallet.money)} at {wallet.venue}, {formats.money(wallet.free)} free{use}",
    )


def _markets(
    field: FormField, draft: LaunchDraft, snapshot: ManagerSnapshot, preview: LaunchPreview | None
) -> list[Choice]:
    symbols = list(field.choices(draft, snapshot))
    algorithm = chosen_algorithm(draft, snapshot)
    if preview is not None and not (algorithm and algorithm.symbol):
        symbols += preview.symbols
    wallet = snapshot.wallet(draft.wallet)
    known = {each.symbol: each for each in snapshot.markets if wallet is None or each.venue == wallet.venue}
    return [Choice(symbol, symbol, _market(known.get(symbol))) for symbol in dict.fromkeys(symbols)]


def _market(market: MarketView | None) -> str:
    if market is None:
        return ""
    return market_text(market) if market.price is None else f"last {market_text(market)}"
