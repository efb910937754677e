"""Ethereum keystore version 3 (Web3 Secret Storage): a secp256k1 key under a passphrase, by scrypt.

Any Ethereum wallet reads these files. All files of a vault share one salt, so that one derivation opens
all of them; each has its own random counter start, so that no key stream is ever used twice.
"""

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from Crypto.Cipher import AES

from firstwatch.venues.keccak import keccak256
from firstwatch.wallets.forgetting import forget

if TYPE_CHECKING:
    from eth_keys.datatypes import PrivateKey

WORK_FACTOR = 2**18
"""Scrypt's N as in the standard: a guess costs 256 MiB and a second or two."""

_BLOCK_SIZE = 8
_LANES = 1
_KEY_BYTES = 32
_LARGEST_WORK_FACTOR = 2**20
_MOST_LANES = 4
_START_BYTES = 16


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a passphrase becomes a key: the parameters of scrypt. Not secret."""

    salt: bytes
    work_factor: int = WORK_FACTOR
    block_size: int = _BLOCK_SIZE
    lanes: int = _LANES

    @classmethod
    def new(cls, work_factor: int = WORK_FACTOR) -> "Derivation":
        """Return parameters with a fresh salt."""
        return cls(secrets.token_bytes(32), work_factor)

    def derive(self, passphrase: str) -> bytes:
        """Return the 32 bytes that encrypt (first half) and authenticate (second half)."""
        normal = unicodedata.normalize("NFKC", passphrase)
        encoded = normal.encode()
        derived = hashlib.scrypt(
            encoded,
            salt=self.salt,
            n=self.work_factor,
            r=self.block_size,
            p=self.lanes,
            maxmem=2 * 128 * self.block_size * (self.work_factor + self.lanes + 2),
            dklen=_KEY_BYTES,
        )
        forget(encoded)
        if normal is not passphrase:
            forget(normal)
        return derived


def private_key(secret: bytes) -> "PrivateKey":
    """Return the key that signs.

    Raises:
        ValueError: the bytes are not a private key.
    """
    # This import takes an eighth of a second, which an engine without keys should not spend.
    from eth_keys.datatypes import PrivateKey

    try:
        key = PrivateKey(secret)
        key.public_key.to_address()
    except Exception:
        # Several libraries stand behind this, each with errors of its own, and some would quote the key.
        raise ValueError("these bytes are not a private key") from None
    return key


def address_of(secret: bytes) -> str:
    """Return the address of a private key: ``0x`` and 40 lower-case hexadecimal digits.

    Raises:
        ValueError: the bytes are not a private key.
    """
    return str(private_key(secret).public_key.to_address())


def encrypt(secret: bytes, derived: bytes, derivation: Derivation) -> dict[str, Any]:
    """Return the keystore document of a private key; ``derived`` comes from that derivation."""
    start = secrets.token_bytes(16)
    ciphertext = _cipher(derived, start).encrypt(secret)
    return {
        "version": 3,
        "id": str(uuid4()),
        "address": address_of(secret).removeprefix("0x"),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": start.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": _KEY_BYTES,
                "n": derivation.work_factor,
                "r": derivation.block_size,
                "p": derivation.lanes,
                "salt": derivation.salt.hex(),
            },
            "mac": _mac(derived, ciphertext).hex(),
        },
    }


def derivation_of(document: Mapping[str, Any]) -> Derivation:
    """Return how the passphrase of a keystore document is derived.

    Raises:
        ValueError: it is not a keystore of version 3 with scrypt.
    """
    try:
        crypto = document["crypto"]
        parameters = crypto["kdfparams"]
        if (document["version"], crypto["kdf"], crypto["cipher"]) != (3, "scrypt", "aes-128-ctr"):
            raise ValueError("it is not a keystore of version 3 with scrypt and aes-128-ctr")
        salt = bytes.fromhex(parameters["salt"])
        factor, block_size, lanes = (parameters[name] for name in "nrp")
        if (type(factor), type(block_size), type(lanes)) != (int, int, int):
            raise ValueError("its parameters of scrypt are not whole numbers")
        if not 1 < factor <= _LARGEST_WORK_FACTOR or factor.bit_count() != 1:
            raise ValueError(f"its work factor {factor} is beyond what this program spends")
        if not (1 <= block_size <= _BLOCK_SIZE and 1 <= lanes <= _MOST_LANES):
            raise ValueError(f"its scrypt of {block_size} and {lanes} is beyond what this program spends")
        lengths = {"ciphertext": _KEY_BYTES, "mac": _KEY_BYTES}
        hexed = {name: crypto[name] for name in lengths} | {"iv": crypto["cipherparams"]["iv"]}
        for name, text in hexed.items():
            if len(bytes.fromhex(text)) != lengths.get(name, _START_BYTES):
                raise ValueError(f"its {name} has a wrong length")
        return Derivation(salt, factor, block_size, lanes)
    except (KeyError, TypeError) as error:
        raise ValueError("it is not a keystore: a part of it is missing") from error


def decrypt(document: Mapping[str, Any], derived: bytes) -> bytes | None:
    """Return the private key; None: it was encrypted under another passphrase."""
    crypto = document["crypto"]
    ciphertext = bytes.fromhex(crypto["ciphertext"])
    if not hmac.compare_digest(_mac(derived, ciphertext), bytes.fromhex(crypto["mac"])):
        return None
    return bytes(_cipher(derived, bytes.fromhex(crypto["cipherparams"]["iv"])).decrypt(ciphertext))


def _mac(derived: bytes, ciphertext: bytes) -> bytes:
    return keccak256(derived[16:32] + ciphertext)


def _cipher(derived: bytes, start: bytes) -> Any:
    return AES.new(derived[:16], AES.MODE_CTR, nonce=b"", initial_value=start)
