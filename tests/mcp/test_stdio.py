"""The server as a process that a client starts: what it may do, what it prints, how it ends."""

import array
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios

import pytest
from mcp.shared.exceptions import MCPError

from firstwatch.store import commands
from firstwatch.trading.runs import Author, RunState
from tests.engine.host import rig
from tests.mcp.served import (
    COMMAND,
    ERAS,
    data_of,
    engine_with_a_run,
    environment,
    on_stdio,
    said,
    stops_with_a_yes,
)

INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"},
    },
}  # fmt: skip


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_reads_pauses_and_stops_a_run(tmp_path, era):
    with engine_with_a_run(tmp_path / "home") as store:
        async with on_stdio(tmp_path / "home", "--allow", "control", era=era) as client:
            assert (client.protocol_version >= "2026") is (era == "auto")
            assert len((await client.list_tools()).tools) == 13
            (row,) = data_of(await client.call_tool("list_runs", {"status": "ACTIVE"}))["rows"]
            assert row["run"] == rig.RUN
            overview = data_of(await client.call_tool("get_account_overview", {}))
            assert overview["engine_accepts_commands"]
            assert data_of(await client.call_tool("pause_entries", {"runId": "ab"}))["status"] == "done"
            assert rig.run_of(store, rig.RUN).facts.paused
            plan = data_of(await client.call_tool("stop_run", {}))
            outcome = data_of(await client.call_tool("stop_run", {"token": plan["token"]}))
            assert (outcome["status"], outcome["repeated"]) == ("done", False)
            assert rig.ended(store, rig.RUN).state is RunState.STOPPED
            again = data_of(await client.call_tool("stop_run", {"token": plan["token"]}))
            assert again == outcome | {"repeated": True}
        with store.read() as session:
            found = [each for each in commands.recent_commands(session, 10) if each.author is Author.AGENT]
        assert sorted(each.command.kind for each in found) == ["pause_entries", "stop_run"]


@pytest.mark.parametrize("era", ERAS)
async def test_an_operator_says_yes_while_the_client_waits(tmp_path, monkeypatch, era):
    monkeypatch.setenv("FIRSTWATCH_AGENTS__CONFIRM_PAPER", "operator")
    home = tmp_path / "home"
    with engine_with_a_run(home) as store:
        async with on_stdio(home, "--allow", "control", era=era) as client:
            await stops_with_a_yes(client, home, store)


async def test_without_a_word_it_only_reads(tmp_path):
    rig.make_folder(tmp_path / "home")
    hidden = ""
    async with on_stdio(tmp_path / "home") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert len(names) == 9
        try:
            await client.call_tool("pause_entries", {"runId": "ab"})
        except MCPError as error:
            hidden = str(error)
        assert "There is no run" in said(await client.call_tool("get_run", {"runId": "ab"}))
    assert "no such tool" in hidden


def started(folder, *options):
    return subprocess.Popen(
        [*COMMAND, *options], env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def written(process, message):
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def test_garbage_gets_no_traceback_and_standard_output_carries_the_protocol_only(tmp_path):
    rig.make_folder(tmp_path / "home")
    process = started(tmp_path / "home")
    process.stdin.write(b"garbage\n\n\xff\xfe\n{}\n[]\n[[[[\n")
    written(process, {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": 5}})
    written(process, {"jsonrpc": "2.0", "id": 8, "method": "no/method"})
    written(process, INITIALIZE)
    out, err = process.communicate(timeout=120)
    answers = [json.loads(line) for line in out.splitlines()]
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert {answer.get("id") for answer in answers} >= {1, 7, 8}
    assert process.returncode == 0
    assert b"Traceback" not in out + err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, None], ids=["term", "int", "end of input"])
def test_it_ends_by_a_signal_and_by_the_end_of_its_input(tmp_path, number):
    rig.make_folder(tmp_path / "home")
    process = started(tmp_path / "home")
    written(process, INITIALIZE)
    assert json.loads(process.stdout.readline())["id"] == 1
    assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
    if number is None:
        process.stdin.close()
    else:
        process.send_signal(number)
    assert process.wait(20) == 0
    assert process.stderr.read() == b""
    process.stdout.close()
    process.stderr.close()
    if number is not None:
        process.stdin.close()


def test_a_client_that_does_not_read_keeps_it_from_nothing(tmp_path):
    rig.make_folder(tmp_path / "home")
    process = started(tmp_path / "home")
    written(process, INITIALIZE)
    assert json.loads(process.stdout.readline())["id"] == 1
    for number in range(2, 30):
        written(process, {"jsonrpc": "2.0", "id": number, "method": "tools/list"})
    # More than the pipe holds has been answered once the last request was read.
    rig.until(lambda: has_full_pipe(process) or None, "the pipe to be full", 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    process.communicate()


def has_full_pipe(process):
    waiting = array.array("i", [0])
    fcntl.ioctl(process.stdout.fileno(), termios.FIONREAD, waiting)
    return waiting[0] > 60_000


def test_a_client_that_leaves_is_no_failure(tmp_path):
    rig.make_folder(tmp_path / "home")
    process = started(tmp_path / "home")
    written(process, INITIALIZE)
    assert json.loads(process.stdout.readline())["id"] == 1
    process.stdout.close()
    written(process, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
    assert process.wait(20) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
    process.stdin.close()


@pytest.mark.parametrize(
    "program",
    [
        "import firstwatch.cli.commands, firstwatch.tui.app, firstwatch.manager.manager",
        "import firstwatch.cli.commands, firstwatch.engine.host.daemon, firstwatch.engine.host.host",
    ],
    ids=["screen", "engine"],
)
def test_screen_and_engine_load_nothing_of_the_sdk(program):
    look = (
        f"{program}\nimport sys\n"
        "own = {'mcp', 'mcp_types', 'uvicorn', 'starlette', 'anyio', 'jsonschema', 'opentelemetry'}\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in own or"
        " name.startswith('firstwatch.mcp')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, timeout=120, check=True
    )
    assert found.stdout.strip() == "[]"
