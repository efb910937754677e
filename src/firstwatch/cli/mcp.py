"""``firstwatch mcp``: the server through which agents read and, where they may, act."""

import importlib.util
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from firstwatch.cli import mcp_install, mcp_token
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import quoted

if TYPE_CHECKING:
    from pathlib import Path

LOG_FILE = "mcp.log"
_MISSING = "The server for agents needs the extra agents: pip install 'firstwatch[agents]'."

app = typer.Typer(help="Serve agents by the Model Context Protocol.", no_args_is_help=False)
app.add_typer(mcp_token.app, name="token")
app.command("install")(mcp_install.install)


@app.callback(invoke_without_command=True)
def mcp(
    context: typer.Context,
    allow: Annotated[
        str | None,
        typer.Option(
            metavar="control|trade",
            help="What the program that starts this server may do by standard input; else it only reads.",
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve over HTTP there instead, to programs with an access token (`firstwatch mcp token`).",
        ),
    ] = None,
    max_capital: Annotated[
        str | None,
        typer.Option(metavar="X", help="Most capital of a run started over standard input, in quote; 0."),
    ] = None,
    allow_remote: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Let --http listen where other machines reach it, and answer to this host name. Access"
            " tokens then cross the network unencrypted, unless a proxy in front of it adds TLS.",
        ),
    ] = None,
) -> None:
    """Serve agents by standard input and output, or by HTTP, until the client leaves or a signal comes."""
    if context.invoked_subcommand is not None:
        return
    if importlib.util.find_spec("mcp") is None:
        raise WrongUseError(_MISSING)
    if http is not None:
        if allow is not None or max_capital is not None:
            raise WrongUseError(
                "--allow and --max-capital are for standard input; over HTTP each access token has its own."
            )
        _serve_http(http, allow_remote)
        return
    if allow_remote is not None:
        raise WrongUseError("--allow-remote belongs to --http.")
    _serve_stdio(allow, max_capital)


def _serve_stdio(allow: str | None, max_capital: str | None) -> None:
    from firstwatch.cli.folder import open_manager
    from firstwatch.mcp.serving import serve_on_stdio
    from firstwatch.settings import load_settings
    from firstwatch.trading.agents import STDIO, Caller, Scope

    if allow not in (None, Scope.CONTROL, Scope.TRADE):
        raise WrongUseError(f"--allow is control or trade, not {quoted(allow)}.")
    scope = Scope.READ if allow is None else Scope(allow)
    caller = Caller(name=STDIO, scope=scope, max_capital=_capital(max_capital))
    settings = load_settings()
    with open_manager(settings) as manager:
        _log_to_file(settings.home, settings.log.level)
        serve_on_stdio(manager, settings, caller)


def _serve_http(address: str, allow_remote: str | None) -> None:
    from firstwatch.cli.folder import open_manager
    from firstwatch.cli.output import say
    from firstwatch.mcp.http import PATH, address_of, bound_socket, is_loopback
    from firstwatch.mcp.serving import serve_on_http
    from firstwatch.settings import load_settings

    host, port = address_of(address)
    if not is_loopback(host) and allow_remote is None:
        raise WrongUseError(
            f"{host} is reached by other machines; serve at 127.0.0.1, or say with --allow-remote NAME by"
            " which name they reach it."
        )
    settings = load_settings()
    with bound_socket(host, port) as listening, open_manager(settings) as manager:
        _log_to_file(settings.home, settings.log.level)
        shown = f"[{host}]" if ":" in host else host
        say(f"agents are served at http://{shown}:{listening.getsockname()[1]}{PATH}; ctrl+c ends that")
        serve_on_http(manager, settings, listening, names=() if allow_remote is None else (allow_remote,))


def _capital(text: str | None) -> Decimal:
    from firstwatch.trading.numbers import decimal_of

    try:
        found = decimal_of(text or "0")
    except ValueError as error:
        raise WrongUseError(f"--max-capital is an amount in quote, but {error}.") from error
    if found < 0:
        raise WrongUseError("--max-capital is an amount in quote, and not below 0.")
    return found


def _log_to_file(home: "Path", level: str) -> None:
    """Send the program's log to a file in the data folder: standard output belongs to the protocol."""
    import logging

    from firstwatch.engine.host.background import log_handler

    logging.basicConfig(level=level.upper(), handlers=[log_handler(home / LOG_FILE)], force=True)
    # Below that the SDK logs whole messages, with the tokens of plans.
    logging.getLogger("mcp").setLevel(logging.WARNING)
