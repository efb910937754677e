"""Sentences on an account's role and kind at the venue, and on whether the program can trade it.

They are the same whether the adapter asks through its gateway or a command by its own request.
"""

from firstwatch.trading.account import ACCOUNT_KIND, Approval

# Money for perpetuals lies in the first exchange's account, apart from everything else: what is never set,
# and what is set to be so (public documentation of ``userAbstraction``).
_APART = frozenset({"default", "disabled"})
_NAMES = {
    "unifiedAccount": "a unified account: its money for perpetuals lies in its spot balances",
    "portfolioMargin": "a portfolio-margin account: its money for perpetuals lies in its spot balances, and"
    " the venue lends on them",
    "dexAbstraction": "an account with DEX abstraction: the markets of other exchanges draw on its money",
}
_REMEDY = (
    "use a wallet whose money lies apart (firstwatch wallet create NAME --venue V makes one), or let the"
    " venue keep spot and perpetuals of this one apart (account abstraction: disabled), where it offers that"
)


def kind_problem(kind: str) -> str:
    """Return why an account of that kind is not traded; empty: it is."""
    if kind in _APART:
        return ""
    named = _NAMES.get(kind, f"of a kind that this program does not know, {kind}")
    return f"at the venue this is {named}, which is not supported"


def kind_approval(account: str, kind: str) -> Approval | None:
    """Return the approval that lacks for an account of that kind; None: nothing does."""
    problem = kind_problem(kind)
    return Approval(ACCOUNT_KIND, False, f"{account}: {problem}", _REMEDY) if problem else None


def kind_alarm(kind: str) -> str:
    """Return what to say of an account that became of another kind while a run trades it; empty: nothing."""
    problem = kind_problem(kind)
    return f"the account has changed: {problem}; stop the run, then {_REMEDY}" if problem else ""


def not_an_account(venue: str, address: str, role: str, master: str | None) -> str:
    """Say that an address is a sub-account or a vault; empty: it is neither."""
    what = {"vault": "a vault", "subAccount": f"a sub-account of {master}"}.get(role)
    if what is None:
        return ""
    return f"{address} is {what} at {venue}, which this program does not trade; use an account of its own"


def market_name(coin: str) -> str:
    """Return how a coin is called in which no run trades; never a symbol, but of the first exchange's."""
    exchange, is_aside, _ = coin.partition(":")
    match coin[:1]:
        case "#" | "+":
            return f"outcome {coin[1:]}"
        case "@":
            return f"spot market {coin[1:]}"
    if "/" in coin:
        return f"spot market {coin}"
    return f"{coin} (exchange {exchange})" if is_aside else f"{coin}/USDC:USDC"


def is_perpetual(coin: str) -> bool:
    """Tell whether a coin is a perpetual of the venue's first exchange by its name."""
    return coin[:1] not in {"#", "+", "@"} and "/" not in coin and ":" not in coin
