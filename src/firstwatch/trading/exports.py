"""Tables of a run that can be exported, and their formats."""

from enum import StrEnum


class What(StrEnum):
    """A table of a run."""

    TRADES = "trades"
    ORDERS = "orders"
    FILLS = "fills"
    EQUITY = "equity"
    JOURNAL = "journal"


class Format(StrEnum):
    """File format of an export."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
