"""Forgetting a secret: its bytes are overwritten, so that they do not stay in freed memory."""

import ctypes
import sys


def forget(*secrets: str | bytes | bytearray) -> None:
    """Overwrite secrets in memory; the objects may not be used afterwards.

    A text of at most one character is shared by the whole interpreter and stays as it is, and so does one
    that is interned: it belongs to the program and is not a secret.
    """
    for secret in secrets:
        if isinstance(secret, bytearray):
            secret[:] = bytes(len(secret))
        elif len(secret) > 1 and sys.implementation.name == "cpython":
            width = _width(secret) if isinstance(secret, str) else 1
            ctypes.memset(id(secret) + _header(secret), 0, width * len(secret))


def _width(text: str) -> int:
    """Return how many bytes a character of the text takes."""
    highest = max(map(ord, text))
    return 1 if highest < 0x100 else 2 if highest < 0x10000 else 4


def _header(secret: str | bytes) -> int:
    """Return how many bytes are before the first character: the same for all objects of its form."""
    alike: str | bytes = b"ab" if isinstance(secret, bytes) else "ab" if secret.isascii() else "éé"
    return alike.__sizeof__() - len(alike) - 1
