"""A launch as a TOML text and back; its tables are those of the files that the command line takes."""

import json

from pydantic import ValidationError

from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.toml_file import parse_toml
from firstwatch.trading.toml_text import toml_text
from firstwatch.trading.validation import validation_sentences

_NOT_SHOWN = {"accepted_warnings", "confirmed_name", "parent_run_id"}
"""They belong to one start."""


def launch_toml(settings: LaunchSettings) -> str:
    """Return the settings as a TOML text, defaults written out."""
    document = settings.model_dump(mode="json", exclude_none=True, exclude=_NOT_SHOWN)
    for name in ("capital", "leverage"):
        document[name] = float(document[name])
    return toml_text(document)


def read_launch_toml(text: str) -> LaunchSettings:
    """Return the settings in a TOML text.

    Raises:
        WrongUseError: it is not TOML, or a key or a value is wrong; one line for each mistake.
    """
    document = parse_toml(text, "The text")
    try:
        # Strict JSON: a text is not a number, but names of choices and lists are accepted.
        return LaunchSettings.model_validate_json(
            json.dumps(document), strict=True, context={"is_file": True}
        )
    except ValidationError as error:
        raise WrongUseError("\n".join(validation_sentences(LaunchSettings, error))) from error
