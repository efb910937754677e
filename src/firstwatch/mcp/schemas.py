"""JSON schemas of arguments and answers, short: a model reads those of all tools before its first call."""

from typing import Any

from pydantic import BaseModel


def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of arguments; what may be null is one that can be left out."""
    schema = _shortened(model.model_json_schema())
    properties = schema.get("properties", {})
    for name, found in properties.items():
        kinds = [kind for kind in found.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1:
            rest = {key: value for key, value in found.items() if key not in ("anyOf", "default")}
            properties[name] = kinds[0] | rest
    return schema


def output_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of an answer."""
    return _shortened(model.model_json_schema(mode="serialization"))


def _shortened(schema: dict[str, Any]) -> dict[str, Any]:
    shortened: dict[str, Any] = _short(schema, are_names=False)
    return shortened


def _short(schema: Any, *, are_names: bool) -> Any:
    """Return a schema without titles and descriptions of models, with short words for what may be null.

    ``are_names``: the keys are names of fields, not those of JSON schema.
    """
    if isinstance(schema, list):
        return [_short(each, are_names=False) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: _short(value, are_names=key in ("properties", "$defs") and not are_names)
        for key, value in schema.items()
        if are_names or not (key == "title" or (key == "description" and "properties" in schema))
    }
    kinds = found.get("anyOf")
    if not are_names and isinstance(kinds, list) and all(set(kind) == {"type"} for kind in kinds):
        return {key: value for key, value in found.items() if key != "anyOf"} | {
            "type": [kind["type"] for kind in kinds]
        }
    return found
