"""``firstwatch mcp token`` and ``mcp install``: a secret that is shown once, and settings for clients."""

import json
import sys
import tomllib

import pytest

from firstwatch.cli import mcp_token
from firstwatch.cli.mcp_install import Client
from firstwatch.store import agents
from firstwatch.store.database import open_store
from firstwatch.trading.clock import parse_iso

SECRET = "a-secret-that-nothing-may-keep"
FIELDS = {"name", "scope", "max_capital", "created_at", "expires_at", "revoked_at", "state"}


def found_in(home, secret):
    """The files of the data folder that hold a text."""
    return [path for path in home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_a_token_is_shown_once_and_only_its_hash_is_kept(home, firstwatch):
    answer = firstwatch("mcp", "token", "create", "laptop", "--scope", "control", "--expires", "12h")
    token = answer.out.strip()
    assert (answer.code, len(token), " " in token) == (0, 43, False)
    assert token not in answer.err
    assert "scope control" in answer.err
    store = open_store(home)
    with store.read() as session:
        stored = agents.find_access_token(session, token)
    store.close()
    assert (stored.name, stored.scope) == ("laptop", "control")
    assert stored.expires_at_ms - stored.created_at_ms == 12 * 3_600_000
    assert found_in(home, token) == []
    assert token not in firstwatch("mcp", "token", "list").out


def test_a_failure_leaves_nothing_of_the_secret(home, firstwatch, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no luck")

    monkeypatch.setattr(mcp_token, "new_token", lambda: SECRET)
    monkeypatch.setattr(agents, "add_access_token", fails)
    answer = firstwatch("mcp", "token", "create", "laptop")
    assert answer.code == 1
    assert SECRET not in answer.out + answer.err
    assert "no luck" in (home / "commands.log").read_text()
    assert found_in(home, SECRET) == []


def test_tokens_are_listed_and_revoked_for_ever(home, firstwatch):
    assert firstwatch("mcp", "token", "list", "--json").json == []
    assert "There is no token" in firstwatch("mcp", "token", "list").out
    made = firstwatch(
        "mcp", "token", "create", "a.b-1", "--scope", "trade", "--expires", "90m", "--max-capital", "500.5",
        "--json",
    ).json  # fmt: skip
    assert set(made) == {*FIELDS, "token"}
    firstwatch("mcp", "token", "create", "reader", "--json")
    first, second = firstwatch("mcp", "token", "list", "--json").json
    assert first == {name: value for name, value in made.items() if name != "token"}
    assert (first["name"], first["scope"], first["max_capital"], first["state"]) == (
        "a.b-1", "trade", 500.5, "valid",
    )  # fmt: skip
    assert parse_iso(first["expires_at"]) - parse_iso(first["created_at"]) == 90 * 60_000
    assert (second["scope"], second["max_capital"], second["revoked_at"]) == ("read", 0, None)
    for _ in range(2):
        revoked = firstwatch("mcp", "token", "revoke", "reader", "--json")
        assert revoked.json == {"name": "reader", "state": "revoked"}
    assert [each["state"] for each in firstwatch("mcp", "token", "list", "--json").json] == [
        "valid", "revoked",
    ]  # fmt: skip
    assert firstwatch("mcp", "token", "list", "--json").json[1]["revoked_at"] is not None
    again = firstwatch("mcp", "token", "create", "reader")
    assert again.code == 2
    assert "There is a token" in again.err
    assert firstwatch("mcp", "token", "revoke", "none").code == 2


def test_a_token_that_has_run_out_is_expired(home, firstwatch):
    firstwatch("mcp", "token", "create", "short")
    store = open_store(home)
    with store.write() as session:
        session.exec_driver_sql("UPDATE agent_token SET expires_at_ms = created_at_ms")
    store.close()
    assert [each["state"] for each in firstwatch("mcp", "token", "list", "--json").json] == ["expired"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a b",), "cannot be called"),
        (("stdio",), "cannot be called"),
        (("x" * 41,), "cannot be called"),
        (("\x1b[2J",), "cannot be called"),
        (("ok", "--expires", "0d"), "--expires"),
        (("ok", "--expires", "367d"), "--expires"),
        (("ok", "--expires", "99999d"), "--expires"),
        (("ok", "--expires", "soon"), "--expires"),
        (("ok", "--expires", "1d "), "--expires"),
        (("ok", "--expires", "٣d"), "--expires"),
        (("ok", "--scope", "all"), "all"),
        (("ok", "--scope", "trade", "--max-capital", "-1"), "--max-capital"),
        (("ok", "--scope", "trade", "--max-capital", "much"), "--max-capital"),
        (("ok", "--scope", "control", "--max-capital", "1"), "--max-capital"),
    ],
)
def test_a_token_that_cannot_be_is_refused(home, firstwatch, words, said):
    answer = firstwatch("mcp", "token", "create", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert "\x1b" not in answer.err
    assert firstwatch("mcp", "token", "list", "--json").json == []


def settings_of(client, text):
    document = tomllib.loads(text) if client is Client.CODEX else json.loads(text)
    ((key, servers),) = document.items()
    ((name, fields),) = servers.items()
    assert name == "firstwatch"
    return key, fields


@pytest.mark.parametrize(
    ("client", "key"),
    [
        (Client.CLAUDE_DESKTOP, "mcpServers"),
        (Client.CLAUDE_CODE, "mcpServers"),
        (Client.CURSOR, "mcpServers"),
        (Client.VSCODE, "servers"),
        (Client.CODEX, "mcp_servers"),
    ],
)
def test_the_settings_of_a_client_start_this_program_read_only(home, firstwatch, client, key):
    answer = firstwatch("mcp", "install", client, "--print")
    assert answer.code == 0
    assert answer.err.startswith("firstwatch: add this to ")
    found, fields = settings_of(client, answer.out)
    assert found == key
    assert fields.pop("type", "stdio") == "stdio"
    assert fields == {
        "command": sys.executable,
        "args": ["-m", "firstwatch", "mcp"],
        "env": {"FIRSTWATCH_HOME": str(home)},
    }
    assert not home.exists()


def test_more_than_reading_and_another_settings_file_are_asked_for(home, firstwatch, monkeypatch, tmp_path):
    config = tmp_path / 'my "own".toml'
    config.write_text("")
    monkeypatch.setenv("FIRSTWATCH_CONFIG", str(config))
    document = firstwatch("mcp", "install", "codex", "--print", "--allow", "control", "--json").json
    assert set(document) == {"client", "file", "text", "command", "args", "env"}
    assert document["args"][-2:] == ["--allow", "control"]
    assert document["env"]["FIRSTWATCH_CONFIG"] == str(config)
    _, fields = settings_of(Client.CODEX, document["text"])
    assert fields["env"] == document["env"]


def test_install_writes_no_file_and_knows_its_clients(home, firstwatch):
    assert "Add --print" in firstwatch("mcp", "install", "codex").err
    unknown = firstwatch("mcp", "install", "nano", "--print")
    assert unknown.code == 2
    assert "claude-desktop" in unknown.err
