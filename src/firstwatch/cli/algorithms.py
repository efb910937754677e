"""``firstwatch algorithm``: add, list, show and check algorithms."""

import json
from pathlib import Path
from typing import Annotated

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, say, say_json, say_table
from firstwatch.trading.text import counted

app = typer.Typer(help="Add, list, show and check algorithms.", no_args_is_help=True)

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The algorithm as a TOML file.")]


@app.command()
def add(file: _File, as_json: JsonFlag = False) -> None:
    """Store a version and print name@version; the same specification gives the same version."""
    from firstwatch.cli.files import read_algorithm
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.algorithms import add_version
    from firstwatch.trading.clock import SystemClock

    spec = read_algorithm(file)
    with open_folder() as (_, store), store.write() as session:
        version = add_version(
            session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=SystemClock().now_ms()
        )
    document = {"name": version.name, "version": version.number, "sha256": version.sha256}
    Output(as_json).result(document, version.label)


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """List all versions of all algorithms."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.algorithms import list_versions
    from firstwatch.trading.clock import iso

    with open_folder() as (_, store), store.read() as session:
        versions = list_versions(session)
    if as_json:
        say_json(
            [
                {"name": v.name, "version": v.number, "sha256": v.sha256, "created_at": iso(v.created_at_ms)}
                for v in versions
            ]
        )
    elif versions:
        say_table(
            ("ALGORITHM", "CREATED", "SHA-256"),
            ((v.label, iso(v.created_at_ms), v.sha256[:12]) for v in versions),
        )
    else:
        say("No algorithms yet. Add one with: firstwatch algorithm add FILE.")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Without a version: the newest.")],
    as_json: JsonFlag = False,
) -> None:
    """Print a version as TOML, or with --json as its canonical JSON."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.names import split_version
    from firstwatch.store.algorithms import get_version
    from firstwatch.strategy.specification import AlgorithmSpec

    with open_folder() as (_, store), store.read() as session:
        version = get_version(session, *split_version(name))
    if as_json:
        say_json(
            {
                "name": version.name,
                "version": version.number,
                "sha256": version.sha256,
                "specification": json.loads(version.spec_json),
            }
        )
    else:
        say(f"# {version.label}  sha256 {version.sha256}")
        say(AlgorithmSpec.from_json(version.spec_json).to_toml().rstrip())


@app.command()
def check(file: _File, as_json: JsonFlag = False) -> None:
    """Check an algorithm: print its mistakes, or the bars that it needs; nothing is stored."""
    from firstwatch.cli.files import read_algorithm

    spec = read_algorithm(file)
    needed = {str(timeframe): bars for timeframe, bars in spec.needed_bars().items()}
    if as_json:
        say_json(
            {
                "name": spec.name,
                "sha256": spec.sha256(),
                "warnings": list(spec.warnings()),
                "needed_bars": needed,
                "specification": json.loads(spec.canonical_json()),
            }
        )
        return
    say(f"{spec.name}: valid, sha256 {spec.sha256()[:12]}")
    for timeframe, bars in needed.items():
        say(f"needs {counted(bars, 'closed bar')} of {timeframe} before it can start")
    for warning in spec.warnings():
        say(f"warning: {warning}")
