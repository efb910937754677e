"""Sends each message in its own process (rule 1 of ``firstwatch.engine.alerts``)."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec

from firstwatch.engine.alerts.address import Address
from firstwatch.engine.alerts.message import Message

SEND_WITHIN_S = 20
"""The kernel ends a sending process after this long, whatever it waits for."""
_START_S = 10.0
"""How long a sending process may take to start, before ``SEND_WITHIN_S`` begins to count."""
NOT_INSTALLED = "apprise is not installed: pip install 'firstwatch[alerts]'"


def is_installed() -> bool:
    """Return whether apprise is installed."""
    return find_spec("apprise") is not None


class Sender:
    """Sends messages. Used by one thread; any thread may close it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._processes: list[subprocess.Popen[str]] = []
        self._is_closed = False

    def send(self, messages: Sequence[tuple[Address, Message | None]]) -> list[str]:
        """Send each message to its address, all at once; takes at most ``SEND_WITHIN_S`` s after the start.

        Without a message, only check whether apprise understands the address. Return why each was not
        delivered, in the same order; empty: it was.
        """
        if not is_installed():
            return [NOT_INSTALLED] * len(messages)
        started = [self._start(_request(address, message)) for address, message in messages]
        deadline_s = time.monotonic() + SEND_WITHIN_S + _START_S
        try:
            return [
                process if isinstance(process, str) else _answer(process, deadline_s) for process in started
            ]
        finally:
            self._end()

    def close(self) -> None:
        """Abort messages being sent, and send nothing more. Idempotent."""
        with self._guard:
            self._is_closed = True
            for process in self._processes:
                process.kill()

    def _start(self, request: dict[str, str]) -> subprocess.Popen[str] | str:
        """Start the process that sends, or return why there is none."""
        with self._guard:
            if self._is_closed:
                return "the engine ends"
            try:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "firstwatch.engine.host.alert_process"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    # The output of apprise may contain the address.
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    text=True,
                )
            except OSError as error:
                return f"no process can be started: {error.strerror}"
            self._processes.append(process)
        assert process.stdin is not None
        try:
            # A request fits into the pipe's buffer, so this does not wait for the process.
            process.stdin.write(json.dumps(request))
            process.stdin.flush()
        except OSError:
            pass
        return process

    def _end(self) -> None:
        with self._guard:
            processes, self._processes = self._processes, []
        for process in processes:
            with process:
                process.kill()


def _answer(process: subprocess.Popen[str], deadline_s: float) -> str:
    try:
        answer, _ = process.communicate(timeout=max(0.0, deadline_s - time.monotonic()))
        return str(json.loads(answer))
    except (subprocess.TimeoutExpired, ValueError):
        return "no answer in time"


def _request(address: Address, message: Message | None) -> dict[str, str]:
    request = {"url": address.url.get_secret_value()}
    if message is not None:
        request |= {"title": message.title, "body": message.body, "kind": message.kind.value}
    return request
