"""Garbage in every option and argument of every command is answered in plain sentences."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from firstwatch.cli.commands import app
from firstwatch.market.files import write_candles
from firstwatch.store.database import open_store
from tests.candles import generated_candles
from tests.garbage import TEXTS, foreign_in, made_up
from tests.store.made import made_run

NAME = "RSI reversion@1"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield all commands with their paths."""
    if inner := getattr(command, "commands", None):
        for name, each in inner.items():
            yield from commands(each, (*path, name))
    else:
        yield path, command


COMMANDS = list(commands(typer.main.get_command(app)))


def takes_value(parameter: Any) -> bool:
    return not getattr(parameter, "is_flag", False) and parameter.name != "help"


@pytest.fixture
def good(firstwatch, home, algorithm, tmp_path, monkeypatch):
    """Return a right value for each argument and each option that a command must have."""
    monkeypatch.setenv("VISUAL", "true")
    firstwatch("algorithm", "add", algorithm)
    firstwatch("wallet", "create", "play", "--venue", "paper")
    firstwatch("wallet", "create", "other", "--venue", "paper")
    store = open_store(home)
    with store.write() as session:
        run = made_run(session).id
    store.close()
    few = tmp_path / "few.csv"
    write_candles(few, generated_candles(3, 50))
    values = {
        "run": run, "file": algorithm, "files": few, "candles": few, "wallet": "play", "target": "other",
        "venue": "paper", "symbol": "BTC/USDC:USDC", "capital": "100", "amount": "5", "client": "codex",
        "ask": "1", "job": "1", "parameter": "stop_loss.fraction=0.01..0.1", "results": "1",
        "old": "RSI reversion", "new": "Dips", "before": NAME, "after": NAME, "text": "a note",
    }  # fmt: skip

    def value(path: tuple[str, ...], name: str) -> str:
        if name == "algorithm":
            return NAME if path[0] in ("run", "baseline") else str(algorithm)
        if path[0] == "algorithm" and path[-1] in ("new", "template"):
            return "supertrend"
        if path == ("algorithm", "export") and name == "file":
            return str(few.parent / "exported.toml")
        if name == "name":
            return NAME if path[0] == "algorithm" else "play"
        return str(values[name])

    return value


def words(parameter: Any, value: str) -> list[str]:
    is_option = parameter.opts[0].startswith("--")
    return [parameter.opts[0], value] if is_option else [value]


def lines(good: Callable[[tuple[str, ...], str], str]) -> Iterator[tuple[list[str], str]]:
    """Yield command lines with garbage in one place each, and the garbage."""
    for place, (path, command) in enumerate(COMMANDS):
        parameters = [each for each in command.params if takes_value(each)]
        for number, spoilt in enumerate(parameters, 100 * place):
            for typed in ("abc", [*TEXTS, *made_up(number, 4)][number % (len(TEXTS) + 4)]):
                line = list(path)
                for each in parameters:
                    if each is spoilt or each.required or (path[0], each.name) == ("baseline", "candles"):
                        line += words(each, typed if each is spoilt else good(path, each.name))
                yield line, typed
        needed = [word for each in parameters if each.required for word in words(each, "abc")]
        for typed in ("--abc", *made_up(place, 1)):
            yield [*path, *needed, typed, typed, typed], typed


def test_garbage_in_any_option_or_argument_is_answered_in_plain_words(firstwatch, good):
    wrong, codes = [], Counter()
    for line, typed in lines(good):
        answer = firstwatch(*line)
        codes[answer.code] += 1
        said = answer.out + answer.err
        if answer.code not in (0, 1, 2, 3) or "Unexpected" in said or foreign_in(said, typed):
            wrong.append((line, answer.code, said))
    assert not wrong, "\n".join(map(str, wrong))
    assert codes[2] > 150


def test_every_command_is_driven():
    assert len(COMMANDS) > 35
    assert sum(takes_value(each) for _, command in COMMANDS for each in command.params) > 90
