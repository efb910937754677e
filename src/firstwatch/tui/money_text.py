"""The kind of money as the screen writes it: PAPER, TESTNET or LIVE, in words and in colour."""

from collections import Counter
from collections.abc import Iterable, Mapping

from rich.text import Text

from firstwatch.manager.views import RunView, WalletView
from firstwatch.trading.account import MoneyKind

_ORDER = (MoneyKind.LIVE, MoneyKind.TESTNET, MoneyKind.PAPER)


def money_word(money: MoneyKind) -> str:
    """Return ``PAPER``, ``TESTNET`` or ``LIVE``."""
    return money.value.upper()


def run_place(run: RunView) -> str:
    """Return where a run trades: ``w20 (PAPER)``."""
    return f"{run.wallet} ({money_word(run.money)})"


def wallet_place(wallet: WalletView) -> str:
    """Return a wallet and its kind of money: ``w20 (PAPER)``."""
    return f"{wallet.name} ({money_word(wallet.money)})"


def money_style(money: MoneyKind, colours: Mapping[str, str]) -> str:
    """Return the style of the word; ``colours`` are the theme's. Real money has a colour of its own."""
    if money is MoneyKind.PAPER:
        return f"bold {colours['foreground']}"
    colour = colours["primary"] if money is MoneyKind.TESTNET else colours.get("live", colours["error"])
    return f"bold {colours['background']} on {colour}"


def money_counts(kinds: Iterable[MoneyKind]) -> str:
    """Return how many there are of each kind, real money first: ``3 LIVE, 13 PAPER``."""
    numbers = Counter(kinds)
    return ", ".join(f"{numbers[money]} {money_word(money)}" for money in _ORDER if money in numbers)


def money_badge(kinds: Iterable[MoneyKind], colours: Mapping[str, str]) -> Text:
    """Return the one kind that there is, or each with its number, real money first: ``LIVE 3 · PAPER 13``."""
    numbers = Counter(kinds)
    badge = Text()
    for money in _ORDER:
        if money in numbers:
            count = f" {numbers[money]}" if len(numbers) > 1 else ""
            badge.append("·" if badge else "")
            badge.append(f" {money_word(money)}{count} ", money_style(money, colours))
    return badge
