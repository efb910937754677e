"""Runs the making of a baseline: in a process that the manager starts, or in the command's own."""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from firstwatch.engine.baselines.maker import BaselineRequest, Made, Progress, make_baseline
from firstwatch.engine.baselines.making import (
    Making,
    MakingState,
    is_being_made,
    read_making,
    sole_maker,
    write_making,
)
from firstwatch.settings import Settings, load_settings
from firstwatch.store.database import open_store
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.errors import FirstwatchError, RefusedError
from firstwatch.trading.text import counted

LOG_FILE = "baseline.log"
_NICENESS = 10


class MakingCancelledError(FirstwatchError):
    """The baseline was cancelled before it was finished."""


def run_making(settings: Settings, request: BaselineRequest, *, clock: Clock, progress: Progress) -> Made:
    """Make a baseline in this process, niced, and write its progress; SIGTERM and SIGINT cancel it.

    Raises:
        RefusedError: another process makes one.
        MakingCancelledError: it was cancelled.
        FirstwatchError: as ``make_baseline``.
    """
    os.nice(_NICENESS)
    launch = request.launch
    making = Making(
        pid=os.getpid(),
        algorithm=launch.name,
        symbol=launch.symbol,
        state=MakingState.RUNNING,
        started_ms=clock.now_ms(),
    )

    def note(share: float, sentence: str) -> None:
        nonlocal making
        making = making.model_copy(update={"share": share, "sentence": sentence})
        write_making(settings.home, making)
        progress(share, sentence)

    def end(state: MakingState, sentence: str, baseline_id: int | None = None) -> None:
        share = 1.0 if state is MakingState.DONE else making.share
        ended = {"state": state, "sentence": sentence, "share": share, "baseline_id": baseline_id}
        write_making(settings.home, making.model_copy(update=ended))

    with sole_maker(settings.home):
        try:
            with _cancelled_by_signals():
                store = open_store(settings.home)
                try:
                    made = make_baseline(settings, store, request, clock=clock, progress=note)
                finally:
                    store.close()
        except MakingCancelledError as error:
            end(MakingState.CANCELLED, str(error))
            raise
        except FirstwatchError as error:
            end(MakingState.FAILED, str(error))
            raise
        except BaseException:
            end(MakingState.FAILED, f"making it failed; see {LOG_FILE}")
            raise
        end(MakingState.DONE, sentence_of(made), made.backtest.id)
    return made


def sentence_of(made: Made) -> str:
    """Return a sentence for the operator about the finished baseline."""
    was = "saved" if made.is_new else "saved before from just the same; it is used again"
    trades = made.backtest.metrics.get("total_trades", 0)
    return (
        f"baseline of {made.version.label} on {made.backtest.symbol}: {counted(round(made.days), 'day')},"
        f" {counted(made.backtest.bars, 'bar')}, {counted(trades, 'trade')}, {was}"
    )


def start_making(settings: Settings, request: BaselineRequest) -> "subprocess.Popen[bytes]":
    """Start a process that makes the baseline, detached from this terminal, and return it.

    Raises:
        RefusedError: one is being made in this data folder.
        FirstwatchError: the process cannot be started.
    """
    if is_being_made(settings.home):
        raise RefusedError("A baseline is being made; wait for it, or cancel it.")
    environment = {**os.environ, "FIRSTWATCH_HOME": str(settings.home)}
    if settings.config is not None:
        environment["FIRSTWATCH_CONFIG"] = str(settings.config.absolute())
    try:
        with (settings.home / LOG_FILE).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "firstwatch.engine.baselines.process"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(request.model_dump_json().encode())
    except OSError as error:
        raise FirstwatchError(f"The baseline's process cannot be started: {error.strerror}.") from error
    return process


def cancel_making(home: Path) -> bool:
    """Ask the process that makes a baseline here to end; False: there is none."""
    found = read_making(home)
    if found is None or found.state is not MakingState.RUNNING:
        return False
    with suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    return True


@contextmanager
def _cancelled_by_signals() -> Iterator[None]:
    """Raise ``MakingCancelledError`` in this thread when a signal asks the process to end."""

    def cancel(_number: int, _frame: FrameType | None) -> NoReturn:
        raise MakingCancelledError("The baseline was cancelled.")

    before = {number: signal.signal(number, cancel) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    """Make the baseline that standard input asks for; the result is in the data folder."""
    os.umask(0o077)
    try:
        settings = load_settings()
        request = BaselineRequest.model_validate_json(sys.stdin.buffer.read())
        run_making(settings, request, clock=SystemClock(), progress=lambda _share, _step: None)
    except FirstwatchError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
