"""How the source speaks: its links lead somewhere, its faces say what is in a room, its words are plain."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "firstwatch"
TEXTS = sorted(
    path
    for folder in (ROOT / "src", ROOT / "tests")
    for path in folder.rglob("*")
    if path.suffix in {".py", ".lark", ".toml", ".tcss"} and "__pycache__" not in path.parts
)

DOCUMENT = re.compile(r"[\w./-]*\w\.md\b")
RULE = re.compile(r"\b[Rr]ules? ((?:\d+(?: to |, | and )?)+)\s+of\s+``(firstwatch(?:\.\w+)*)``")
PLACE = re.compile(r"`([\w/]+/\w+\.py)`(?: \(?`(\w+)`)?")
"""A path of the README, and the name behind it that is to be found there."""
NUMBERED = re.compile(r"^(\d+)\. ", re.MULTILINE)

LISTED = (
    "firstwatch.trading",
    "firstwatch.strategy",
    "firstwatch.market",
    "firstwatch.store",
    "firstwatch.backtest",
    "firstwatch.watch",
    "firstwatch.venues",
    "firstwatch.venues.paper",
    "firstwatch.venues.hyperliquid",
    "firstwatch.wallets",
    "firstwatch.engine",
    "firstwatch.engine.alerts",
    "firstwatch.engine.core",
    "firstwatch.engine.launch",
    "firstwatch.engine.worker",
    "firstwatch.engine.reconciliation",
    "firstwatch.engine.host",
    "firstwatch.engine.jobs",
    "firstwatch.manager",
    "firstwatch.mcp",
    "firstwatch.tui",
    "firstwatch.cli",
)
"""Packages whose faces name all of their modules."""
UNWANTED = re.compile(
    r"\b(nobody|somebody|whoever|told|heard|unheard|hears|words? of|by (the|its|his) words?|'s words?"
    r"|in spite of|mend(s|ed|ing)?|wish(es|ed)?|aside|desks?|doors?|seats?|workless|ears?|in hand|hands at"
    r"|speaks? of|spoke of)\b",
    re.IGNORECASE,
)


def _face(package: str) -> str:
    path = SOURCE.joinpath(*package.split(".")[1:], "__init__.py")
    return ast.get_docstring(ast.parse(path.read_text()), clean=False) or ""


@cache
def _rules(package: str) -> frozenset[int]:
    return frozenset(map(int, NUMBERED.findall(_face(package))))


def _prose(source: str) -> Iterator[tuple[int, str]]:
    """Yield the docstrings and comments of a module, those of attributes too, with their lines."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(ast.Constant(str(text))):
                yield node.lineno, text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _cited(text: str) -> Iterator[tuple[str, int]]:
    """Yield the rules that a text cites: the package, and the number of the rule."""
    for match in RULE.finditer(text):
        for part in re.split(r", | and ", match[1].strip()):
            first, *last = map(int, part.split(" to "))
            for number in range(first, (last or [first])[0] + 1):
                yield match[2], number


def test_no_text_links_to_a_document_that_is_not_in_the_repository():
    lost = {
        f"{path.relative_to(ROOT)}: {link}"
        for path in TEXTS
        for link in DOCUMENT.findall(path.read_text())
        if not (ROOT / link).exists()
    }
    assert not lost


def test_the_rules_of_a_face_are_numbered_from_one():
    for path in SOURCE.rglob("__init__.py"):
        numbers = [int(number) for number in NUMBERED.findall(path.read_text())]
        assert numbers == list(range(1, len(numbers) + 1)), path


def test_an_id_of_a_style_sheet_belongs_to_one_widget():
    """The sheets of all modes hold for all screens once they are loaded, also for a widget of the same id."""
    screen = SOURCE / "tui"
    styled = {
        name
        for sheet in screen.rglob("*.tcss")
        for rule in re.findall(r"(?m)^([^{\n]*)\{", sheet.read_text())
        for name in re.findall(r"#([\w-]+)", rule)
    }
    given: dict[str, list[str]] = {}
    for path in screen.rglob("*.py"):
        for name in re.findall(r'\bid="([\w-]+)"', path.read_text()):
            given.setdefault(name, []).append(path.name)
    assert styled & given.keys()
    assert {name: given[name] for name in styled & given.keys() if len(given[name]) > 1} == {}


@pytest.mark.parametrize("package", LISTED)
def test_a_face_names_every_module_of_its_room(package):
    face = _face(package)
    folder = SOURCE.joinpath(*package.split(".")[1:])
    inside = [path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    missing = [path.stem for path in inside if path.stem != "__init__" and f"``{path.stem}``" not in face]
    assert not missing


def test_a_cited_rule_stands_in_the_face_of_its_package():
    cited = [(path, *rule) for path in TEXTS for rule in _cited(path.read_text())]
    assert len(cited) > 50
    lost = {
        f"{path.relative_to(ROOT)}: rule {n} of {package}"
        for path, package, n in cited
        if n not in _rules(package)
    }
    assert not lost


def test_what_the_readme_points_to_is_there():
    places = PLACE.findall((ROOT / "README.md").read_text())
    assert len(places) > 20
    for path, name in places:
        found = next((root / path for root in (ROOT, SOURCE) if (root / path).exists()), None)
        assert found is not None, path
        assert not name or re.search(rf"(def|class) {name}\b|^{name}\b", found.read_text(), re.MULTILINE), (
            name
        )


def test_docstrings_and_comments_use_plain_words():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]}"
        for path in sorted(SOURCE.rglob("*.py"))
        for line, text in _prose(path.read_text())
        for match in UNWANTED.finditer(text)
    ]
    assert not found


def test_nothing_is_quoted_as_python_does():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted(SOURCE.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "!r}" in line
    ]
    assert not found
