"""User-signed actions, which only an account's own key may sign, and the way to burn a nonce."""

from collections.abc import Mapping
from typing import Any

from firstwatch.venues.hyperliquid.actions import NOOP
from firstwatch.venues.hyperliquid.signing import Structure, l1_digest, signature_json, typed_digest
from firstwatch.venues.signer import Signer

_CHAIN = ("hyperliquidChain", "string")
_SIGNATURE_CHAIN = "0x66eee"
_PACKED_NOOP = b"\x81\xa4type\xa4noop"
"""``NOOP`` in MessagePack, as a constant because packing it would import ccxt."""


STRUCTURES: Mapping[str, Structure] = {
    "approveAgent": Structure(
        "HyperliquidTransaction:ApproveAgent",
        (_CHAIN, ("agentAddress", "address"), ("agentName", "string"), ("nonce", "uint64")),
    ),
    "approveBuilderFee": Structure(
        "HyperliquidTransaction:ApproveBuilderFee",
        (_CHAIN, ("maxFeeRate", "string"), ("builder", "address"), ("nonce", "uint64")),
    ),
    "usdSend": Structure(
        "HyperliquidTransaction:UsdSend",
        (_CHAIN, ("destination", "string"), ("amount", "string"), ("time", "uint64")),
    ),
    "withdraw3": Structure(
        "HyperliquidTransaction:Withdraw",
        (_CHAIN, ("destination", "string"), ("amount", "string"), ("time", "uint64")),
    ),
}
"""EIP-712 structures by the action's ``type``. The last field is the nonce."""


def user_signed(
    kind: str, values: Mapping[str, str], *, is_mainnet: bool, nonce: int, signer: Signer
) -> dict[str, Any]:
    """Return the body of a user-signed action of that ``type`` for ``/exchange``."""
    structure = STRUCTURES[kind]
    message = {
        "hyperliquidChain": "Mainnet" if is_mainnet else "Testnet",
        **values,
        structure.fields[-1][0]: nonce,
    }
    digest = typed_digest("HyperliquidSignTransaction", int(_SIGNATURE_CHAIN, 16), structure, message)
    action = {"type": kind, "signatureChainId": _SIGNATURE_CHAIN, **message}
    return _body(action, digest, nonce, signer)


def burning(nonce: int, *, is_mainnet: bool, signer: Signer) -> dict[str, Any]:
    """Return the action that does nothing under that nonce, so that nothing else can happen under it."""
    return _body(NOOP, l1_digest(_PACKED_NOOP, nonce, is_mainnet=is_mainnet), nonce, signer)


def _body(action: Mapping[str, Any], digest: bytes, nonce: int, signer: Signer) -> dict[str, Any]:
    return {"action": dict(action), "nonce": nonce, "signature": signature_json(signer.sign_digest(digest))}
