"""An address of ``[alerts]``, which is a secret, and the label that may be shown instead."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Address:
    """One address. Only ``label`` is shown, only ``key`` (a hash) is stored."""

    url: SecretStr
    label: str
    """Its number in the settings and its scheme: ``1. tgram://…``."""
    key: str


def addresses_of(urls: Sequence[SecretStr]) -> tuple[Address, ...]:
    """Return the addresses of the settings, in the order of the file."""
    return tuple(_address(number, url) for number, url in enumerate(urls, 1))


def _address(number: int, url: SecretStr) -> Address:
    text = url.get_secret_value()
    scheme = text.partition("://")[0].lower()
    return Address(url, f"{number}. {scheme}://…", hashlib.sha256(text.encode()).hexdigest()[:16])
