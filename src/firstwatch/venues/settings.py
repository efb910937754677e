"""What the rest of the program asks of any ``[venues.NAME]`` table, whatever kind of venue it describes."""

from typing import ClassVar, Self

from firstwatch.trading.account import MoneyKind
from firstwatch.trading.setting_fields import SettingsTable


class VenueSettings(SettingsTable):
    """The settings of one venue. Each kind has a model of its own, in its folder."""

    is_paper: ClassVar[bool] = False
    """Play money, which the store keeps; the wallets have no key."""

    kind: str

    @property
    def key_network(self) -> str | None:
        """The network for which keys of its accounts sign; None: its accounts have no keys."""
        return None

    @property
    def is_mainnet(self) -> bool:
        """Real money is at the other end."""
        return False

    @property
    def money(self) -> MoneyKind:
        """What the money of its accounts is worth."""
        if self.is_paper:
            return MoneyKind.PAPER
        return MoneyKind.LIVE if self.is_mainnet else MoneyKind.TESTNET

    @property
    def market_speed(self) -> float:
        """Market seconds per second of wall time; infinite: as fast as runs decide."""
        return 1.0

    @property
    def place(self) -> str | None:
        """Where its accounts are; two venues at one place have the same accounts. None: in our store only."""
        return None

    def for_reading(self) -> Self:
        """Return the settings with which a second process reads its market data and changes nothing."""
        return self

    def symbol(self) -> str | None:
        """Return the one symbol that it trades; None: what it trades is for its adapter to say.

        Raises:
            WrongUseError: a file that the settings name cannot be used.
        """
        return None
