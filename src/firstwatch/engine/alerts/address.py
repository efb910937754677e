"""An address of ``[alerts]``, which is a secret, and what may be shown of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Address:
    """One address. ``label`` is all that is shown of it, ``key`` all that is stored."""

    url: SecretStr
    label: str
    """Its number in the settings and its scheme: ``1. tgram://…``."""
    key: str


def addresses_of(urls: Sequence[SecretStr]) -> tuple[Address, ...]:
    """Return the addresses of the settings, in their order."""
    return tuple(_address(number, url) for number, url in enumerate(urls, 1))


def _address(number: int, url: SecretStr) -> Address:
    text = url.get_secret_value()
    scheme = text.partition("://")[0].lower()
    return Address(url, f"{number}. {scheme}://…", hashlib.sha256(text.encode()).hexdigest()[:16])
