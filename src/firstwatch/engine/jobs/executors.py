"""Workers of a job: processes of this machine, or an existing Dask cluster, as ``[compute]`` says.

``run_all`` calls a function with a value that all calls share (candles, for example) and one argument each.
The shared value travels once to each worker, by the hash of its bytes. Results do not depend on the number of
workers or on where they are: they come in the order of the arguments.
"""

import hashlib
import logging
import mmap
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from asyncio import CancelledError as CancelledTaskError
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TypeVar

from firstwatch import __version__
from firstwatch.settings import ComputeSettings
from firstwatch.strategy.core_settings import CORE_VERSION
from firstwatch.trading.errors import FirstwatchError, StoreError, WrongUseError, said

S = TypeVar("S")
A = TypeVar("A")
R = TypeVar("R")

_MOST_SHARED = 4
"""Shared values that a worker keeps."""
_CONNECTS_S = 10.0
"""How long a scheduler may take to answer, and to have a worker."""
_GIVEN_UP = "The cluster has given up a part of the job, perhaps because workers have ended; resume the job."
_FASTER_SWITCH_S = 0.000_5


class Workers:
    """Open workers. ``executor`` runs any picklable function of a module; ``count``: how many at a time."""

    def __init__(self, executor: Executor, count: int) -> None:
        self.executor = executor
        self.count = count
        self._handed: list[tuple[Any, Any]] = []
        """Shared values, and what is passed in their place. A value is kept, so that its identity is."""

    def hand(self, shared: Any) -> Any:
        """Return what stands for a shared value in calls; equal objects are handed over once.

        Raises:
            StoreError: the disk has no room for it.
        """
        for known, place in self._handed:
            if known is shared:
                return place
        place = self._place(shared)
        self._handed = [*self._handed, (shared, place)][-_MOST_SHARED:]
        return place

    def start(self, function: Callable[[], None]) -> None:
        """Let each process begin and call a function of a module, without waiting for it."""

    def _place(self, shared: Any) -> Any:
        return _Here(shared)


def run_all(
    workers: Workers, shared: S, function: Callable[[S, A], R], arguments: Sequence[A]
) -> Iterator[R]:
    """Call ``function(shared, argument)`` for each argument; yield the results in that order, as they come.

    All but the workers must be picklable; the function is of a module. The first error ends it. What was not
    asked for when the iterator is closed is not computed.

    Raises:
        FirstwatchError: a worker has ended by itself; an error of the function.
        StoreError: the disk has no room for the shared value.
    """
    place = workers.hand(shared)
    futures: list[Future[R]] = []
    try:
        if isinstance(workers.executor, _SameProcess):
            for argument in arguments:
                yield function(shared, argument)
            return
        futures = [workers.executor.submit(_call, place, function, each) for each in arguments]
        for future in futures:
            yield future.result()
    except BrokenExecutor as error:
        raise FirstwatchError(
            "A worker process has ended by itself, perhaps for lack of memory; resume the job, or set fewer"
            " workers in [compute]."
        ) from error
    except (CancelledError, CancelledTaskError) as error:
        raise FirstwatchError(_GIVEN_UP) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "distributed":
            raise FirstwatchError(_GIVEN_UP) from error
        raise
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def open_workers(compute: ComputeSettings, folder: Path, *, count: int | None = None) -> Iterator[Workers]:
    """Open the workers of the settings, and close them at the end of the block, whatever they are doing.

    ``folder``: for files that they share; it need not exist. ``count``: so many processes instead of the
    settings' number; of a cluster all workers are used.

    Raises:
        FirstwatchError: the cluster cannot be used, or its extra is not installed.
    """
    if compute.executor == "dask":
        with _cluster(compute) as workers:
            yield workers
        return
    count = count or compute.workers or default_count()
    if count == 1:
        # The process of a job is niced itself; a second one would only start later.
        yield Workers(_SameProcess(), 1)
        return
    with _processes(count, folder) as workers:
        yield workers


def default_count() -> int:
    """Return one fewer than the processors that this process may use, at least one."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return max(1, cores - 1)


# --- in the worker ---------------------------------------------------------------------------------


class _Here:
    """A shared value in the same process, or as a cluster has delivered it."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _InFile:
    """A shared value in a file of this machine, named by the hash of its bytes."""

    def __init__(self, path: Path, spans: tuple[tuple[int, int], ...]) -> None:
        self.path = path
        self.spans = spans
        """Where its parts lie in the file: the pickle, then the arrays."""

    @property
    def value(self) -> Any:
        """The value; its arrays lie in the file's memory, which all workers share until they write."""
        found = _KEPT.get(self.path)
        if found is None:
            with self.path.open("rb") as file:
                memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
            parts = [memory[first:end] for first, end in self.spans]
            found = _KEPT[self.path] = pickle.loads(parts[0], buffers=parts[1:])
            while len(_KEPT) > _MOST_SHARED:
                _KEPT.popitem(last=False)
        return found


