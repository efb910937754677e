"""Hyperliquid's user-signed actions, which only an account's own key may sign, and the way to burn a nonce.

EIP-712 as the venue defines it: flat structures of four field types, so the encoding is a few lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firstwatch.venues.signer import Signer
from firstwatch.wallets.keystore import keccak256

_CHAIN = ("hyperliquidChain", "string")
_NO_CONTRACT = "0x" + "0" * 40
_SIGNATURE_CHAIN = "0x66eee"
_NOOP = b"\x81\xa4type\xa4noop"
"""``{"type": "noop"}`` in MessagePack."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure of EIP-712: its name and its fields as (name, type), in the order that is signed."""

    name: str
    fields: tuple[tuple[str, str], ...]


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
"""By the action's ``type``. The last field is the nonce."""

_DOMAIN = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_AGENT = Structure("Agent", (("source", "string"), ("connectionId", "bytes32")))


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
    connection = keccak256(_NOOP + nonce.to_bytes(8, "big") + b"\x00")
    message = {"source": "a" if is_mainnet else "b", "connectionId": connection}
    return _body({"type": "noop"}, typed_digest("Exchange", 1337, _AGENT, message), nonce, signer)


def typed_digest(domain: str, chain_id: int, structure: Structure, message: Mapping[str, Any]) -> bytes:
    """Return the EIP-712 digest of a flat message in a domain of version 1 without a contract."""
    separator = _hash(
        "EIP712Domain",
        _DOMAIN,
        {"name": domain, "version": "1", "chainId": chain_id, "verifyingContract": _NO_CONTRACT},
    )
    return keccak256(b"\x19\x01" + separator + _hash(structure.name, structure.fields, message))


def _hash(name: str, fields: Sequence[tuple[str, str]], message: Mapping[str, Any]) -> bytes:
    declared = f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})"
    words = [_word(kind, message[field]) for field, kind in fields]
    return keccak256(keccak256(declared.encode()) + b"".join(words))


def _word(kind: str, value: Any) -> bytes:
    match kind:
        case "string":
            return keccak256(value.encode())
        case "address":
            return bytes.fromhex(value.removeprefix("0x")).rjust(32, b"\x00")
        case "bytes32":
            return bytes(value)
        case _:
            return int(value).to_bytes(32, "big")


def _body(action: Mapping[str, Any], digest: bytes, nonce: int, signer: Signer) -> dict[str, Any]:
    signature = signer.sign_digest(digest)
    return {
        "action": dict(action),
        "nonce": nonce,
        "signature": {
            "r": f"0x{signature.r:064x}",
            "s": f"0x{signature.s:064x}",
            "v": signature.v,
        },
    }
