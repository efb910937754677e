"""A loopback server that takes what apprise's ``json://`` sends."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "s3cr3t-t0ken"
"""Stands in each address: as a password, in the path and in the query."""


class Receiver:
    """What arrives, in order; how it answers is set by the test."""

    def __init__(self) -> None:
        self.status = 200
        self.statuses: list[int] = []
        """Of the next answers, before ``status``."""
        self.messages: list[dict[str, Any]] = []
        self.tries = 0
        self.changed = threading.Condition()
        self.hangs = False
        self._release = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with receiver.changed:
                    receiver.tries += 1
                    status = receiver.statuses.pop(0) if receiver.statuses else receiver.status
                    if status == 200 and not receiver.hangs:
                        receiver.messages.append(content)
                    receiver.changed.notify_all()
                if receiver.hangs:
                    # A byte now and then: the time between two bytes stays below every time limit.
                    self.send_response(200)
                    self.send_header("Content-Length", "100000")
                    self.end_headers()
                    while not receiver._release.wait(0.5):
                        try:
                            self.wfile.write(b" ")
                        except OSError:
                            return
                    return
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        port = self._server.server_address[1]
        return f"json://user:{SECRET}@127.0.0.1:{port}/{SECRET}?-token={SECRET}"

    def wait(self, what: str, count: int, timeout_s: float = 30.0) -> None:
        """Wait until ``count`` messages, or tries, have arrived."""
        with self.changed:
            is_there = self.changed.wait_for(
                lambda: (len(self.messages) if what == "messages" else self.tries) >= count, timeout_s
            )
        assert is_there, f"{self.messages} {self.tries}"

    def close(self) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()