_KEPT: OrderedDict[Path, Any] = OrderedDict()


def _call(place: Any, function: Callable[[Any, Any], Any], argument: Any) -> Any:
    return function(place.value if isinstance(place, _InFile | _Here) else place, argument)


def _begin_worker() -> None:
    """Let the worker end with the process of its job, and only with it."""
    # Ctrl-C reaches every process of a terminal; the first ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.setswitchinterval(_FASTER_SWITCH_S)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


# --- processes of this machine ------------------------------------------------------------------------


class _SameProcess(Executor):
    """Calls in the thread that submits."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Processes(Workers):
    def __init__(self, executor: Executor, count: int, folder: Path) -> None:
        super().__init__(executor, count)
        self._folder = folder

    def start(self, function: Callable[[], None]) -> None:
        for _ in range(self.count):
            self.executor.submit(function)

    def _place(self, shared: Any) -> Any:
        buffers: list[pickle.PickleBuffer] = []
        whole = pickle.dumps(shared, protocol=5, buffer_callback=buffers.append)
        parts: list[Any] = [whole, *(buffer.raw() for buffer in buffers)]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        path = self._folder / digest.hexdigest()
        spans: list[tuple[int, int]] = []
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("wb") as file:
                for part in parts:
                    # Arrays begin where their numbers may lie.
                    file.write(bytes(-file.tell() % 64))
                    first = file.tell()
                    file.write(part)
                    spans.append((first, file.tell()))
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be written: {error.strerror}.") from error
        return _InFile(path, tuple(spans))


@contextmanager
def _processes(count: int, folder: Path) -> Iterator[Workers]:
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
    )
    try:
        yield _Processes(executor, count, folder)
    finally:
        for child in set(multiprocessing.active_children()) - before:
            child.kill()
        executor.shutdown(wait=True, cancel_futures=True)


# --- a cluster ----------------------------------------------------------------------------------------


class _Cluster(Workers):
    def __init__(self, client: Any, executor: Executor, count: int) -> None:
        super().__init__(executor, count)
        self._client = client

    def _place(self, shared: Any) -> Any:
        name = f"firstwatch-{hashlib.sha256(pickle.dumps(shared, protocol=5)).hexdigest()}"
        return self._client.scatter({name: shared}, broadcast=True, hash=False)[name]


@contextmanager
def _cluster(compute: ComputeSettings) -> Iterator[Workers]:
    try:
        # Its classes have types in part only.
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise WrongUseError(
            'executor = "dask" in [compute] needs the extra cluster: pip install "firstwatch[cluster]".'
        ) from error
    # What goes wrong is an error here; to its logger belongs no terminal.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    address = str(compute.scheduler)
    security = None
    if compute.is_encrypted:
        for name in ("ca", "certificate", "key"):
            _check_file(name, getattr(compute, name))
        security = distributed.Security(
            tls_ca_file=str(compute.ca),
            tls_client_cert=str(compute.certificate),
            tls_client_key=str(compute.key),
            require_encryption=True,
        )
    try:
        client = distributed.Client(address, security=security, timeout=_CONNECTS_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise FirstwatchError(
            f"The scheduler {address} does not answer ({said(error).splitlines()[0]}); start it, or set"
            ' executor = "local" in [compute].'
        ) from error
    try:
        _check_cluster(client, address)
        executor = client.get_executor(pure=False)
        try:
            yield _Cluster(client, executor, sum(client.nthreads().values()))
        finally:
            executor.shutdown(wait=False)
    finally:
        with suppress(Exception):
            client.close(timeout=_CONNECTS_S)


def _check_file(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise WrongUseError(f"{name} of [compute] cannot be read from {path}: {error.strerror}.") from error


def _check_cluster(client: Any, address: str) -> None:
    """Refuse a cluster without workers, or whose workers would compute something else."""
    try:
        client.wait_for_workers(1, timeout=_CONNECTS_S)
    except TimeoutError as error:
        raise FirstwatchError(f"The scheduler {address} has no workers; start some.") from error
    own = versions()
    try:
        found = client.run(versions)
    except Exception as error:
        raise FirstwatchError(
            f"The workers of {address} cannot run firstwatch ({said(error).splitlines()[0]}); install"
            f" firstwatch {__version__} there."
        ) from error
    for worker, theirs in found.items():
        if tuple(theirs) != own:
            raise FirstwatchError(
                f"The worker {worker} of {address} has {_listed(theirs)}, and this machine {_listed(own)};"
                " results would differ: install the same there."
            )


def versions() -> tuple[str, ...]:
    """Return the versions of what results depend on."""
    import numpy as np
    import talib

    return __version__, str(CORE_VERSION), np.__version__, talib.__version__


def _listed(found: Sequence[str]) -> str:
    return "firstwatch {}, core {}, numpy {}, TA-Lib {}".format(*found)
