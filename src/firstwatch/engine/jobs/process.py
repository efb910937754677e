"""The process of a job: started, or the command's own; and ``python -m firstwatch.engine.jobs.process``."""

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from pydantic import BaseModel, ValidationError

from firstwatch.engine.jobs.context import Found, JobCancelledError, JobContext, JobInterruptedError
from firstwatch.engine.jobs.kinds import work_of
from firstwatch.engine.jobs.locks import JobLock, remove_left_folders, turn
from firstwatch.engine.niceness import be_nice
from firstwatch.settings import Settings, environment_of, load_settings
from firstwatch.store import jobs
from firstwatch.store.database import Session, Store, open_store
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.errors import FirstwatchError, RefusedError, StoreError, WrongUseError
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.validation import validation_sentences

LOG_FILE = "jobs.log"
_LOOK_S = 0.25
"""Interval at which a job looks whether it is cancelled."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def submit_job(
    settings: Settings,
    store: Store,
    kind: JobKind,
    title: str,
    request: BaseModel,
    *,
    clock: Clock,
    within: Callable[[Session, int], None] = lambda _session, _number: None,
) -> int:
    """Save a job, start its process, detached from this terminal, and return its number.

    ``within``: called with the number in the transaction that saves the job; if it raises, there is none.

    Raises:
        FirstwatchError: the store cannot be written, or the process cannot be started.
    """
    with store.write() as session:
        number = jobs.add_job(session, kind, title, request.model_dump_json(), now_ms=clock.now_ms())
        within(session, number)
        lock = _lock_of(settings, number)
    _start(settings, store, number, lock, clock)
    return number


def resume_job(settings: Settings, store: Store, number: int, *, clock: Clock) -> None:
    """Start a process that goes on with a job that has failed, was cancelled, or whose process is gone.

    Raises:
        WrongUseError: there is none of that number.
        RefusedError: it is done, or a process works on it.
        FirstwatchError: the store cannot be written, or the process cannot be started.
    """
    lock = _lock_of(settings, number)
    try:
        with store.write() as session:
            if jobs.get_job(session, number).state is JobState.DONE:
                raise RefusedError(f"Job {number} is done; there is nothing to go on with.")
            jobs.requeue_job(session, number)
    except BaseException:
        lock.release()
        raise
    _start(settings, store, number, lock, clock)


def run_job_here(
    settings: Settings,
    kind: JobKind,
    title: str,
    request: BaseModel,
    *,
    clock: Clock | None = None,
    show: Callable[[float, str], None] = lambda _share, _step: None,
) -> Found:
    """Do a job in this process, which becomes nice, and return what it has found; its row says how it ends.

    For commands: Ctrl-C cancels it. ``show`` gets how much is done (0 to 1), and the step.

    Raises:
        JobCancelledError: it was cancelled, here or elsewhere.
        FirstwatchError: an error of the work.
    """
    clock = clock or SystemClock()
    store = open_store(settings.home)
    try:
        with store.write() as session:
            number = jobs.add_job(session, kind, title, request.model_dump_json(), now_ms=clock.now_ms())
            lock = _lock_of(settings, number)
        return _do(settings, store, number, lock=lock, clock=clock, show=show)
    finally:
        store.close()


def _lock_of(settings: Settings, number: int) -> JobLock:
    lock = JobLock.take(settings.home, number)
    if lock is None:
        raise RefusedError(f"A process works on job {number}.")
    return lock


def _start(settings: Settings, store: Store, number: int, lock: JobLock, clock: Clock) -> None:
    try:
        with (settings.home / LOG_FILE).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "firstwatch.engine.jobs.process", str(number), str(lock.descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment_of(settings),
                start_new_session=True,
                pass_fds=(lock.descriptor,),
            )
    except OSError as error:
        sentence = f"The job's process cannot be started: {error.strerror}."
        with suppress(StoreError), store.write() as session:
            jobs.finish_job(session, number, JobState.FAILED, sentence, now_ms=clock.now_ms())
        lock.release()
        raise FirstwatchError(sentence) from error
    lock.hand_over()
    # Waited for on a thread: else it would be a zombie until this process ends.
    threading.Thread(target=process.wait, name=f"job {number}", daemon=True).start()


# --- at work ------------------------------------------------------------------------------------------


class _Ending:
    """Raises an error in the main thread when the job is cancelled in the store, or a signal comes."""

    def __init__(self, store: Store, number: int) -> None:
        self._store = store
        self._number = number
        self._ended = threading.Event()
        self._is_armed = False
        self._is_cancelled = False
        self._error: FirstwatchError | None = None

    def check(self) -> None:
        """Raise the error again if it was raised already."""
        if self._error is not None:
            raise self._error

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Let it raise in the block, at most once by itself."""
        if threading.current_thread() is not threading.main_thread():
            raise AssertionError("a job works in the main thread")
        self._is_armed = True
        before = {number: signal.signal(number, self._raise) for number in _SIGNALS}
        looking = threading.Thread(target=self._look, name="cancel", daemon=True)
        looking.start()
        try:
            yield
        finally:
            self._is_armed = False
            self._ended.set()
            for number, handler in before.items():
                signal.signal(number, handler)
            looking.join()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            with suppress(FirstwatchError):
                with self._store.read() as session:
                    self._is_cancelled = jobs.is_cancel_wanted(session, self._number)
                if self._is_cancelled and not self._ended.is_set():
                    os.kill(os.getpid(), signal.SIGTERM)
                    return

    def _raise(self, number: int, _frame: FrameType | None) -> None:
        # Not the event: this may interrupt the main thread while it holds that one's lock.
        if not self._is_armed:
            return
        self._is_armed = False
        again = f"firstwatch job resume {self._number} goes on with it"
        if self._is_cancelled or number == signal.SIGINT:
            self._error = JobCancelledError(f"The job was cancelled; {again}.")
        else:
            name = signal.Signals(number).name
            self._error = JobInterruptedError(f"The job was ended by {name}; {again}.")
        raise self._error


