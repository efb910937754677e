"""The fields of the wallet forms, and the checks of what is typed into them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from firstwatch.manager.views import WalletView
from firstwatch.manager.wallet_views import MoneyView, PassphraseNeed, RequiredSecrets
from firstwatch.trading.account import is_address
from firstwatch.tui import formats
from firstwatch.tui.modals.form import Field, Values


def vault_lines(needs: RequiredSecrets) -> list[str]:
    """Return what the operator must know about the vault before a key is stored in it."""
    if needs.passphrase is PassphraseNeed.NEW:
        return ["This creates the vault. Its passphrase cannot be recovered: keep it safe."]
    return []


def passphrase_fields(needs: RequiredSecrets) -> list[Field]:
    """Ask for the vault's passphrase; twice if this creates the vault, not at all if it is known."""
    if needs.passphrase is PassphraseNeed.NONE:
        return []
    is_new = needs.passphrase is PassphraseNeed.NEW
    first = Field("passphrase", "New passphrase" if is_new else "Vault's passphrase", is_secret=True,
                  check=lambda values: "" if values["passphrase"] else "write the passphrase")  # fmt: skip
    if not is_new:
        return [first]
    return [first, Field("again", "Repeat passphrase", is_secret=True, check=_again_problem)]


def _again_problem(values: Values) -> str:
    typed, again = values["passphrase"], values["again"]
    if typed == again:
        return ""
    return "not the same yet" if typed.startswith(again) else "the two passphrases differ"


def signing_fields(needs: RequiredSecrets, *, is_new_key: bool) -> list[Field]:
    """Ask for the account's own key unless the vault has it, and for the passphrase if that is needed."""
    fields = [] if needs.has_master_key else [key_field("Key of the account")]
    if needs.has_master_key or is_new_key:
        fields += passphrase_fields(needs)
    return fields


def key_field(label: str) -> Field:
    """Ask for a private key."""
    return Field(
        "key", label, is_secret=True, check=lambda values: "" if values["key"] else "write the private key"
    )


def confirmation_field(wallet: WalletView) -> Field:
    """Ask to type the wallet's name, so that money is not moved by mistake."""
    return Field(
        "wallet",
        "Name of the wallet",
        check=lambda values: "" if values["wallet"] == wallet.name else f"not {wallet.name}",
    )


def amount_field(money: MoneyView, *, least: Decimal) -> Field:
    """Ask for an amount of USDC above ``least``, and at most what can be withdrawn."""

    def problem(values: Values) -> str:
        found = amount_problem(values["amount"])
        if found:
            return found
        amount = formats.read_decimal(values["amount"])
        if amount <= least:
            return f"must be above the {least} USDC that the venue keeps"
        if amount > money.withdrawable:
            return f"more than the {formats.money(money.withdrawable)} USDC available"
        return ""

    return Field("amount", "Amount (USDC)", check=problem)


def new_name_field(taken: Sequence[str]) -> Field:
    """Ask for the name of a wallet; ``taken`` names are refused."""

    def problem(values: Values) -> str:
        name = values["name"]
        if not name:
            return "write a name"
        return f"there is a wallet {name} already" if name in taken else ""

    return Field("name", "Name", check=problem)


def venue_field(venues: Sequence[str]) -> Field:
    """Ask for one of these venues; the first one is written already."""

    def problem(values: Values) -> str:
        venue = values["venue"]
        return "" if venue in venues else f"no venue {venue} with keys; there are {', '.join(venues)}"

    return Field("venue", "Venue", venues[0], check=problem)


def account_field() -> Field:
    """Ask for an account's address; empty: the venue finds it by the key."""
    return Field("account", "Account (0x…)", check=lambda values: _address_problem(values["account"]))


def destination_field(account: str) -> Field:
    """Ask for the address that a withdrawal goes to."""
    return Field(
        "to", "To (on Arbitrum)", account, check=lambda values: _address_problem(values["to"] or "nothing")
    )


def _address_problem(value: str) -> str:
    return "" if not value or is_address(value) else "an address is 0x and 40 hexadecimal digits"


def target_field(targets: Sequence[str]) -> Field:
    """Ask for one of these wallets; the first one is written already."""

    def problem(values: Values) -> str:
        return "" if values["to"] in targets else f"no other wallet {values['to']} here"

    return Field("to", "To", targets[0], check=problem)


def amount_problem(value: str) -> str:
    """Return what is wrong with an amount of money; empty: nothing."""
    try:
        amount = formats.read_decimal(value)
    except ValueError as error:
        return str(error)
    return "" if amount > 0 else "must be above 0"


@dataclass(frozen=True, slots=True)
class NewWallet:
    """The name of a new wallet, and its venue."""

    name: str
    venue: str


def wallet_from(value: str, venues: Sequence[str]) -> NewWallet:
    """Return the wallet that ``NAME`` or ``NAME VENUE`` asks for; without a venue at the first one."""
    name, _, venue = value.partition(" ")
    return NewWallet(name, venue.strip() or venues[0])


def new_wallet_problem(value: str, venues: Sequence[str], taken: Sequence[str]) -> str:
    """Return what is wrong with ``NAME`` or ``NAME VENUE``; empty: nothing."""
    if not value:
        return "write a name"
    wallet = wallet_from(value, venues)
    if wallet.name in taken:
        return f"there is a wallet {wallet.name} already"
    if wallet.venue not in venues:
        return f"no venue {wallet.venue}; configured: {', '.join(venues)}"
    return ""
