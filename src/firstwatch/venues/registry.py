"""The kinds of venues: one line for each. Its settings and its adapter are in its own folder.

A new kind is a folder with ``settings`` (a model of ``VenueSettings``) and ``assembly`` (``VenueAssembly``),
and a line here. Importing this module imports no adapter.
"""

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Self, cast

from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.paper.settings import PaperVenueSettings
from firstwatch.venues.settings import VenueSettings

if TYPE_CHECKING:
    from firstwatch.venues.assembly import VenueAssembly


class VenueKind(StrEnum):
    """Kind of a venue, as named in the settings and the store."""

    PAPER = "paper", PaperVenueSettings
    HYPERLIQUID = "hyperliquid", HyperliquidVenueSettings

    settings: type[VenueSettings]
    """Model of its ``[venues.NAME]`` table."""

    def __new__(cls, word: str, settings: type[VenueSettings]) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.settings = settings
        return member


def is_paper(kind: str) -> bool:
    """Return whether wallets of that kind hold play money; a kind that is not known counts as live."""
    return any(known == kind and known.settings.is_paper for known in VenueKind)


def assembly_of(settings: VenueSettings) -> "VenueAssembly":
    """Return the assembly that opens the venue with these settings. Imports its adapter."""
    folder = type(settings).__module__.rpartition(".")[0]
    return cast("VenueAssembly", import_module(f"{folder}.assembly"))
