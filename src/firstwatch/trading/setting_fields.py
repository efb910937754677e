"""Field types that the tables of the settings file share.

A number may be written as text in the environment, where everything is text, and never in the file.
"""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from firstwatch.trading.numbers import BoundedDecimal
from firstwatch.trading.validation import value_text


class FileText(str):
    """A text of the settings file: unlike one of the environment it never stands for a number."""

    __slots__ = ()


def _number(value: object) -> object:
    if isinstance(value, bool | FileText):
        raise ValueError(f"it should be a number, not {value_text(value)}")
    return value


WholeSetting = Annotated[int, BeforeValidator(_number)]
RealSetting = Annotated[float, BeforeValidator(_number)]
DecimalSetting = Annotated[BoundedDecimal, BeforeValidator(_number)]


class SettingsTable(BaseModel):
    """One table of the settings file; a key that it does not have is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
