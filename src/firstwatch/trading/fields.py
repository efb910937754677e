"""The fields of a dataclass as a dict, for writing."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def fields_of(record: "DataclassInstance") -> dict[str, Any]:
    """Return the fields by name, the values themselves: ``dataclasses.asdict`` copies each, deeply."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
