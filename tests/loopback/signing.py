"""Who signed an action: EIP-712 as Hyperliquid reads it, written here so that no client proves itself.

L1 actions are hashed as msgpack and signed by a phantom agent; user-signed actions are signed field by
field. tests/loopback/test_signing.py compares both with eth-account and with ccxt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from coincurve import PublicKey
from Crypto.Hash import keccak


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a signed structure, by its Solidity type."""

    name: str
    kind: str


_CHAIN = Field("hyperliquidChain", "string")
_SEND = (_CHAIN, Field("destination", "string"), Field("amount", "string"), Field("time", "uint64"))

USER_SIGNED: Mapping[str, tuple[str, tuple[Field, ...]]] = {
    "usdSend": ("HyperliquidTransaction:UsdSend", _SEND),
    "withdraw3": ("HyperliquidTransaction:Withdraw", _SEND),
    "usdClassTransfer": (
        "HyperliquidTransaction:UsdClassTransfer",
        (_CHAIN, Field("amount", "string"), Field("toPerp", "bool"), Field("nonce", "uint64")),
    ),
    "approveAgent": (
        "HyperliquidTransaction:ApproveAgent",
        (_CHAIN, Field("agentAddress", "address"), Field("agentName", "string"), Field("nonce", "uint64")),
    ),
    "approveBuilderFee": (
        "HyperliquidTransaction:ApproveBuilderFee",
        (_CHAIN, Field("maxFeeRate", "string"), Field("builder", "address"), Field("nonce", "uint64")),
    ),
    "sendAsset": (
        "HyperliquidTransaction:SendAsset",
        (
            _CHAIN,
            Field("destination", "string"),
            Field("sourceDex", "string"),
            Field("destinationDex", "string"),
            Field("token", "string"),
            Field("amount", "string"),
            Field("fromSubAccount", "string"),
            Field("nonce", "uint64"),
        ),
    ),
    "userSetAbstraction": (
        "HyperliquidTransaction:UserSetAbstraction",
        (_CHAIN, Field("user", "address"), Field("abstraction", "string"), Field("nonce", "uint64")),
    ),
    "userDexAbstraction": (
        "HyperliquidTransaction:UserDexAbstraction",
        (_CHAIN, Field("user", "address"), Field("enabled", "bool"), Field("nonce", "uint64")),
    ),
}
"""Actions that only the account's own key can sign, with the structure that it signs."""


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def packed(value: Any) -> bytes:
    """Return ``value`` as msgpack, in the shortest form of every number, maps in their order."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return _packed_int(value)
        case str():
            data = value.encode()
            return _head(len(data), 0xA0, 32, (0xD9, 0xDA, 0xDB)) + data
        case Mapping():
            head = _head(len(value), 0x80, 16, (None, 0xDE, 0xDF))
            return head + b"".join(packed(key) + packed(item) for key, item in value.items())
        case Sequence():
            head = _head(len(value), 0x90, 16, (None, 0xDC, 0xDD))
            return head + b"".join(map(packed, value))
    raise TypeError(f"an action holds no {type(value).__name__}")


def _head(length: int, short: int, limit: int, codes: tuple[int | None, int, int]) -> bytes:
    if length < limit:
        return bytes([short | length])
    for code, size in zip(codes, (1, 2, 4), strict=True):
        if code is not None and length < 1 << 8 * size:
            return bytes([code]) + length.to_bytes(size, "big")
    raise ValueError("too long for msgpack")


def _packed_int(value: int) -> bytes:
    if -32 <= value < 128:
        return value.to_bytes(1, "big", signed=True) if value < 0 else bytes([value])
    first = 0xCC if value > 0 else 0xD0
    for power in range(4):
        bits = 8 << power
        if 0 < value < 1 << bits or -(1 << bits - 1) <= value < 0:
            return bytes([first + power]) + value.to_bytes(bits // 8, "big", signed=value < 0)
    raise ValueError(f"{value} does not fit 64 bits")


def action_hash(action: Mapping[str, Any], nonce: int, vault: str | None, expires_after: int | None) -> bytes:
    """Return the connection id of an L1 action."""
    data = packed(action) + nonce.to_bytes(8, "big")
    data += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
    if expires_after is not None:
        data += b"\x00" + expires_after.to_bytes(8, "big")
    return keccak256(data)


def l1_digest(
    action: Mapping[str, Any],
    nonce: int,
    *,
    is_testnet: bool,
    vault: str | None = None,
    expires_after: int | None = None,
) -> bytes:
    """Return what an L1 action's signer signs."""
    agent = {
        "source": "b" if is_testnet else "a",
        "connectionId": action_hash(action, nonce, vault, expires_after),
    }
    fields = (Field("source", "string"), Field("connectionId", "bytes32"))
    return _digest(_domain("Exchange", 1337), "Agent", fields, agent)


def user_digest(action: Mapping[str, Any]) -> bytes:
    """Return what the signer of a user-signed action signs; the chain id is the action's own.

    Raises:
        KeyError, ValueError, TypeError: a field is missing or is of another type.
    """
    name, fields = USER_SIGNED[action["type"]]
    domain = _domain("HyperliquidSignTransaction", int(action["signatureChainId"], 16))
    # An agent without a name is signed with an empty one and sent without the field.
    return _digest(domain, name, fields, {"agentName": "", **action})


@cache
def _domain(name: str, chain_id: int) -> bytes:
    fields = (
        Field("name", "string"),
        Field("version", "string"),
        Field("chainId", "uint256"),
        Field("verifyingContract", "address"),
    )
    values = {"name": name, "version": "1", "chainId": chain_id, "verifyingContract": "0x" + "0" * 40}
    return _structure_hash("EIP712Domain", fields, values)


def _digest(domain: bytes, name: str, fields: tuple[Field, ...], values: Mapping[str, Any]) -> bytes:
    return keccak256(b"\x19\x01" + domain + _structure_hash(name, fields, values))


@cache
def _type_hash(name: str, fields: tuple[Field, ...]) -> bytes:
    return keccak256(f"{name}({','.join(f'{field.kind} {field.name}' for field in fields)})".encode())


def _structure_hash(name: str, fields: tuple[Field, ...], values: Mapping[str, Any]) -> bytes:
    parts = [_encoded(field.kind, values[field.name]) for field in fields]
    return keccak256(_type_hash(name, fields) + b"".join(parts))


def _encoded(kind: str, value: Any) -> bytes:
    match kind:
        case "string":
            return keccak256(value.encode())
        case "bytes32":
            return value
        case "address":
            return bytes(12) + bytes.fromhex(value.removeprefix("0x"))
        case "bool":
            return int(value).to_bytes(32, "big")
    return value.to_bytes(32, "big")


def recovered(digest: bytes, signature: Mapping[str, Any]) -> str:
    """Return the small-letter address whose key made this signature of ``digest``.

    Raises:
        ValueError: it is no signature.
    """
    try:
        r, s, v = int(signature["r"], 16), int(signature["s"], 16), int(signature["v"])
        raw = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v - 27 if v >= 27 else v])
        key = PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except (KeyError, TypeError, OverflowError, ValueError) as reason:
        raise ValueError(f"no signature: {reason}") from reason
    except Exception as reason:  # coincurve raises plain Exception for a signature that recovers nothing
        raise ValueError(f"recovers nothing: {reason}") from reason
    return "0x" + keccak256(key.format(compressed=False)[1:])[-20:].hex()
