"""The server over HTTP: who is let in, with which scope, and from where."""

import json

import httpx2
import pytest

from firstwatch.mcp.http import address_of, is_loopback
from firstwatch.store import agents
from firstwatch.store.database import open_store
from firstwatch.trading.agents import Scope
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.runs import RunState
from tests.engine.host import rig
from tests.mcp.served import (
    ERAS,
    data_of,
    engine_with_a_run,
    http_server,
    new_access_token,
    on_http,
    stops_with_a_yes,
)

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
FORM = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_reads_pauses_and_stops_a_run(tmp_path, era):
    home = tmp_path / "home"
    with engine_with_a_run(home) as store:
        token = new_access_token(store, Scope.CONTROL)
        with http_server(home) as address:
            async with on_http(address, token, era) as client:
                assert (client.protocol_version >= "2026") is (era == "auto")
                assert len((await client.list_tools()).tools) == 13
                assert data_of(await client.call_tool("list_runs", {}))["total"] == 1
                paused = await client.call_tool("pause_entries", {"runId": rig.RUN})
                assert data_of(paused)["status"] == "done"
                plan = data_of(await client.call_tool("stop_run", {}))
                outcome = data_of(await client.call_tool("stop_run", {"token": plan["token"]}))
                assert outcome["status"] == "done"
            assert rig.ended(store, rig.RUN).state is RunState.STOPPED


@pytest.mark.parametrize("era", ERAS)
async def test_an_operator_says_yes_while_the_client_waits(tmp_path, monkeypatch, era):
    monkeypatch.setenv("FIRSTWATCH_AGENTS__CONFIRM_PAPER", "operator")
    home = tmp_path / "home"
    with engine_with_a_run(home) as store:
        token = new_access_token(store, Scope.CONTROL)
        with http_server(home) as address:
            async with on_http(address, token, era) as client:
                await stops_with_a_yes(client, home, store)


@pytest.fixture
def store(tmp_path):
    rig.make_folder(tmp_path / "home")
    made = open_store(tmp_path / "home")
    yield made
    made.close()


async def test_only_a_valid_access_token_is_let_in(tmp_path, store):
    token = new_access_token(store, Scope.READ)
    other = new_access_token(store, Scope.TRADE)
    with http_server(tmp_path / "home") as address:
        async with httpx2.AsyncClient() as http:

            async def status(**headers):
                answer = await http.post(address, json=LIST, headers=FORM | headers)
                if answer.status_code == 401:
                    assert answer.headers["www-authenticate"] == "Bearer"
                    assert "mcp token create" in answer.json()["error"]
                return answer.status_code

            assert await status() == 401
            assert await status(Authorization="Bearer") == 401
            assert await status(Authorization=f"Basic {token}") == 401
            assert await status(Authorization=f"Bearer {token}x") == 401
            assert await status(Authorization="Bearer " + "x" * 10_000) == 401
            assert await status(Authorization=f"Bearer {token}") == 200
            assert await status(Authorization=f"Bearer {token}", Host="evil.example") == 421
            assert await status(Authorization=f"Bearer {token}", Origin="http://evil.example") == 403
            for path in (
                "/",
                "/.well-known/oauth-protected-resource",
                "/.well-known/oauth-authorization-server",
            ):
                assert (await http.get(address.removesuffix("mcp") + path)).status_code == 404
            with store.write() as session:
                for known in agents.list_access_tokens(session):
                    if known.scope is Scope.READ:
                        agents.revoke_access_token(session, known.name, now_ms=SystemClock().now_ms())
            assert await status(Authorization=f"Bearer {token}") == 401
            assert await status(Authorization=f"Bearer {other}") == 200


async def test_another_name_is_answered_to_only_where_that_is_said(tmp_path, store):
    headers = FORM | {"Authorization": f"Bearer {new_access_token(store, Scope.READ)}"}
    with http_server(tmp_path / "home", "--allow-remote", "trading.example") as address:
        async with httpx2.AsyncClient() as http:
            for host, status in [("trading.example:8765", 200), ("other.example:8765", 421)]:
                answer = await http.post(address, json=LIST, headers=headers | {"Host": host})
                assert answer.status_code == status


@pytest.mark.parametrize("era", ERAS)
async def test_each_token_has_its_own_tools_on_one_server(tmp_path, store, era):
    counts = {}
    with http_server(tmp_path / "home") as address:
        for scope in Scope:
            async with on_http(address, new_access_token(store, scope), era) as client:
                counts[scope] = len((await client.list_tools()).tools)
    assert counts == {Scope.READ: 9, Scope.CONTROL: 13, Scope.TRADE: 14}


async def test_garbage_is_answered_without_a_traceback(tmp_path, store):
    token = new_access_token(store, Scope.TRADE)
    bodies = [
        b"",
        b"garbage",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 50_000,
        b"x" * 200_000,
        json.dumps([LIST]).encode(),
    ]
    with http_server(tmp_path / "home") as address:
        async with httpx2.AsyncClient(headers=FORM | {"Authorization": f"Bearer {token}"}) as http:
            for version in ("2025-06-18", "2026-07-28", "x"):
                for body in bodies:
                    answer = await http.post(address, content=body, headers={"MCP-Protocol-Version": version})
                    assert 400 <= answer.status_code < 500, (version, body[:20], answer.text)
                    assert "Traceback" not in answer.text
            assert (await http.post(address, json=LIST)).status_code == 200


@pytest.mark.parametrize("text", ["", "8765", "x:", ":1", "127.0.0.1:99999", "127.0.0.1:-1", "a:١"])
def test_an_address_has_a_host_and_a_port(text):
    with pytest.raises(WrongUseError):
        address_of(text)


def test_only_this_machine_reaches_a_loopback_address():
    assert address_of("[::1]:80") == ("::1", 80)
    assert all(map(is_loopback, ["127.0.0.1", "127.8.9.1", "::1", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.evil.example"]))
