"""What is signed for an action that trades: a hash of the action, wrapped in typed data (EIP-712).

Equal to ``sign_l1_action`` of ccxt, byte for byte (a property test holds it), about a hundred times faster:
everything that does not depend on the action is hashed once.
"""

from functools import cache
from typing import Any

from Crypto.Hash import keccak

from firstwatch.venues.signer import Signature

_CHAIN_ID = 1337
_WORD = 32


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 hash, 32 bytes."""
    return keccak.new(data=data, digest_bits=256).digest()


@cache
def _domain_hash() -> bytes:
    kind = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    words = (kind, keccak256(b"Exchange"), keccak256(b"1"), _CHAIN_ID.to_bytes(_WORD, "big"), bytes(_WORD))
    return keccak256(b"".join(words))


@cache
def _agent_words(is_mainnet: bool) -> bytes:
    kind = keccak256(b"Agent(string source,bytes32 connectionId)")
    return kind + keccak256(b"a" if is_mainnet else b"b")


def pack(action: dict[str, Any]) -> bytes:
    """Return the action in msgpack, keys in their order."""
    # ccxt carries its own packer; importing it is left to the first action, when ccxt is there anyway.
    from ccxt.static_dependencies.msgpack import packb

    return bytes(packb(action))


def l1_digest(
    packed_action: bytes,
    nonce: int,
    *,
    is_mainnet: bool,
    vault_address: str | None = None,
    expires_after: int | None = None,
) -> bytes:
    """Return the 32 bytes that are signed for an action.

    ``packed_action``: its msgpack. ``vault_address``: 40 hexadecimal digits, without 0x.
    """
    data = packed_action + nonce.to_bytes(8, "big")
    data += b"\x00" if vault_address is None else b"\x01" + bytes.fromhex(vault_address)
    if expires_after is not None:
        data += b"\x00" + expires_after.to_bytes(8, "big")
    struct = keccak256(_agent_words(is_mainnet) + keccak256(data))
    return keccak256(b"\x19\x01" + _domain_hash() + struct)


def signature_json(signature: Signature) -> dict[str, Any]:
    """Return a signature as the venue wants it."""
    return {"r": hex(signature.r), "s": hex(signature.s), "v": signature.v}
