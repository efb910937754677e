"""``firstwatch mcp token``: access tokens with which agents use the server over HTTP."""

import re
from typing import Annotated, Any

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, say, say_json, say_table, say_to_stderr
from firstwatch.trading.agents import STDIO, Scope, is_name, new_token
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import quoted

app = typer.Typer(help="Access tokens of agents that use the server over HTTP.", no_args_is_help=True)

_EXPIRY = re.compile(r"([0-9]{1,4})([mhd])")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS = 366 * _UNIT_MS["d"]
_Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("create")
def create(
    name: _Name,
    scope: Annotated[
        Scope,
        typer.Option(
            help="read; control: also pause, resume, stop and test; trade: also start, and close positions."
        ),
    ] = Scope.READ,
    expires: Annotated[
        str, typer.Option(metavar="30d", help="In how many days, hours (12h) or minutes (90m) it ends.")
    ] = "30d",
    max_capital: Annotated[
        str, typer.Option(metavar="X", help="Most capital, in quote, of a run that it starts.")
    ] = "0",
    as_json: JsonFlag = False,
) -> None:
    """Make an access token and print it: this once, for only its hash is kept."""
    from firstwatch.cli.backtest_options import decimal
    from firstwatch.cli.folder import open_folder
    from firstwatch.store import agents
    from firstwatch.trading.clock import SystemClock, iso

    if not is_name(name) or name == STDIO:
        raise WrongUseError(
            f"A token cannot be called {quoted(name)}: use up to 40 letters, digits, dots, dashes and"
            f" underscores, beginning with a letter or digit, and not {STDIO}."
        )
    capital = decimal(max_capital, "--max-capital")
    if capital < 0 or (capital and scope is not Scope.TRADE):
        raise WrongUseError("--max-capital is 0 or more, and more than 0 only with --scope trade.")
    lasts_ms, token = _duration_ms(expires), new_token()
    now_ms = SystemClock().now_ms()
    with open_folder() as (_, store), store.write() as session:
        made = agents.add_access_token(
            session, name, token, scope=scope, max_capital=capital, now_ms=now_ms,
            expires_at_ms=now_ms + lasts_ms,
        )  # fmt: skip
    if as_json:
        say_json({**_document(made, now_ms), "token": token})
        return
    say(token)
    say_to_stderr(
        f"keep it now, it is not shown again; it has the scope {scope} until {iso(made.expires_at_ms)}"
    )


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """List the access tokens, the oldest first; what was made of them is not kept, so not shown."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.store import agents
    from firstwatch.trading.clock import SystemClock

    with open_folder() as (_, store), store.read() as session:
        now_ms = SystemClock().now_ms()
        documents = [_document(token, now_ms) for token in agents.list_access_tokens(session)]
    if as_json:
        say_json(documents)
    elif documents:
        columns = ("name", "scope", "max_capital", "expires_at", "state")
        say_table(
            [column.upper() for column in columns],
            ([each[column] for column in columns] for each in documents),
        )
    else:
        say("There is no token. Make one with: firstwatch mcp token create NAME --scope read.")


@app.command("revoke")
def revoke(name: _Name, as_json: JsonFlag = False) -> None:
    """Revoke an access token for ever: what it has planned is refused too."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.store import agents
    from firstwatch.trading.clock import SystemClock

    with open_folder() as (_, store), store.write() as session:
        agents.revoke_access_token(session, name, now_ms=SystemClock().now_ms())
    Output(as_json).result({"name": name, "state": "revoked"}, f"the token {name} is revoked")


def _document(token: Any, now_ms: int) -> dict[str, Any]:
    from firstwatch.trading.clock import iso

    revoked = token.revoked_at_ms
    return {
        "name": token.name,
        "scope": token.scope.value,
        "max_capital": token.max_capital,
        "created_at": iso(token.created_at_ms),
        "expires_at": iso(token.expires_at_ms),
        "revoked_at": None if revoked is None else iso(revoked),
        "state": "valid" if token.is_valid(now_ms) else "expired" if revoked is None else "revoked",
    }


def _duration_ms(text: str) -> int:
    found = _EXPIRY.fullmatch(text)
    duration_ms = 0 if found is None else int(found[1]) * _UNIT_MS[found[2]]
    if not 0 < duration_ms <= _LONGEST_MS:
        raise WrongUseError(
            "--expires takes days, hours or minutes, 366 days at most, such as 30d, 12h or 90m, not"
            f" {quoted(text)}."
        )
    return duration_ms
