"""Ethereum's hash: Keccak as submitted, before it became SHA-3."""

from Crypto.Hash import keccak


def keccak256(data: bytes) -> bytes:
    """Return the hash, 32 bytes."""
    return keccak.new(data=data, digest_bits=256).digest()
