"""``firstwatch mcp install``: what to add to the settings of a client so that it starts the server."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json, say_to_stderr
from firstwatch.trading.agents import Scope
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.toml_text import toml_text

if TYPE_CHECKING:
    from firstwatch.settings import Settings

_NAME = "firstwatch"


class Client(StrEnum):
    """A program that can start the server."""

    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"
    CODEX = "codex"


@dataclass(frozen=True, slots=True)
class _Server:
    """How the server is started."""

    command: str
    args: list[str]
    env: dict[str, str]

    @property
    def fields(self) -> dict[str, Any]:
        return {"command": self.command, "args": self.args, "env": self.env}


def install(
    client: Annotated[Client, typer.Argument(metavar="CLIENT", help=f"One of: {', '.join(Client)}.")],
    print_: Annotated[
        bool, typer.Option("--print", help="Required: the settings are printed, and no file is changed.")
    ] = False,
    allow: Annotated[
        Scope, typer.Option(help="What the agent may do besides reading; acts with live runs still ask you.")
    ] = Scope.READ,
    as_json: JsonFlag = False,
) -> None:
    """Print what to add to the settings of a client so that it starts the server, read-only by default."""
    from firstwatch.settings import load_settings

    if not print_:
        raise WrongUseError("Add --print: this command changes no file of another program.")
    file, text_of = _FORMS[client]
    server = _server(load_settings(), allow)
    if as_json:
        say_json({"client": client.value, "file": file, "text": text_of(server), **server.fields})
        return
    say_to_stderr(f"add this to {file}")
    say(text_of(server))


def _server(settings: "Settings", allow: Scope) -> _Server:
    allowed = [] if allow is Scope.READ else ["--allow", allow.value]
    # A client does not start it with the environment of this shell.
    env = {"FIRSTWATCH_HOME": str(settings.home.absolute())}
    if settings.config is not None:
        env["FIRSTWATCH_CONFIG"] = str(settings.config.expanduser().absolute())
    return _Server(os.path.abspath(sys.executable), ["-m", "firstwatch", "mcp", *allowed], env)


def _json_under(key: str, **more: str) -> Callable[[_Server], str]:
    return lambda server: json.dumps({key: {_NAME: {**more, **server.fields}}}, indent=2)


def _toml(server: _Server) -> str:
    return toml_text({"mcp_servers": {_NAME: server.fields}}).rstrip()


_FORMS: dict[Client, tuple[str, Callable[[_Server], str]]] = {
    Client.CLAUDE_DESKTOP: (
        "claude_desktop_config.json (Settings > Developer > Edit Config)",
        _json_under("mcpServers"),
    ),
    Client.CLAUDE_CODE: (".mcp.json in the project's folder", _json_under("mcpServers", type="stdio")),
    Client.CURSOR: (
        "~/.cursor/mcp.json, or .cursor/mcp.json in the project's folder",
        _json_under("mcpServers"),
    ),
    Client.VSCODE: (".vscode/mcp.json in the project's folder", _json_under("servers", type="stdio")),
    Client.CODEX: ("~/.codex/config.toml", _toml),
}
"""The file of each client, and its form."""
