"""``firstwatch algorithm``: begin, add, edit, compare, name and show algorithms."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, say, say_json, say_table, say_to_stderr
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.text import clean, counted

if TYPE_CHECKING:
    from firstwatch.manager.build_service import BuildService
    from firstwatch.manager.build_views import TextView
    from firstwatch.store.algorithms import AlgorithmVersion

app = typer.Typer(
    help="Begin, add, edit, compare, name and show algorithms; each version is kept once.",
    no_args_is_help=True,
)

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The algorithm as a TOML file.")]
_Name = Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Without a version: the newest.")]
_Algorithm = Annotated[str, typer.Argument(metavar="NAME", help="The algorithm.")]
_Note = Annotated[str, typer.Option(metavar="TEXT", help="What is to be remembered about the version.")]


@contextmanager
def _build() -> "Iterator[BuildService]":
    from firstwatch.cli.folder import open_folder
    from firstwatch.manager.build_service import BuildService
    from firstwatch.trading.clock import SystemClock

    with open_folder() as (settings, store):
        yield BuildService(settings, SystemClock(), lambda: store)


# --- files ---------------------------------------------------------------------------------------


@app.command()
def add(file: _File, note: _Note = "", as_json: JsonFlag = False) -> None:
    """Store a version and print name@version; the same specification gives the same version."""
    from firstwatch.cli.files import read_algorithm

    # A wrong file leaves no data folder behind.
    spec = read_algorithm(file)
    with _build() as build:
        _say_version(build, build.add(spec, note), note, as_json=as_json)


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


@app.command("export")
def export_(
    name: _Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not exist yet.")],
    as_json: JsonFlag = False,
) -> None:
    """Write a version as a TOML file; add takes it back."""
    with _build() as build:
        label = build.version(name).label
        build.export_file(label, file)
    Output(as_json).result({"version": label, "file": str(file)}, f"{file} has {label}.")


# --- begin and edit ------------------------------------------------------------------------------


@app.command()
def template(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this one.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the algorithms to begin with, or print one: its idea, its parameters, its TOML."""
    from firstwatch.strategy import templates

    if name is not None:
        found = templates.template(name)
        document = {"name": found.name, "title": found.title, "idea": found.idea, "text": found.text}
        Output(as_json).result(document, found.text.rstrip())
        return
    known = templates.templates()
    if as_json:
        say_json([{"name": each.name, "title": each.title, "idea": each.idea} for each in known])
        return
    say_table(("TEMPLATE", "IDEA"), ((each.name, each.idea) for each in known))


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the algorithm is called.")],
    template: Annotated[
        str, typer.Option(metavar="T", help="What it begins as; algorithm template lists them.")
    ] = "barebones-long",
    as_json: JsonFlag = False,
) -> None:
    """Store a new algorithm made from a template, as its version 1, and print name@version."""
    from firstwatch.manager.build_service import text_of_template
    from firstwatch.strategy import templates

    # A wrong name leaves no data folder behind.
    text_of_template(templates.template(template), name)
    with _build() as build:
        view = build.save(build.begin(template, name), f"from the template {template}")
        _say_version(build, view, as_json=as_json)


@app.command()
def edit(
    name: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="Without a version: the newest, or its draft.")
    ],
    note: _Note = "",
    as_json: JsonFlag = False,
) -> None:
    """Edit a version in $VISUAL or $EDITOR, and store the result as the next version.

    A text with mistakes, or one that the editor has left when it failed, is kept as a draft, and the next
    edit goes on with it.
    """
    from firstwatch.cli.editor import edit_text

    with _build() as build:
        view = build.open(name)
        while True:
            with edit_text(view.text) as left:
                view = _kept(build, view, left.text)
            if left.problem:
                raise FirstwatchError(f"{left.problem} {_where(view)}")
            if view.is_valid:
                break
            mistakes = "\n".join(
                f"line {each.line + 1}, column {each.column + 1}: {each.sentence}" for each in view.problems
            )
            if not _agrees(f"{mistakes}\nEdit again?", is_usual=True):
                raise WrongUseError(f"{_where(view)}\n{mistakes}")
        _say_version(build, _saved(build, view, note), note, as_json=as_json)


def _kept(build: "BuildService", view: "TextView", text: str) -> "TextView":
    """Save what was edited as a draft; a version that was only looked at gets none."""
    from firstwatch.manager.algorithm_text import edited

    if text != view.text:
        view = build.keep(edited(view, text))
    return view


def _where(view: "TextView") -> str:
    """Return where an edited text is, as a sentence."""
    from firstwatch.manager.test_views import DRAFT_OF

    if view.base and view.text == view.stored:
        return "Nothing was changed."
    name = view.draft.removeprefix(DRAFT_OF)
    return f"The text is kept as a draft: firstwatch algorithm edit {shlex.quote(name)} goes on with it."


def _saved(build: "BuildService", view: "TextView", note: str) -> "TextView":
    from firstwatch.manager.build_service import ChangedMeanwhileError

    over = ""
    while True:
        try:
            return build.save(view, note, over=over)
        except ChangedMeanwhileError as error:
            if not _agrees(f"{error}\nSave it all the same?", is_usual=False):
                raise WrongUseError(f"{error}\n{_where(view)}") from error
            over = error.newest


