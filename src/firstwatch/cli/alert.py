"""``firstwatch alert``: the addresses of ``[alerts]``."""

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json
from firstwatch.trading.errors import FirstwatchError

app = typer.Typer(help="Alarms that go out to a phone or a mailbox.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep ``test`` a command of its own, though it is the only one."""


@app.command("test")
def try_out(as_json: JsonFlag = False) -> None:
    """Send a test message to each address of [alerts]; exit code 1 if none was delivered."""
    from firstwatch.engine.alerts.address import addresses_of
    from firstwatch.engine.alerts.message import trial
    from firstwatch.engine.alerts.sending import NOT_INSTALLED, Sender, is_installed
    from firstwatch.settings import load_settings

    addresses = addresses_of(load_settings().alerts.urls)
    if not addresses:
        raise FirstwatchError('There is no address: write urls = ["…"] under [alerts] in the settings.')
    if not is_installed():
        raise FirstwatchError(f"{NOT_INSTALLED}.")
    sender = Sender()
    try:
        problems = sender.send([(address, trial()) for address in addresses])
    finally:
        sender.close()
    if as_json:
        say_json(
            [
                {"address": address.label, "delivered": not problem, "problem": problem}
                for address, problem in zip(addresses, problems, strict=True)
            ]
        )
    else:
        for address, problem in zip(addresses, problems, strict=True):
            say(f"{address.label}: {f'not delivered: {problem}' if problem else 'delivered'}")
    if all(problems):
        raise typer.Exit(1)
