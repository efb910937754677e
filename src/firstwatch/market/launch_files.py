"""The small TOML files that a launch or a backtest takes: session, reset, guards, market."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from firstwatch.market.exchange_hours import with_hours
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import Guards, ResetSettings, SessionPolicy, SessionSettings
from firstwatch.trading.market import Market
from firstwatch.trading.toml_file import read_toml
from firstwatch.trading.validation import nearest, validation_sentences

_MODELS: dict[str, type[BaseModel]] = {
    "session": SessionSettings,
    "reset": ResetSettings,
    "guards": Guards,
    "market": Market,
}

_Model = TypeVar("_Model", bound=BaseModel)


def read_session(path: Path) -> SessionSettings:
    """Read a session calendar policy, at the top level of the file or in its table ``[session]``.

    Raises:
        WrongUseError: the file cannot be read, a key or a value is wrong, or the hours of the exchange that
            it names cannot be found.
    """
    settings = _read(path, "session", SessionSettings)
    if "policy" not in settings.model_fields_set:
        # The default is off: windows without a policy would be read and then ignored.
        raise WrongUseError(
            f"{path}, session settings: the key policy is missing; write {' or '.join(SessionPolicy)}"
        )
    try:
        return with_hours(settings)
    except WrongUseError as error:
        raise WrongUseError(f"{path}: {error}") from error


def read_reset(path: Path) -> ResetSettings:
    """Read reset mode and follow-up chain, at the top level or in ``[reset]``. Errors as ``read_session``."""
    return _read(path, "reset", ResetSettings)


def read_guards(path: Path) -> Guards:
    """Read the guards, at the top level or in ``[guards]``. Errors as ``read_session``."""
    return _read(path, "guards", Guards)


def read_market(path: Path) -> Market:
    """Read a market, at the top level or in ``[market]``. Errors as ``read_session``."""
    return _read(path, "market", Market)


def _read(path: Path, table: str, model: type[_Model]) -> _Model:
    path = Path(path)
    section = _section(path, table, model)
    try:
        # Strict JSON: a text is not a number, but names of choices and lists are accepted.
        return model.model_validate_json(json.dumps(section), strict=True, context={"is_file": True})
    except ValidationError as error:
        sentences = validation_sentences(model, error)
        listed = sentences[0] if len(sentences) == 1 else "\n  ".join(("", *sentences))
        raise WrongUseError(f"{path}, {table} settings: {listed}") from error


def _section(path: Path, table: str, model: type[BaseModel]) -> dict[str, Any]:
    content = read_toml(path)
    top = {key: value for key, value in content.items() if key not in _MODELS or not isinstance(value, dict)}
    section = content.get(table)
    if not isinstance(section, dict):
        section, top = top, {}
    if top:
        key = next(iter(top))
        hint = nearest(key, [table, *model.model_fields])
        raise WrongUseError(f"{path}: the key {key} stands outside of the table [{table}]{hint}")
    if not section:
        raise WrongUseError(f"{path} holds no {table} settings; write them in a table [{table}]")
    return section
