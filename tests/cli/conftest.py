"""A data folder of its own for every command, and commands in this process as a shell would run them."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from firstwatch import cli
from firstwatch.market.files import write_candles
from firstwatch.strategy.specification import sample_toml
from tests.candles import generated_candles


@dataclass(frozen=True)
class Answer:
    """What a command printed and returned."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A fresh data folder; the working folder is beside it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("FIRSTWATCH_HOME", str(folder))
    monkeypatch.delenv("FIRSTWATCH_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def firstwatch(home, capsys, monkeypatch):
    """Run one command line and return its answer."""
    # Commands run in this process, which must not become nice for the tests that follow.
    monkeypatch.setattr("firstwatch.engine.jobs.process.be_nice", lambda: None)

    def run(*arguments: object) -> Answer:
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr("sys.argv", ["firstwatch", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return run


@pytest.fixture
def algorithm(tmp_path):
    """The sample algorithm as a file."""
    path = tmp_path / "sample.toml"
    path.write_text(sample_toml(), encoding="utf-8")
    return path


@pytest.fixture
def candles(tmp_path):
    """A candle file with enough bars to warm up on and to trade."""
    path = tmp_path / "candles.csv"
    write_candles(path, generated_candles(3, 2_000))
    return path