def _agrees(question: str, *, is_usual: bool) -> bool:
    """Ask an operator who is there; without one the answer is no."""
    if not sys.stdin.isatty():
        return False
    *lines, asked = question.split("\n")
    if lines:
        say_to_stderr("\n".join(lines))
    try:
        return typer.confirm(clean(asked), default=is_usual, err=True)
    except typer.Abort:
        # Ctrl+C, or the end of what is typed.
        return False


# --- what there is -------------------------------------------------------------------------------


@app.command("list")
def list_(
    has_archived: Annotated[bool, typer.Option("--archived", help="Archived algorithms too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List all versions of all algorithms that are not archived."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.algorithms import list_versions
    from firstwatch.trading.clock import iso

    with open_folder() as (_, store), store.read() as session:
        known = list_versions(session)
    versions = [each for each in known if has_archived or not each.is_archived]
    labels = {each.id: each.label for each in known}
    if as_json:
        say_json([_document(each, labels) for each in versions])
    elif versions:
        rows = ((v.label, iso(v.created_at_ms), v.sha256[:12], _about(v, labels)) for v in versions)
        say_table(("ALGORITHM", "CREATED", "SHA-256", "NOTE"), rows)
    elif known:
        say("All algorithms are archived. See them with: firstwatch algorithm list --archived.")
    else:
        say("No algorithms yet. Begin one with: firstwatch algorithm new NAME, or add FILE.")


def _document(version: "AlgorithmVersion", labels: dict[int, str]) -> dict[str, Any]:
    from firstwatch.trading.clock import iso

    return {
        "name": version.name,
        "version": version.number,
        "sha256": version.sha256,
        "created_at": iso(version.created_at_ms),
        "note": version.note,
        "parent": labels.get(version.parent_id or 0),
        "archived": version.is_archived,
    }


def _about(version: "AlgorithmVersion", labels: dict[int, str]) -> str:
    parent = labels.get(version.parent_id or 0)
    parts = (version.note, f"from {parent}" if parent else "", "archived" if version.is_archived else "")
    return "; ".join(filter(None, parts))


@app.command()
def show(name: _Name, as_json: JsonFlag = False) -> None:
    """Print a version as TOML, or with --json as its canonical JSON."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.names import split_version
    from firstwatch.manager.algorithm_views import stored_text
    from firstwatch.store.algorithms import get_version

    with open_folder() as (_, store), store.read() as session:
        version = get_version(session, *split_version(name))
    if as_json:
        say_json(
            {
                "name": version.name,
                "version": version.number,
                "sha256": version.sha256,
                "note": version.note,
                "specification": json.loads(version.spec_json),
            }
        )
        return
    say(f"# {version.label}  sha256 {version.sha256}")
    if version.note:
        say(f"# {version.note}")
    say(stored_text(version).rstrip())


@app.command()
def diff(
    before: Annotated[
        str, typer.Argument(metavar="A[@VERSION]", help="The earlier one; a draft's name too.")
    ],
    after: Annotated[str, typer.Argument(metavar="B[@VERSION]", help="The later one.")],
    as_json: JsonFlag = False,
) -> None:
    """Print what differs between two versions, by meaning: conditions, numbers, stop, size, order."""
    with _build() as build:
        changes = build.differences(before, after)
    if as_json:
        say_json({"changes": [change.document() for change in changes]})
        return
    for change in changes:
        say(change.sentence)
    if not changes:
        say("They mean the same.")


# --- names and notes -----------------------------------------------------------------------------


@app.command()
def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its name now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name from now on.")],
    as_json: JsonFlag = False,
) -> None:
    """Give an algorithm another name; its versions and runs stay, and the old name still leads to it."""
    with _build() as build:
        build.rename(old, new)
    Output(as_json).result({"name": new, "former_name": old}, f"{old} is now called {new}.")


@app.command()
def archive(name: _Algorithm, as_json: JsonFlag = False) -> None:
    """Offer an algorithm no longer for launches and in lists; its runs and results stay."""
    with _build() as build:
        build.archive(name, archived=True)
    Output(as_json).result({"name": name, "archived": True}, f"{name} is archived.")


@app.command()
def unarchive(name: _Algorithm, as_json: JsonFlag = False) -> None:
    """Offer an archived algorithm again."""
    with _build() as build:
        build.archive(name, archived=False)
    Output(as_json).result({"name": name, "archived": False}, f"{name} is offered again.")


@app.command()
def note(
    name: _Name,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="In place of the note that is there.")],
    as_json: JsonFlag = False,
) -> None:
    """Write what is to be remembered about a version; an empty text removes the note."""
    with _build() as build:
        label = build.version(name).label
        build.set_note(label, text)
        written = build.version(label).note
    Output(as_json).result({"version": label, "note": written}, f"{label}: {written or 'no note'}")


def _say_version(build: "BuildService", view: "TextView", note: str = "", *, as_json: bool) -> None:
    """Print the stored version that a text is; one that was known keeps its note, which is said."""
    version = build.version(view.base)
    if note and version.note != clean(note.strip()):
        say_to_stderr(f"{version.label} was known already, and keeps its note: {version.note}")
    document = {"name": version.name, "version": version.number, "sha256": version.sha256}
    Output(as_json).result(document, version.label)
