"""What of a run can be exported, and in which forms."""

from enum import StrEnum


class What(StrEnum):
    """A table of a run."""

    TRADES = "trades"
    ORDERS = "orders"
    FILLS = "fills"
    EQUITY = "equity"
    JOURNAL = "journal"


class Format(StrEnum):
    """The form of an export."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
