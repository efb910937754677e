"""What the venue must have approved before a key may trade for an account, and what each costs and allows."""

from typing import Any

from firstwatch.trading.account import Approval
from firstwatch.trading.clock import iso
from firstwatch.venues.hyperliquid.actions import Builder
from firstwatch.venues.hyperliquid.session import Session
from firstwatch.venues.hyperliquid.words import understood
from firstwatch.venues.signer import KeyKind, Signer

AGENT_LEAST_MS = 7 * 86_400_000
"""An agent that ends sooner is refused at launch."""


async def read_approvals(
    session: Session, signer: Signer, builder: Builder | None, now_ms: int
) -> list[Approval]:
    """Return the approvals that an account's key and the configured builder need.

    Raises:
        VenueError: the venue cannot be asked or understood.
    """
    approvals: list[Approval] = []
    if signer.kind is KeyKind.AGENT:
        approvals.append(await _agent(session, signer, now_ms))
    if builder is not None:
        approvals.append(await _builder(session, signer.account, builder))
    return approvals


async def _agent(session: Session, signer: Signer, now_ms: int) -> Approval:
    agents: Any = await session.ask("extraAgents", user=signer.account)
    try:
        until = {str(agent["address"]).lower(): int(agent["validUntil"]) for agent in agents}
    except (KeyError, TypeError, ValueError) as error:
        raise understood(f"the agents of {signer.account}", agents) from error
    name, ends_ms = f"agent {signer.address}", until.get(signer.address.lower())
    if ends_ms is None:
        # The unnamed agent is in no list; its role says whose it is.
        role: Any = await session.ask("userRole", user=signer.address)
        master = role.get("data", {}).get("user", "") if isinstance(role, dict) else ""
        is_given = isinstance(role, dict) and role.get("role") == "agent" and master.lower() == signer.account
        return Approval(
            name,
            is_given,
            f"the agent key {signer.address} may trade for {signer.account}"
            if is_given
            else f"{signer.account} has not approved the agent key {signer.address}: it costs nothing, and"
            " the key can then trade but not withdraw; run wallet approve with --agent",
        )
    if ends_ms < now_ms + AGENT_LEAST_MS:
        return Approval(
            name,
            False,
            f"the agent key {signer.address} is approved until {iso(ends_ms)} only, less than 7 days: approve"
            " a new agent key",
        )
    return Approval(
        name, True, f"the agent key {signer.address} may trade until {iso(ends_ms)}, and not withdraw"
    )


async def _builder(session: Session, account: str, builder: Builder) -> Approval:
    answer: Any = await session.ask("maxBuilderFee", user=account, builder=builder.address)
    try:
        most = int(answer)
    except (TypeError, ValueError) as error:
        raise understood(f"the builder fee of {account}", answer) from error
    percent = f"{builder.tenths_bp / 1000:g} %"
    cost = f"the builder {builder.address} gets {percent} of the value of every fill, on top of the fee"
    if most >= builder.tenths_bp:
        return Approval("builder fee", True, cost)
    return Approval(
        "builder fee", False, f"{cost}; {account} has not approved that: run wallet approve with --builder"
    )