def _do(
    settings: Settings,
    store: Store,
    number: int,
    *,
    lock: JobLock,
    clock: Clock,
    show: Callable[[float, str], None] = lambda _share, _step: None,
) -> Found:
    """Do a job when it is its turn, write its end, and release its lock."""

    def end(state: JobState, sentence: str, result_json: str | None = None) -> None:
        try:
            with store.write() as session:
                jobs.finish_job(
                    session, number, state, sentence, now_ms=clock.now_ms(), result_json=result_json
                )
        except StoreError as error:
            # A full disk, most likely. What has made the job end is said before what has kept it unsaid.
            lock.say(str(error) if state is JobState.DONE else sentence)
            if state is JobState.DONE:
                raise

    be_nice()
    try:
        try:
            ending = _Ending(store, number)
            with ending.armed():
                found = _work(settings, store, number, clock, show=show, check=ending.check)
        except JobCancelledError as error:
            end(JobState.CANCELLED, str(error))
            raise
        except FirstwatchError as error:
            end(JobState.FAILED, str(error))
            raise
        except OSError as error:
            place = "" if error.filename is None else f": {error.filename}"
            sentence = f"The system refused: {error.strerror or error}{place}."
            end(JobState.FAILED, sentence)
            raise FirstwatchError(sentence) from error
        except MemoryError as error:
            sentence = "The job needs more memory than there is; give fewer candles."
            end(JobState.FAILED, sentence)
            raise FirstwatchError(sentence) from error
        except BaseException:
            end(JobState.FAILED, f"it failed; see {LOG_FILE} in the data folder")
            raise
        end(JobState.DONE, found.sentence, json.dumps(found.result, allow_nan=False))
        return found
    finally:
        lock.release()


def _work(
    settings: Settings,
    store: Store,
    number: int,
    clock: Clock,
    *,
    show: Callable[[float, str], None],
    check: Callable[[], None],
) -> Found:
    with store.read() as session:
        job, text = jobs.get_job(session, number), jobs.request_of_job(session, number)
    kind = work_of(job.kind)
    try:
        request = kind.request.model_validate_json(text)
    except ValidationError as error:
        raise WrongUseError("\n".join(validation_sentences(kind.request, error))) from error
    queue = "long" if kind.is_long(request) else "short"
    show(job.progress, f"waits until other {queue} jobs are done")
    with turn(settings.home, queue):
        remove_left_folders(settings.home)
        with store.write() as session:
            jobs.begin_job(session, number, now_ms=clock.now_ms())
        return kind.work(request, JobContext(number, settings, store, clock, show, check))


def main() -> int:
    """Do the job whose number and lock are the two arguments; its result is in the store."""
    os.umask(0o077)
    number = int(sys.argv[1])
    try:
        settings = load_settings()
        lock = JobLock.inherited(settings.home, number, int(sys.argv[2]))
        store = open_store(settings.home)
        try:
            _do(settings, store, number, lock=lock, clock=SystemClock())
        finally:
            store.close()
    except FirstwatchError as error:
        sys.stderr.write(f"job {number}: {error}\n")
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
