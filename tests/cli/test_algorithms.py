"""``firstwatch algorithm``: begun from a template, edited, compared, renamed, archived, exported."""

import io
import os
import stat
import sys
import threading

import pytest

from firstwatch.strategy.templates import NAMES
from tests.cli.conftest import Answer


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Return a function that makes an editor which does something with the file, in Python."""

    def make(does: str) -> None:
        script = tmp_path / "editor"
        script.write_text(f"#!{sys.executable}\nimport os, sys\npath = sys.argv[-1]\n{does}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("VISUAL", f"'{script}' --wait")

    return make


@pytest.fixture
def replaces(editor):
    """Return a function that makes an editor which replaces a text by another one."""

    def make(old: str, new: str, more: str = "") -> None:
        editor(
            "text = open(path).read()\n"
            f"assert {old!r} in text, text\n"
            f"open(path, 'w').write(text.replace({old!r}, {new!r}))\n{more}"
        )

    return make


@pytest.fixture
def stored(firstwatch):
    """A stored algorithm, made from a template."""
    assert firstwatch("algorithm", "new", "dips", "--template", "rsi-reversion").out == "dips@1\n"


def labels(answer: Answer) -> list[str]:
    return [f"{each['name']}@{each['version']}" for each in answer.json]


# --- templates -------------------------------------------------------------------------------------


def test_templates_are_listed_and_printed_as_files_that_can_be_added(firstwatch, tmp_path):
    listed = firstwatch("algorithm", "template")
    assert all(name in listed.out for name in NAMES)
    assert [each["name"] for each in firstwatch("algorithm", "template", "--json").json] == list(NAMES)
    file = tmp_path / "t.toml"
    file.write_text(firstwatch("algorithm", "template", "supertrend").out)
    assert firstwatch("algorithm", "add", file).out == "supertrend@1\n"
    assert firstwatch("algorithm", "template", "supertrend", "--json").json["text"] == file.read_text()
    wrong = firstwatch("algorithm", "template", "supertrnd")
    assert (wrong.code, "did you mean supertrend" in wrong.err) == (2, True)


def test_a_new_algorithm_is_a_first_version_that_says_where_it_is_from(firstwatch):
    answer = firstwatch("algorithm", "new", "my trend", "--template", "supertrend", "--json")
    assert (answer.json["name"], answer.json["version"]) == ("my trend", 1)
    (listed,) = firstwatch("algorithm", "list", "--json").json
    assert (listed["note"], listed["parent"]) == ("from the template supertrend", None)
    again = firstwatch("algorithm", "new", "my trend")
    assert (again.code, "is taken" in again.err) == (2, True)


@pytest.mark.parametrize("words", [("a@b",), ("x", "--template", "supertrnd")])
def test_what_cannot_be_begun_leaves_nothing_behind(firstwatch, home, words):
    assert firstwatch("algorithm", "new", *words).code == 2
    assert not home.exists()


# --- edit ------------------------------------------------------------------------------------------


def test_an_edit_is_the_next_version_with_its_note_and_parent(firstwatch, stored, replaces):
    replaces("rsi(14) < 30", "rsi(14) < 25")
    assert firstwatch("algorithm", "edit", "dips", "--note", "deeper").out == "dips@2\n"
    newest = firstwatch("algorithm", "list", "--json").json[-1]
    assert (newest["version"], newest["note"], newest["parent"]) == (2, "deeper", "dips@1")
    found = firstwatch("algorithm", "diff", "dips@1", "dips@2", "--json").json
    assert found == {
        "changes": [
            {
                "place": "entry.long.required[0]",
                "kind": "changed",
                "before": "rsi(14) < 30",
                "after": "rsi(14) < 25",
            }
        ]
    }
    assert firstwatch("algorithm", "diff", "dips@1", "dips").out == "long entry: rsi(14) < 30 → 25\n"
    assert firstwatch("algorithm", "diff", "dips@1", "dips@1").out == "They mean the same.\n"


def test_an_edit_that_changes_nothing_is_the_version_that_it_was(firstwatch, stored, editor):
    editor("")
    assert firstwatch("algorithm", "edit", "dips").out == "dips@1\n"
    assert labels(firstwatch("algorithm", "list", "--json")) == ["dips@1"]


def test_a_mistake_is_said_with_its_line_and_the_text_is_gone_on_with(firstwatch, stored, replaces):
    replaces("rsi(14) < 30", "rsy(14) < 25")
    answer = firstwatch("algorithm", "edit", "dips")
    assert answer.code == 2
    assert "line 6, column 14" in answer.err
    assert "did you mean rsi?" in answer.err
    assert "firstwatch algorithm edit dips@1 goes on with it" in answer.err
    replaces("rsy(14)", "rsi(14)")
    assert firstwatch("algorithm", "edit", "dips@1").out == "dips@2\n"


@pytest.mark.parametrize(
    ("ends", "said"),
    [("sys.exit(3)", "ended with code 3"), ("os.kill(os.getpid(), 9)", "was ended by signal 9")],
)
def test_an_editor_that_fails_costs_no_text(firstwatch, stored, replaces, ends, said):
    replaces("rsi(14) < 30", "rsi(14) < 25", ends)
    answer = firstwatch("algorithm", "edit", "dips")
    assert answer.code == 1
    assert said in answer.err
    assert "kept as a draft" in answer.err
    replaces("rsi(14) < 25", "rsi(14) < 20")
    assert firstwatch("algorithm", "edit", "dips").out == "dips@2\n"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("", "No editor is named"),
        ("/nowhere/editor", "cannot be started: No such file"),
        ("/", "cannot be started: Permission denied"),
        ("'vi", "is no command"),
    ],
)
def test_an_editor_that_is_missing_is_one_sentence(firstwatch, stored, monkeypatch, tmp_path, named, said):
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.setenv("VISUAL", named)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    os.mkdir(tmp_path / "temporary")
    answer = firstwatch("algorithm", "edit", "dips")
    assert answer.code == 2
    assert said in answer.err
    assert os.listdir(tmp_path / "temporary") == []


def test_what_an_editor_leaves_is_never_lost(firstwatch, stored, editor, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    editor("open(path, 'wb').write(b'\\xff')")
    answer = firstwatch("algorithm", "edit", "dips")
    assert "not UTF-8" in answer.err
    (left,) = tmp_path.glob("firstwatch-*.toml")
    assert str(left) in answer.err
    assert left.read_bytes() == b"\xff"
    left.unlink()
    editor("open(path, 'w').write('x' * 900_000)")
    assert "at most" in firstwatch("algorithm", "edit", "dips").err
    assert not list(tmp_path.glob("firstwatch-*.toml"))


def test_a_version_that_was_stored_meanwhile_is_not_passed_over(firstwatch, stored, editor, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(firstwatch("algorithm", "show", "dips").out.replace("rsi(14) < 30", "rsi(14) < 20"))
    editor(
        "import subprocess\n"
        "text = open(path).read()\n"
        "open(path, 'w').write(text.replace('rsi(14) < 30', 'rsi(14) < 25'))\n"
        f"words = [sys.executable, '-m', 'firstwatch', 'algorithm', 'add', {str(other)!r}]\n"
        "subprocess.run(words, check=True)"
    )
    answer = firstwatch("algorithm", "edit", "dips")
    assert answer.code == 2
    assert "dips@2 is the newest version of dips, not dips@1" in answer.err
    assert "kept as a draft" in answer.err
    assert labels(firstwatch("algorithm", "list", "--json")) == ["dips@1", "dips@2"]
    assert "25" in firstwatch("algorithm", "diff", "dips@1", "draft of dips@1").out


class Terminal(io.StringIO):
    """Standard input with an operator at it, who answers with these lines."""

    def isatty(self) -> bool:
        return True


MISTAKES_ONCE = """
text = open(path).read()
old, new = ("rsy(14)", "rsi(14)") if "rsy" in text else ("rsi(14) < 30", "rsy(14) < 25")
open(path, "w").write(text.replace(old, new))
"""


@pytest.mark.parametrize(
    ("answer", "code", "versions"), [("y\n", 0, 2), ("\n", 0, 2), ("n\n", 2, 1), ("", 2, 1)]
)
def test_an_operator_is_asked_whether_to_edit_mistakes(
    firstwatch, stored, editor, monkeypatch, answer, code, versions
):
    editor(MISTAKES_ONCE)
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    said = firstwatch("algorithm", "edit", "dips")
    assert (said.code, "did you mean rsi?" in said.err) == (code, True)
    assert len(firstwatch("algorithm", "list", "--json").json) == versions
    if versions == 1:
        editor(MISTAKES_ONCE)
        assert firstwatch("algorithm", "edit", "dips").out == "dips@2\n"


@pytest.mark.parametrize(
    ("answer", "versions"), [("y\n", ["dips@1", "dips@2", "dips@3"]), ("\n", ["dips@1", "dips@2"])]
)
def test_an_operator_is_asked_before_a_newer_version_is_passed_over(
    firstwatch, stored, replaces, editor, monkeypatch, answer, versions
):
    replaces("rsi(14) < 30", "rsi(14) < 25")
    firstwatch("algorithm", "edit", "dips")
    replaces("rsi(14) < 30", "rsi(14) < 20")
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    said = firstwatch("algorithm", "edit", "dips@1", "--note", "older")
    assert "dips@2 is the newest version" in said.err
    assert labels(firstwatch("algorithm", "list", "--json")) == versions


# --- names, notes, files ---------------------------------------------------------------------------


def test_an_algorithm_is_renamed_and_found_by_both_names(firstwatch, stored):
    assert firstwatch("algorithm", "rename", "dips", "deep dips").out == "dips is now called deep dips.\n"
    assert firstwatch("algorithm", "show", "dips", "--json").json["name"] == "deep dips"
    assert firstwatch("algorithm", "show", "deep dips").out.count('name = "deep dips"') == 1
    taken = firstwatch("algorithm", "new", "dips")
    assert (taken.code, 'was that of "deep dips"' in taken.err) == (2, True)


def test_an_archived_algorithm_is_left_out_of_the_list(firstwatch, stored):
    assert firstwatch("algorithm", "archive", "dips").out == "dips is archived.\n"
    assert firstwatch("algorithm", "list", "--json").json == []
    assert "list --archived" in firstwatch("algorithm", "list").out
    assert labels(firstwatch("algorithm", "list", "--archived", "--json")) == ["dips@1"]
    assert "archived" in firstwatch("algorithm", "list", "--archived").out
    assert firstwatch("algorithm", "show", "dips").code == 0
    firstwatch("algorithm", "unarchive", "dips")
    assert labels(firstwatch("algorithm", "list", "--json")) == ["dips@1"]


def test_a_note_is_written_shown_and_removed(firstwatch, stored):
    assert firstwatch("algorithm", "note", "dips", "to be\nwatched").out == "dips@1: to be watched\n"
    assert "to be watched" in firstwatch("algorithm", "list").out
    assert "# to be watched" in firstwatch("algorithm", "show", "dips").out
    assert firstwatch("algorithm", "note", "dips@1", "", "--json").json == {"version": "dips@1", "note": ""}


def test_an_exported_version_is_added_as_the_same(firstwatch, stored, tmp_path):
    file = tmp_path / "dips.toml"
    assert firstwatch("algorithm", "export", "dips", file).code == 0
    assert firstwatch("algorithm", "add", file).out == "dips@1\n"
    again = firstwatch("algorithm", "export", "dips", file)
    assert (again.code, "there already" in again.err) == (2, True)
    noted = firstwatch("algorithm", "add", file, "--note", "of a file")
    assert (noted.out, "keeps its note: from the template" in noted.err) == ("dips@1\n", True)
    for name, said in (("x" * 300, "File name too long"), ("a\0b", "null byte")):
        refused = firstwatch("algorithm", "export", "dips", tmp_path / name)
        assert (refused.code in (1, 2), said in refused.err) == (True, True), refused
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "elsewhere.toml")
    assert "there already" in firstwatch("algorithm", "export", "dips", link).err
    assert not (tmp_path / "elsewhere.toml").exists()


def test_a_pipe_is_added_like_a_file(firstwatch, stored, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = firstwatch("algorithm", "show", "dips").out
    writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
    writer.start()
    assert firstwatch("algorithm", "add", pipe).out == "dips@1\n"
    writer.join()


def test_a_note_that_is_too_long_is_refused(firstwatch, stored):
    answer = firstwatch("algorithm", "note", "dips@1", "x" * 301)
    assert (answer.code, "at most 300 characters" in answer.err) == (2, True)


def test_what_was_written_before_the_terminal_was_closed_is_a_draft(firstwatch, stored, editor):
    editor(
        "import signal\nopen(path, 'a').write('# an hour of work')\n"
        "for each in (os.getppid(), os.getpid()):\n    os.kill(each, signal.SIGHUP)"
    )
    answer = firstwatch("algorithm", "edit", "dips")
    assert (answer.code, "was ended by signal 1" in answer.err) == (1, True)
    assert "kept as a draft" in answer.err
    editor("assert '# an hour of work' in open(path).read()")
    assert firstwatch("algorithm", "edit", "dips").code == 0


def test_a_name_is_quoted_for_the_shell(firstwatch, editor):
    name = "Grün $(id) #1"
    assert firstwatch("algorithm", "new", name).code == 0
    editor("open(path, 'w').write('name =')")
    assert f"edit '{name}@1' goes on" in firstwatch("algorithm", "edit", name).err
