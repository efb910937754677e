"""Unix socket on which the engine accepts the passphrase from a screen or a command.

It is in the data folder, which only its owner may enter, and serves only processes of the same user.
The passphrase goes through memory alone: never by the store, a file, an argument or a log.
"""

import json
import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from firstwatch.trading.errors import FirstwatchError, RefusedError, said
from firstwatch.wallets.forgetting import forget
from firstwatch.wallets.key_ring import KeyRing

SOCKET_FILE = "unlock.sock"
_LONGEST_BYTES = 4096
_LONGEST_PATH = 100
_TALK_S = 5.0
_ANSWER_S = 60.0
_BACKLOG = 4

_log = logging.getLogger(__name__)


class _Offered(BaseModel):
    """A caller's request."""

    # No string cache: it would keep the passphrase in memory.
    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True, cache_strings="none")
    passphrase: str


class _Answer(BaseModel):
    """The engine's answer."""

    model_config = ConfigDict(strict=True, extra="forbid")
    unlocked: bool
    sentence: str


class UnlockServer:
    """Listens for the passphrase as long as the engine lives. The caller holds the engine lock."""

    def __init__(self, home: Path, keys: KeyRing) -> None:
        """Make a server that does not listen yet."""
        self._path = home.absolute() / SOCKET_FILE
        self._keys = keys
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name="unlock socket", daemon=True)

    def open(self) -> None:
        """Begin to listen; an engine whose socket cannot be made says so in the log and goes on."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # The lock is ours, so an existing socket is left from an engine that died.
            self._path.unlink(missing_ok=True)
            with _short(self._path) as name:
                listener.bind(name)
            self._path.chmod(0o600)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            _log.error("no passphrase can be given through %s: %s", self._path, error.strerror or error)
            return
        self._socket = listener
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Idempotent."""
        listener, self._socket = self._socket, None
        if listener is None:
            return
        try:
            # Closing alone does not wake a thread that waits for a connection.
            listener.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            _log.debug("shutting the door: %s", error)
        listener.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        listener = self._socket
        while listener is not None and self._socket is not None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._talk(connection)
                except (OSError, ValueError) as error:
                    _log.warning("a caller at %s was not understood: %s", self._path, type(error).__name__)

    def _talk(self, connection: socket.socket) -> None:
        until_s = time.monotonic() + _TALK_S
        if peer_uid(connection) != os.geteuid():
            _log.warning("a process of another user was turned away at %s", self._path)
            return
        line = _line(connection, until_s)
        offered = _Offered.model_validate_json(line)
        try:
            self._keys.unlock(offered.passphrase)
        except FirstwatchError as error:
            answer = _Answer(unlocked=False, sentence=str(error))
        else:
            answer = _Answer(unlocked=True, sentence="the vault is unlocked until the engine ends")
        finally:
            forget(line, offered.passphrase)
        connection.settimeout(_TALK_S)
        connection.sendall(answer.model_dump_json().encode() + b"\n")


def unlock_engine(home: Path, passphrase: str) -> str:
    """Hand the passphrase to the engine of a data folder and return its sentence.

    Raises:
        RefusedError: no engine listens, or it is not the passphrase.
    """
    path = home.absolute() / SOCKET_FILE
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_S)
            with _short(path) as name:
                connection.connect(name)
            if peer_uid(connection) != os.geteuid():
                raise RefusedError(f"{path} belongs to another user's process; nothing was sent to it.")
            quoted = json.dumps(passphrase)
            line = f'{{"passphrase": {quoted}}}\n'
            encoded = line.encode()
            connection.sendall(encoded)
            forget(quoted, line, encoded)
            answer = _Answer.model_validate_json(_line(connection, time.monotonic() + _ANSWER_S))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise RefusedError(
            "No engine of this data folder listens for a passphrase; start one with: firstwatch engine."
        ) from error
    except (OSError, ValueError) as error:
        raise RefusedError(f"The engine did not answer at {path}: {said(error)}; try again.") from error
    if not answer.unlocked:
        raise RefusedError(answer.sentence)
    return answer.sentence


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the process at the other end."""
    if sys.platform == "linux":
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    # BSD and macOS: LOCAL_PEERCRED gives a struct xucred, whose second word is the user id.
    return int(struct.unpack_from("2I", connection.getsockopt(0, 1, 76))[1])


def _line(connection: socket.socket, until_s: float) -> bytes:
    """Read one line; a peer that sends it byte by byte gets no more time for it than others.

    What was received is in one place, so that it can be forgotten.
    """
    received = bytearray(_LONGEST_BYTES)
    length = 0
    try:
        while not length or received[length - 1] != ord("\n"):
            connection.settimeout(max(until_s - time.monotonic(), 0.001))
            count = connection.recv_into(memoryview(received)[length:])
            if not count:
                raise ValueError("no line")
            length += count
        return bytes(memoryview(received)[:length])
    finally:
        forget(received)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Return a name for the socket that fits the hundred bytes that the system allows."""
    if len(os.fsencode(path)) <= _LONGEST_PATH or sys.platform != "linux":
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
