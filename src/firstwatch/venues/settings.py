"""Common interface of all ``[venues.NAME]`` tables, whatever the kind of venue."""

from typing import ClassVar, Self

from firstwatch.trading.account import MoneyKind
from firstwatch.trading.setting_fields import SettingsTable


class VenueSettings(SettingsTable):
    """The settings of one venue. Each kind has a model of its own, in its folder."""

    is_paper: ClassVar[bool] = False
    """The venue has play money, which the store keeps; its wallets have no key."""

    kind: str

    @property
    def key_network(self) -> str | None:
        """The network that keys of its accounts sign for; None: its accounts have no keys."""
        return None

    @property
    def is_mainnet(self) -> bool:
        """The venue trades real money."""
        return False

    @property
    def money(self) -> MoneyKind:
        """Kind of money in its accounts."""
        if self.is_paper:
            return MoneyKind.PAPER
        return MoneyKind.LIVE if self.is_mainnet else MoneyKind.TESTNET

    @property
    def market_speed(self) -> float:
        """Market seconds per second of wall time; infinite: as fast as runs decide."""
        return 1.0

    @property
    def place(self) -> str | None:
        """Where its accounts are; venues with the same place share accounts. None: in our store only."""
        return None

    def for_reading(self) -> Self:
        """Return the settings with which a second process reads its market data and changes nothing."""
        return self

    def symbol(self) -> str | None:
        """Return the one symbol that it trades; None: only its adapter knows its symbols.

        Raises:
            WrongUseError: a file that the settings name cannot be used.
        """
        return None
