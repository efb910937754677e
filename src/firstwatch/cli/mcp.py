"""``firstwatch mcp``: the server for agents."""

import typer

from firstwatch.cli import mcp_install, mcp_token

app = typer.Typer(help="The server for agents, by the Model Context Protocol.", no_args_is_help=True)
app.add_typer(mcp_token.app, name="token")
app.command("install")(mcp_install.install)
