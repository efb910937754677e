"""Build mode on a real terminal: another editor has it and gives it back, and a draft survives a kill."""

import os
import signal
from pathlib import Path

import pytest

from firstwatch.store.database import open_store
from firstwatch.store.drafts import list_drafts
from tests.pty.test_terminal import beats_on, terminal, until
from tests.ui import bench_scene

pytestmark = [
    pytest.mark.pty,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]


@pytest.fixture
def home(tmp_path) -> Path:
    home = tmp_path / "home"
    bench_scene.make(home)
    return home


def drafts(home: Path) -> list[str]:
    store = open_store(home, read_only=True)
    try:
        with store.read() as session:
            return [each.text for each in list_drafts(session)]
    finally:
        store.close()


@pytest.mark.parametrize(
    ("body", "said"),
    [("sed -i 's/< 30/< 21/' \"$1\"", "changed since"), ("stty raw -echo; kill -9 $$", "ended by signal 9")],
    ids=["writes", "is-killed"],
)
def test_another_editor_has_the_terminal_and_gives_it_back(home, tmp_path, body, said):
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\necho EDITING\nread answer\n{body}\n")
    editor.chmod(0o700)
    with terminal(home, environment={"VISUAL": str(editor)}) as on:
        on.read_until("embedded")
        on.send(b"0")
        on.read_until("stay")
        on.send(b"b")
        on.read_until("as it is stored")
        on.send(b"\x1bOS")
        on.read_until("EDITING")
        assert on.attributes() == on.before
        since = len(on.seen)
        # ctrl+c is meant for the other program, or would be; ours stays.
        os.kill(on.pid, signal.SIGINT)
        beats_on(home)
        on.read()
        assert b"\x1b[?1049h" not in on.seen[since:]
        on.send(b"\r")
        on.read_until("\x1b[?1049h", since=since)
        on.read_until(said, since=since)
        on.send(b"q")
        assert on.wait() == 0
        assert on.attributes() == on.before
    assert [("< 21" in text) for text in drafts(home)] == [True] * ("sed" in body)


def test_a_draft_survives_a_kill(home):
    with terminal(home) as on:
        on.read_until("embedded")
        on.send(b"0")
        on.read_until("stay")
        on.send(b"b")
        on.read_until("as it is stored")
        on.send(b"i")
        on.read_until("stop writing")
        on.send(b"# mine")
        until(lambda: any(text.startswith("# mine") for text in drafts(home)), "the draft is kept")
        os.kill(on.pid, signal.SIGKILL)
        on.process.wait()
    with terminal(home) as again:
        again.read_until("embedded")
        again.send(b"0")
        again.read_until("stay")
        again.send(b"b")
        again.read_until("mine")
        again.send(b"q")
        assert again.wait() == 0
