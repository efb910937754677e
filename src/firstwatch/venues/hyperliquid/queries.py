"""Queries to ``/info`` about accounts: the request, and the decoding of its answer.

The adapter sends them through its gateway, a command by its own request.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from firstwatch.venues.hyperliquid import decoder
from firstwatch.venues.hyperliquid.decoder import (
    AccountSaid,
    AgentSaid,
    ExchangeStatus,
    LedgerRow,
    RoleSaid,
    SpotSaid,
    decode,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """One query. ``about`` is named in the error if the answer cannot be understood."""

    request: dict[str, Any]
    adapter: TypeAdapter[T]
    about: str

    def read(self, answer: Any) -> T:
        """Return the decoded answer.

        Raises:
            VenueError: it is not what the venue documents.
        """
        return decode(self.adapter, answer, self.about)


def status() -> Query[ExchangeStatus]:
    return Query({"type": "exchangeStatus"}, decoder.STATUS, "its own time")


def state(account: str, dex: str = "") -> Query[AccountSaid]:
    """Money and positions in perpetuals; ``dex``: those in another exchange of the venue."""
    where = {"dex": dex} if dex else {}
    about = f"the account {account}{f' in {dex}' if dex else ''}"
    return Query({"type": "clearinghouseState", "user": account, **where}, decoder.ACCOUNT, about)


def spot(account: str) -> Query[SpotSaid]:
    request = {"type": "spotClearinghouseState", "user": account}
    return Query(request, decoder.SPOT, f"the spot balances of {account}")


def kind(account: str) -> Query[str]:
    """How the venue keeps the account's money (see ``kinds``)."""
    request = {"type": "userAbstraction", "user": account}
    return Query(request, decoder.KIND, f"the kind of the account {account}")


def role(address: str) -> Query[RoleSaid]:
    """The role of an address at the venue."""
    return Query({"type": "userRole", "user": address}, decoder.ROLE, f"the role of {address}")


def agents(account: str) -> Query[list[AgentSaid] | None]:
    """The account's named agents."""
    return Query({"type": "extraAgents", "user": account}, decoder.AGENTS, f"the agents of {account}")


def builder_fee(account: str, builder: str) -> Query[int | None]:
    """The largest fee that the account allows the builder, in tenths of a basis point."""
    request = {"type": "maxBuilderFee", "user": account, "builder": builder}
    return Query(request, decoder.BUILDER_FEE, f"the builder fee of {account}")


def ledger(account: str, since_ms: int) -> Query[list[LedgerRow]]:
    """Deposits, withdrawals and transfers of the account since that venue time, oldest first."""
    request = {"type": "userNonFundingLedgerUpdates", "user": account, "startTime": since_ms}
    return Query(request, decoder.LEDGER, f"the ledger of {account}")
