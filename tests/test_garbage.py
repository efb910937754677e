"""Garbage in every file, key and variable is answered in plain sentences, without a word of a library."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from firstwatch.market.launch_files import read_guards, read_market, read_reset, read_session
from firstwatch.settings import Settings, load_settings
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import (
    FollowUp,
    Guards,
    LaunchSettings,
    ResetSettings,
    SessionPolicy,
    SessionSettings,
    SessionWindow,
    Weekday,
)
from firstwatch.trading.market import Market
from firstwatch.trading.runs import ExitReason
from firstwatch.tui.launch_form.toml_form import launch_toml, read_launch_toml
from firstwatch.tui.themes import load_themes, theme_folder
from firstwatch.venues.registry import VenueKind
from tests.garbage import TEXTS, VALUES, foreign_in, made_up, spoilt

LAUNCH = launch_toml(
    LaunchSettings(
        algorithm="alpha",
        version=3,
        wallet="demo",
        symbol="BTC/USDC:USDC",
        capital=Decimal(500),
        trades_limit=5,
        without_stop_reason="hedged",
        session=SessionSettings(
            policy=SessionPolicy.PAUSE_ENTRIES,
            windows=(SessionWindow(days=(Weekday.MON,), start="09:00", end="10:00"),),
        ),
        reset=ResetSettings(follow_up=(FollowUp(after=(ExitReason.STOP_LOSS,), within_bars=5),)),
        guards=Guards(drawdown=0.2, daily_loss=0.1, losing_trades=4),
    )
)


def part(table: str) -> str:
    """Return one table of the launch, with what is below it."""
    parts = LAUNCH.split("\n\n")
    return "\n\n".join(each for each in parts if each.lstrip("[").startswith(table))


def fields_of(model: type[BaseModel], value: str) -> str:
    return "\n".join(f"{name} = {value}" for name in model.model_fields)


def of_file(read: Callable[[Path], object]) -> Callable[[str, Path], object]:
    def reading(text: str, folder: Path) -> object:
        path = folder / "file.toml"
        path.write_text(text, encoding="utf-8")
        return read(path)

    return reading


def themes(text: str, folder: Path) -> object:
    (folder / "file.toml").write_text(text, encoding="utf-8")
    if problems := load_themes(folder).problems:
        raise WrongUseError("\n".join(problems))
    return None


READERS: dict[str, tuple[str, Callable[[str, Path], object]]] = {
    "launch": (LAUNCH, lambda text, _: read_launch_toml(text)),
    "algorithm": (sample_toml(), lambda text, _: AlgorithmSpec.from_toml(text, where="file.toml")),
    "session": (part("session"), of_file(read_session)),
    "reset": (part("reset"), of_file(read_reset)),
    "guards": (part("guards"), of_file(read_guards)),
    "market": (f"[market]\n{fields_of(Market, '1')}", of_file(read_market)),
    "theme": ((theme_folder() / "sixteen.toml").read_text(encoding="utf-8"), themes),
}


def answer(read: Callable[[], object]) -> str:
    """Return what is said of a mistake; nothing: there is none."""
    try:
        read()
    except WrongUseError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", READERS)
def test_a_file_with_garbage_in_any_place_is_refused_in_plain_words(name: str, tmp_path: Path) -> None:
    good, read = READERS[name]
    said = {text: answer(lambda text=text: read(text, tmp_path)) for text in spoilt(good)}
    assert sum(map(bool, said.values())) > len(said) / 2
    assert not {text: sentence for text, sentence in said.items() if foreign_in(sentence)}
    assert all(len(sentence) < 3_000 for sentence in said.values())


def tables_of(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the tables of the settings file, each by its name."""
    yield path, model
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from tables_of(field.annotation, f"{path}.{name}".removeprefix("."))


TABLES = [
    *(table for table in tables_of(Settings) if table[0]),
    *((f"venues.{kind}", kind.settings) for kind in VenueKind),
]
KEYS = [
    *(("", name) for name in Settings.model_fields if name not in ("home", "config")),
    *((path, name) for path, model in TABLES for name in model.model_fields),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRSTWATCH_HOME", str(tmp_path))
    monkeypatch.delenv("FIRSTWATCH_CONFIG", raising=False)
    return tmp_path


def test_every_key_of_the_settings_with_garbage_is_refused_in_plain_words(home: Path) -> None:
    assert len(KEYS) > 25
    refused = set()
    for table, key in KEYS:
        kind = table.removeprefix("venues.")
        above = (
            f"[{table}]\n{f'kind = {chr(34)}{kind}{chr(34)}' if kind != table and key != 'kind' else ''}\n"
        )
        for value in VALUES:
            text = f"{above if table else ''}{key} = {value}\n"
            (home / "config.toml").write_text(text, encoding="utf-8")
            if said := answer(load_settings):
                refused.add((table, key))
                assert not foreign_in(said), (text, said)
                assert key in said or "config.toml" in said, (text, said)
    assert refused == set(KEYS)


def test_every_variable_with_garbage_is_refused_in_plain_words(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = set()
    for table, key in KEYS:
        names = [*table.split("."), key] if table else [key]
        variable = f"FIRSTWATCH_{'__'.join(names).upper()}"
        for text in [*TEXTS, *made_up(7, 4), "[1, {", '{"a": [1]}', "[]", "true"]:
            monkeypatch.setenv(variable, text)
            if said := answer(load_settings):
                refused.add(variable)
                assert not foreign_in(said, text), (variable, text, said)
        monkeypatch.delenv(variable)
    assert len(refused) > len(KEYS) / 2
