"""What an engine feels of agents: ``python -m tests.benchmarks.agents --seconds 60``.

A run trades on bars that come at a steady pace, in an engine of its own process. Beside it runs the server
for agents, and for as long as the command line says each of these goes on: a loop of calls, garbage, and
clients that send half a request and hang. Printed is how long orders took after their bar; at the 99th
percentile they may take 5 ms longer than in the quiet times between.
"""

import argparse
import http.client
import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from firstwatch.store.database import open_store
from firstwatch.trading.agents import Scope
from tests.engine.host import rig
from tests.mcp.poisons import poisons
from tests.mcp.served import http_server, new_access_token
from tests.pty.stalled import (
    BARS_A_SECOND,
    BUSY_TOML,
    SPARE_BARS,
    SPEED,
    WARM_UP_BARS,
    Span,
    engine_elsewhere,
    lateness_ms,
    now_ms,
    orders_sent,
    times_in,
)

MOST_WORSE_MS = 5.0
_CLIENTS = 2
_HANGING = 40
_TOOLS = (
    "list_runs",
    "get_run",
    "get_account_overview",
    "get_journal",
    "stop_run",
    "pause_entrie",
    "x" * 500,
)


def main() -> int:
    """Measure, print, and return 1 where it is more than allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        worse = measure(Path(folder) / "home", seconds)
    return int(any(each > MOST_WORSE_MS for each in worse.values()))


def measure(home: Path, seconds: float) -> dict[str, float]:
    """Return how many milliseconds later orders are at the 99th percentile, by what went on beside them."""
    bars = WARM_UP_BARS + SPARE_BARS + round(9 * seconds * BARS_A_SECOND)
    rig.make_folder(home, bars=bars, toml=BUSY_TOML, speed=SPEED)
    store = open_store(home)
    spans: dict[str, list[Span]] = {"quiet": []}
    calls: dict[str, int] = {}
    with engine_elsewhere(home), http_server(home) as address:
        token = new_access_token(store, Scope.TRADE)
        rig.start_run(store, rig.RUN)
        for name, work in _WORK.items():
            spans["quiet"].append(_span(seconds / 2))
            with _working(work, address, token) as count:
                spans[name] = [_span(seconds)]
            calls[name] = count()
        spans["quiet"].append(_span(seconds / 2))
        assert rig.run_of(store, rig.RUN).state.is_active, "the candles ended too early"
        sent = orders_sent(store)
    store.close()
    late_ms = lateness_ms(sent)
    found = {name: times_in(sent, late_ms, *each) for name, each in spans.items()}
    for name, times in found.items():
        sys.stdout.write(f"{name:10} {calls.get(name, 0):6d} calls; {times}\n")
    quiet_ms = found.pop("quiet").late_ms
    worse = {name: times.late_ms - quiet_ms for name, times in found.items()}
    said = "; ".join(f"{name} {each:+.1f} ms" for name, each in worse.items())
    sys.stdout.write(f"99 % of bars to acknowledgement: quiet {quiet_ms:.1f} ms; {said}\n")
    return worse


def _span(seconds: float) -> Span:
    begun_ms = now_ms()
    time.sleep(seconds)
    return Span(begun_ms, now_ms(), 0.0)


@contextmanager
def _working(work: "Work", address: str, token: str) -> Iterator[Callable[[], int]]:
    """Let clients work while the block lasts; yields what counts their calls."""
    ended, counts = threading.Event(), [0] * _CLIENTS
    threads = [
        threading.Thread(target=work, args=(address, token, ended, counts, number), daemon=True)
        for number in range(_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield lambda: sum(counts)
    finally:
        ended.set()
        for thread in threads:
            thread.join()


Work = Callable[[str, str, threading.Event, list[int], int], None]


def _post(address: str, token: str, body: bytes) -> None:
    """Send a request and read its answer, whatever it is."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("POST", parts.path, body, _headers(token))
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()


def _headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
    }


def _call(tool: str, arguments: object) -> bytes:
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }
    return json.dumps(request).encode()


def _loop(address: str, token: str, ended: threading.Event, counts: list[int], number: int) -> None:
    """Read again and again, each time a little differently, so that no guard stops it."""
    while not ended.is_set():
        given = {"runId": rig.RUN, "after": counts[number], "limit": 1 + number}
        _post(address, token, _call("get_journal", given))
        counts[number] += 1


def _garbage(address: str, token: str, ended: threading.Event, counts: list[int], number: int) -> None:
    texts = poisons()
    while not ended.is_set():
        text = texts[counts[number] % len(texts)]
        tool = _TOOLS[counts[number] % len(_TOOLS)]
        bodies = (_call(tool, {"runId": text}), text.encode(errors="replace"), b"\x00" * 1_000, b"[" * 5_000)
        _post(address, token, bodies[counts[number] % len(bodies)])
        counts[number] += 1


def _hanging(address: str, token: str, ended: threading.Event, counts: list[int], number: int) -> None:
    """Open connections that send a part of a request and then nothing."""
    parts = urlsplit(address)
    held = []
    for _ in range(_HANGING):
        connection = socket.create_connection((parts.hostname or "", parts.port or 0))
        head = f"POST {parts.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())
        held.append(connection)
        counts[number] += 1
    ended.wait()
    for connection in held:
        connection.close()


_WORK: dict[str, Work] = {"loop": _loop, "garbage": _garbage, "hanging": _hanging}


if __name__ == "__main__":
    sys.exit(main())
