"""Servers and clients of the protocol: in this process, over standard input, over HTTP."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from firstwatch.engine.host.host import EngineHost
from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import AskView
from firstwatch.mcp.backend import Backend
from firstwatch.mcp.server import make_server
from firstwatch.settings import Settings, load_settings
from firstwatch.store import agents
from firstwatch.store.database import Store, open_store
from firstwatch.trading.agents import Caller, Scope
from firstwatch.trading.runs import RunState
from mcp import Client, StdioServerParameters
from tests.engine.host import rig

ERAS = ("legacy", "auto")
DAY_MS = 86_400_000
COMMAND = [sys.executable, "-m", "firstwatch", "mcp"]


def caller(scope: Scope, max_capital: int = 0) -> Caller:
    return Caller(name="tester", scope=scope, max_capital=Decimal(max_capital))


@contextmanager
def opened(settings: Settings) -> Iterator[RunManager]:
    """Open a manager as the command does."""
    manager = RunManager(settings, hosts_engine=False)
    manager.open()
    try:
        yield manager
    finally:
        manager.close()


@asynccontextmanager
async def connected(
    manager: RunManager, settings: Settings, who: Caller, era: str = "auto"
) -> AsyncIterator[Client]:
    """Connect the SDK's client to a server in this process."""
    server = make_server(Backend(manager, settings), lambda _context: who)
    async with Client(server, mode=era) as client:
        yield client


async def called(manager: RunManager, settings: Settings, who: Caller, tool: str, given: Any) -> Any:
    """Return the answer of one call, or raise the error of the protocol."""
    async with connected(manager, settings, who) as client:
        try:
            return await client.call_tool(tool, given)
        except MCPError as error:
            # Raised after the connection is closed: its task group would wrap it.
            found = error
    raise found


def data_of(result: Any) -> Any:
    """Return the data of an answer."""
    assert not result.is_error, result.content[0].text
    return result.structured_content["data"]


def said(result: Any) -> str:
    """Return the sentence of an answer that is an error."""
    assert result.is_error, result.content[0].text
    return str(result.content[0].text)


@contextmanager
def engine_with_a_run(folder: Path) -> Iterator[Store]:
    """Run an engine in this process, with one run that goes on."""
    settings = rig.make_folder(folder, speed=1.0, toml=rig.HOLDING_TOML)
    store = open_store(folder)
    host = EngineHost(store, settings)
    host.start()
    try:
        assert rig.start_run(store, rig.RUN).sentence.endswith("started")
        yield store
    finally:
        host.drain_and_stop()
        store.close()


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "FIRSTWATCH_HOME": str(folder)}


def on_stdio(folder: Path, *options: str, era: str = "auto") -> Client:
    """Return a client that starts the server as its own process."""
    words = [*COMMAND[1:], *options]
    return Client(StdioServerParameters(command=COMMAND[0], args=words, env=environment(folder)), mode=era)


def new_access_token(store: Store, scope: Scope, *, max_capital: int = 0) -> str:
    token = secrets.token_urlsafe(32)
    now_ms = time.time_ns() // 1_000_000
    with store.write() as session:
        agents.add_access_token(
            session, f"{scope}{secrets.token_hex(4)}", token, scope=scope, max_capital=Decimal(max_capital),
            now_ms=now_ms, expires_at_ms=now_ms + DAY_MS,
        )  # fmt: skip
    return token


@contextmanager
def http_server(folder: Path, *options: str) -> Iterator[str]:
    """Start a server process at a free port of this machine, and yield its address."""
    process = subprocess.Popen(
        [*COMMAND, "--http", "127.0.0.1:0", *options],
        env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert "http://" in line, process.communicate()
        yield next(word for word in line.split() if word.startswith("http://")).rstrip(";")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@asynccontextmanager
async def on_http(address: str, token: str, era: str = "auto") -> AsyncIterator[Client]:
    """Connect the SDK's client to a server over HTTP."""
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        transport = streamable_http_client(address, http_client=http)
        async with Client(transport, mode=era) as client:
            yield client


async def stops_with_a_yes(client: Client, home: Path, store: Store) -> None:
    """Stop the run by the client where the operator confirms, who says yes while the client waits."""
    with opened(load_settings(home=home)) as manager:

        def asked() -> AskView | None:
            return next(iter(manager.snapshot().asks), None)

        plan = data_of(await client.call_tool("stop_run", {}))
        assert plan["confirm"] == "operator"
        second = asyncio.create_task(client.call_tool("stop_run", {"token": plan["token"]}))
        ask = await asyncio.to_thread(rig.until, asked, "the question")
        assert rig.run_of(store, rig.RUN).state is RunState.RUNNING
        manager.agents.approve(ask.ask_id, by="screen")
        outcome = data_of(await second)
        assert (outcome["status"], outcome["ask"]) == ("done", ask.ask_id)
    assert rig.ended(store, rig.RUN).state is RunState.STOPPED
