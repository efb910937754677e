"""A data folder with a signed wallet at a loopback venue, and the program's commands as processes."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from eth_account import Account as EthAccount

from firstwatch.engine.lock import holder_of
from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe
from tests.live.machine import Machine
from tests.loopback import Coin, Loopback

T = TypeVar("T")
SYMBOL = "BTC/USDC:USDC"
KEY = "5e" * 32
ACCOUNT = EthAccount.from_key("0x" + KEY).address.lower()
LIMIT_S = 60.0
_PAUSE_EVERY, _PAUSE_S = 5, 0.8


def until(what: Callable[[], T | None], name: str, limit_s: float | None = None) -> T:
    """Return what ``what`` returns as soon as it is something."""
    limit_s = LIMIT_S if limit_s is None else limit_s
    end_s = time.monotonic() + limit_s
    while (found := what()) is None:
        if time.monotonic() > end_s:
            raise TimeoutError(f"waited {limit_s:g} s for {name}")
        time.sleep(0.002)
    return found


def remove_folder(folder: Path) -> None:
    """Remove ``folder``; the watch of a killed engine ends by itself, but only moments later."""

    def remove() -> bool | None:
        try:
            shutil.rmtree(folder)
        except OSError:
            return None
        return True

    until(remove, f"no process to write in {folder}")


class Desk:
    """The program in front of a stepped loopback venue with one funded wallet, ``main``."""

    def __init__(
        self,
        home: Path,
        bars: Sequence[Bar],
        timeframe: Timeframe,
        *,
        history: int,
        toml: str,
        funds: int = 10_000,
        has_watch: bool = False,
        **coin: Any,
    ) -> None:
        self.home, self.bars = home, bars
        self.next_bar = history + 1
        """The bar that has not begun; the one before it forms when the venue opens."""
        self.timeframe = timeframe
        coins = [
            Coin("ETH", sz_decimals=4, max_leverage=25, price=2_500.0),
            Coin("BTC", sz_decimals=5, max_leverage=40, bars=bars, timeframe=timeframe, **coin),
        ]
        # Whose clock stands while a run decides cannot limit requests by the minute of the wall.
        self.server = Loopback(coins, history=history, network="testnet", weight_limit=None).start()
        self.server.fund(ACCOUNT, funds)
        home.mkdir(parents=True)
        (home / "algorithm.toml").write_text(toml)
        (home / "passphrase").write_text("correct horse battery\n")
        (home / "config.toml").write_text(
            f'[venues.hl]\nkind = "hyperliquid"\nnetwork = "testnet"\n'
            f'api_url = "{self.server.url}"\nws_url = "{self.server.ws_url}"\n'
            "weight_per_minute = 100_000\n"
            # The clock stands between two bars: what waited for a later moment would come too late.
            "[limits]\nslice_delay_s = 0\n"
        )
        self._environment = {
            **os.environ,
            "FIRSTWATCH_HOME": str(home),
            "FIRSTWATCH_CONFIG": str(home / "config.toml"),
            "FIRSTWATCH_PASSPHRASE_FILE": str(home / "passphrase"),
            "FIRSTWATCH_WATCH__ENABLED": str(has_watch).lower(),
        }
        self.machine = Machine(home / "machine")
        self.process: subprocess.Popen[str] | None = None
        self.do("algorithm", "add", home / "algorithm.toml")
        self.do("wallet", "import", "main", "--venue", "hl", "--account", ACCOUNT, "--key-fd", 0, told=KEY)

    def do(self, *words: object, told: str = "") -> str:
        """Run a command to its end; return what it printed."""
        done = subprocess.run(
            self._command("firstwatch", *words),
            env=self._environment,
            input=told,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _command(self, module: str, *words: object) -> list[str]:
        """Return what runs a module of the program on the machine whose clocks jump."""
        return [sys.executable, "-m", "tests.live.machine", str(self.machine.path), module, *map(str, words)]

    def launch(self, name: str, *options: object) -> None:
        """Start a run that holds the engine in a process of its own; returns when it runs."""
        words = (
            "run start", name, "--wallet main --symbol", SYMBOL, "--accept-warnings test",
            "--without-stop test --wait",
        )  # fmt: skip
        self.process = subprocess.Popen(
            self._command("firstwatch", *" ".join(words).split(), *options),
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def runs() -> bool | None:
            self._must_live()
            return self._value("select 1 from run where state = 'RUNNING'") and True

        until(runs, "the run to begin")
        self._wait_for_leverage()

    def engine(self) -> "subprocess.Popen[str]":
        """Start an engine process in the background; it waits until nobody else holds the engine."""
        return subprocess.Popen(
            self._command("firstwatch.engine.host.daemon"),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def wait_held(self, engine: "subprocess.Popen[str]") -> None:
        """Wait until that process holds the engine."""

        def holds() -> bool | None:
            holder = holder_of(self.home)
            return (holder is not None and holder.pid == engine.pid) or None

        until(holds, f"process {engine.pid} to hold the engine")

    def hand_over(self, name: str, *options: object) -> str:
        """Hand a run to the engine that lives, and wait until it has begun; return its id."""
        run_id = self.ask_for(name, *options)
        self.wait_begun(run_id)
        self._wait_for_leverage()
        return run_id

    def ask_for(self, name: str, *options: object) -> str:
        """Hand a run to the engine that lives; return its id."""
        words = f"run start {name} --wallet main --symbol {SYMBOL} --accept-warnings test".split()
        return self.do(*words, *options).split()[-1]

    def wait_begun(self, run_id: str) -> None:
        """Wait until a run has begun, or has failed to."""
        until(lambda: self._value(f"select 1 from run where id = '{run_id}' and state != 'NEW'"), "the begin")

    def _wait_for_leverage(self) -> None:
        """Wait for the last request of a launch: an entry that is decided before it would be dropped."""
        until(lambda: self.server.audit().requests.get("activeAssetData"), "the leverage to be set")

    def rows(self, question: str) -> list[Any]:
        """Return the rows of a question to the store."""
        with sqlite3.connect(f"file:{self.home / 'firstwatch.db'}?mode=ro", uri=True, timeout=5) as reader:
            rows = reader.execute(question).fetchall()
        reader.close()
        return rows

    def play_bar(self) -> None:
        """Let the next bar begin, and wait until what the last one led to was done."""
        bar = self.bars[self.next_bar]
        if self.next_bar % _PAUSE_EVERY == 0:
            # An uneven pace, so that nobody takes a clock that is stepped for one that runs fast.
            time.sleep(_PAUSE_S)
        self.server.step_to(bar.time_ms)
        closed_ms = self.bars[self.next_bar - 1].time_ms

        def decided() -> bool | None:
            if self.process is not None and self.process.poll() is not None:
                return True
            return self.has_decided(closed_ms) or None

        until(decided, f"the decision at the close of bar {self.next_bar - 1}")
        self.next_bar += 1

    def has_decided(self, closed_ms: int) -> bool:
        """The close of that bar was decided, and what that led to has come to an end."""
        last_ms = self._value("select max(time_ms) from equity")
        waiting = self._value(
            "select count(*) from run_order where state in"
            " ('PENDING_SUBMIT', 'SUBMITTED', 'UNKNOWN', 'PENDING_CANCEL')"
            " or (kind = 'market' and state in ('ACCEPTED', 'PARTIALLY_FILLED'))"
        )
        return (last_ms or 0) >= closed_ms and not waiting

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def shown(self) -> dict[str, Any]:
        """Return the newest run as ``run show --json`` says it."""
        run_id = self._value("select id from run order by created_at_ms desc limit 1")
        return json.loads(self.do("run", "show", run_id, "--json"))

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.server.stop()

    def _must_live(self) -> None:
        if self.process is not None and self.process.poll() is not None:
            _, said = self.process.communicate()
            raise AssertionError(f"the engine ended with {self.process.returncode}: {said}")

    def _value(self, question: str) -> Any:
        rows = self.rows(question)
        return rows[0][0] if rows else None
