"""The decision core compiled by numba (extra ``optimise``): the same functions, registered from outside.

This module alone imports numba, and only where a loop is asked for. The compiled machine code is kept in a
folder of the caller's, under a name that holds everything it depends on (``compiled_name``): numba itself
looks only at the file of the outermost function, and would serve an old result after a change of a callee.
"""

import hashlib
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from firstwatch.strategy import core, core_loop, core_prices, core_replay
from firstwatch.strategy.core_loop import (
    COUNTS,
    LEVEL_FIELDS,
    NEVER,
    NOT_PAUSED,
    NOTE_FIELDS,
    STRETCH_FIELDS,
    TRADE_FIELDS,
    play_bars,
)
from firstwatch.strategy.core_state import NOTE_KINDS, CoreSettings, CoreState, record_fields

Loop = Callable[..., None]
"""``play_bars`` with the same arguments, all columns as arrays; those that it only reads are read-only."""

MODULES = (core_prices, core, core_replay, core_loop)
"""The modules whose functions are compiled."""
SOURCES = "core*.py"
"""The files that a compiled function depends on: all of the core, its constants and field tables included."""

_STATE = np.dtype(record_fields(CoreState))
_SETTINGS = np.dtype(record_fields(CoreSettings))
_LIBRARIES = ("numba", "llvmlite", "numpy")
_NOT_COMPILED = (core.new_state, play_bars)
"""What makes a state has no compiled form; the loop is what calls the others."""


@cache
def is_installed() -> bool:
    """Return whether numba is there; it is not imported for that."""
    return find_spec("numba") is not None


def sources_sha256(folder: Path) -> str:
    """Return the SHA-256 (hex) of the core's sources in that folder, and of this module."""
    found = hashlib.sha256()
    for path in (*sorted(folder.glob(SOURCES)), folder / Path(__file__).name):
        found.update(f"{path.name}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


_SOURCES_SHA256 = sources_sha256(Path(__file__).parent)
"""Of the sources that this process has imported, whatever the files become meanwhile."""


def compiled_name() -> str:
    """Return a name for the compiled core: 32 hex digits of a SHA-256 of its sources and what compiles them.

    Raises:
        PackageNotFoundError: numba is not installed.
    """
    from importlib.metadata import version

    parts = [_SOURCES_SHA256, sys.version, *(f"{name} {version(name)}" for name in _LIBRARIES)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def is_compiled(folder: Path) -> bool:
    """Return whether the machine code is in that folder already: loading it takes 0.2 s, compiling it 5 s."""
    return next(folder.glob("*/*.nbc"), None) is not None


def load_loop(folder: Path) -> Loop:
    """Return the compiled loop: from ``folder``, whose name ends with ``compiled_name``, or compiled into it.

    Raises:
        ImportError: numba is not installed.
        OSError: the folder cannot be read or written.
    """
    numba = _import_numba()
    numba.config.CACHE_DIR = str(folder)
    _register()
    dispatcher = numba.njit(cache=True, nogil=True)(play_bars)
    dispatcher.compile(tuple(map(numba.typeof, _sample())))
    dispatcher.disable_compile()
    read_state, read_settings = _reader(_STATE), _reader(_SETTINGS)
    names = _STATE.names or ()

    def loop(state: CoreState, settings: CoreSettings, *arguments: Any) -> None:
        record = np.array([read_state(state)], dtype=_STATE)
        dispatcher(record[0], np.array([read_settings(settings)], dtype=_SETTINGS)[0], *arguments)
        for name, value in zip(names, record.item(), strict=True):
            setattr(state, name, value)

    return loop


def _import_numba() -> Any:
    """Import numba without scipy, which it would import as a whole (0.25 s) for functions unused here."""
    modules: dict[str, Any] = sys.modules
    is_hidden = "numba" not in modules and "scipy" not in modules
    if is_hidden:
        modules["scipy"] = None
    try:
        import numba
        import numba.extending
        import numba.np.arraymath
    finally:
        if is_hidden:
            del modules["scipy"]
    return numba


@cache
def _register() -> None:
    """Let compiled functions call those of the core, once in a process."""
    register = _import_numba().extending.register_jitable
    for module in MODULES:
        for function in vars(module).values():
            is_own = isinstance(function, FunctionType) and function.__module__ == module.__name__
            if is_own and function not in _NOT_COMPILED:
                register(function)


def _reader(table: np.dtype[Any]) -> Callable[[Any], tuple[Any, ...]]:
    read: Callable[[Any], tuple[Any, ...]] = attrgetter(*(table.names or ()))
    return read


def _sample() -> tuple[Any, ...]:
    """Return arguments of ``play_bars`` of the types that it is compiled for."""
    numbers, bars, flags, marks = map(
        read_only, (np.zeros(1), *(np.zeros(1, kind) for kind in (int, "i1", "?")))
    )
    return (
        np.zeros(1, _STATE)[0],
        np.zeros(1, _SETTINGS)[0],
        (bars, numbers, numbers, numbers, numbers, numbers),
        (flags, flags, flags, flags),
        (numbers, numbers),
        (flags, flags),
        (marks, marks),
        (bars, flags, numbers),
        bars,
        marks,
        0,
        0,
        NOT_PAUSED,
        0,
        0,
        NEVER,
        (
            np.empty((1, TRADE_FIELDS)),
            np.empty(1, np.int64),
            np.empty((1, STRETCH_FIELDS)),
            np.empty(1, np.int64),
            np.empty((1, LEVEL_FIELDS)),
            np.empty(COUNTS, np.int64),
            np.empty((NOTE_KINDS, NOTE_FIELDS)),
        ),
    )


def read_only(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a view of a column that cannot be written: the type that the compiled loop reads.

    One that is not aligned or has gaps, as in a buffer of another process, is copied.
    """
    view = np.require(column, requirements=("C", "A")).view()
    view.flags.writeable = False
    return view
