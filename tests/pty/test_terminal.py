"""What the screen does to its terminal, and what losing the terminal does to the engine: nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from firstwatch.engine.lock import holder_of
from firstwatch.store.commands import recent_commands
from firstwatch.store.database import open_store
from firstwatch.store.hosts import current_host
from firstwatch.store.runs import list_runs
from firstwatch.trading.runs import RunState
from tests.pty import stalled
from tests.pty.sight import Sight
from tests.pty.terminal import PATIENCE_S, Terminal, is_alive, state_of
from tests.ui import scenes

pytestmark = [
    pytest.mark.pty,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]


@pytest.fixture
def home(tmp_path) -> Path:
    """A data folder with a run that an engine recovers at once: NEW, and its feed a bar a second."""
    home = tmp_path / "home"
    scenes.first_steps(home)
    (home / "config.toml").write_text('[venues.paper]\nkind = "paper"\nspeed = 60\n')
    return home


@contextmanager
def terminal(home: Path, **options: object) -> Iterator[Terminal]:
    on = Terminal(home, **options)
    try:
        yield on
    finally:
        on.end()


def test_a_read_only_screen_leaves_the_engine_to_another_process(home):
    with terminal(home, arguments=("--read-only",)) as on:
        on.read_until("READ ONLY")
        # By then it would have looked for an engine to take.
        on.read_until("no engine")
        assert holder_of(home) is None
        on.send(b"q")
        assert on.wait() == 0


def start_run(home: Path) -> None:
    """Start a run through the engine of the folder, as another client does."""
    subprocess.run(
        [
            sys.executable, "-c", "from firstwatch.cli import main; main()", "run", "start", "Band fade",
            "--wallet", "demo", "--symbol", scenes.SYMBOL, "--capital", "1000", "--accept-warnings", "a test",
        ],
        env={**os.environ, "FIRSTWATCH_HOME": str(home)},
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )  # fmt: skip


def until(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"it never came to: {what}"
        time.sleep(0.02)


def heartbeat(home: Path) -> int:
    store = open_store(home, read_only=True)
    with store.read() as session:
        host = current_host(session)
    store.close()
    return 0 if host is None else host.heartbeat_ms


def states(home: Path) -> list[RunState]:
    store = open_store(home, read_only=True)
    with store.read() as session:
        found = [run.state for run in list_runs(session)]
    store.close()
    return found


def beats_on(home: Path) -> None:
    """Wait for two more heartbeats."""
    for _ in range(2):
        last = heartbeat(home)
        until(lambda last=last: heartbeat(home) > last, "a heartbeat")


def test_a_terminal_is_given_back_as_it_was(home):
    with terminal(home) as on:
        on.read_until("Wallets")
        on.read_until("embedded")
        assert on.attributes() != on.before
        on.send(b"q")
        assert on.wait() == 0
        assert on.attributes() == on.before
        _, _, after = on.seen.partition(b"\x1b[?1049l")
        assert f"No run is active. Come back with: FIRSTWATCH_HOME={home} firstwatch" in after.decode()


@pytest.mark.parametrize("way", ["closed", "SIGHUP"])
def test_a_lost_terminal_leaves_the_engine_running(home, way):
    with terminal(home) as on:
        on.read_until("embedded")
        start_run(home)
        if way == "closed":
            on.hang_up()
        else:
            os.kill(on.pid, signal.SIGHUP)
        beats_on(home)
        assert is_alive(on.pid)
        assert states(home) == [RunState.RUNNING]
        with terminal(home, size=(160, 45)) as again:
            again.read_until("attached")
            again.send(b"q")
            assert again.wait() == 0
        assert is_alive(on.pid)
        os.kill(on.pid, signal.SIGTERM)
        assert on.process.wait(PATIENCE_S) == 0
        assert holder_of(home) is None
        assert states(home) == [RunState.RUNNING]


def test_a_lost_terminal_without_a_run_ends_the_process(home):
    with terminal(home) as on:
        on.read_until("embedded")
        on.hang_up()
        assert on.process.wait(PATIENCE_S) == 0
        assert holder_of(home) is None


def test_a_demo_ends_with_its_terminal_and_leaves_no_folder(tmp_path):
    with terminal(tmp_path / "home", arguments=("demo",), environment={"TMPDIR": str(tmp_path)}) as on:
        on.read_until("Wallets")
        assert list(tmp_path.glob("firstwatch-demo-*"))
        on.hang_up()
        assert on.process.wait(PATIENCE_S) == 0
    assert not list(tmp_path.glob("firstwatch-demo-*"))


def test_a_stalled_reader_holds_up_nobody(home):
    with terminal(home, size=(200, 60)) as on:
        on.read_until("embedded")
        start_run(home)
        # Nobody reads now: the terminal's buffer fills, the screen goes on drawing, the engine does not care.
        for _ in range(40):
            on.send(b"]1234")
            time.sleep(0.02)
        beats_on(home)
        beats_on(home)
        assert states(home) == [RunState.RUNNING]
        seen = len(on.seen)
        on.read_until("Wallets", since=seen)
        on.send(b"?")
        on.read_until("Help", since=seen)


@pytest.mark.live
def test_a_stalled_reader_leaves_the_time_from_bar_to_order_as_it_was(tmp_path):
    report = stalled.measure(tmp_path / "home", seconds=5)
    read, nobody_reads = report.read, report.stalled
    assert len(nobody_reads.from_bar_ms) > len(read.from_bar_ms) / 3 > 1, str(report)
    # The machine of a test is uneven; an engine that waits for the terminal would send nothing at all.
    assert median(nobody_reads.from_bar_ms) < median(read.from_bar_ms) + 500, str(report)
    assert median(nobody_reads.from_row_ms) < median(read.from_row_ms) + 500, str(report)


def test_sigterm_restores_the_terminal_and_lets_go_of_the_engine(home):
    with terminal(home) as on:
        on.read_until("embedded")
        start_run(home)
        os.kill(on.pid, signal.SIGTERM)
        assert on.wait() == 0
        assert on.attributes() == on.before
        assert b"\x1b[H\x1b[J\x1b[?1049l" in on.seen, "what stood there is erased first"
        assert holder_of(home) is None
        assert states(home) == [RunState.RUNNING]
        assert b"1 run waits for an engine" in on.seen


def test_coming_back_after_a_crash_says_how_long_there_was_no_engine(home):
    with terminal(home) as on:
        on.read_until("embedded")
        start_run(home)
        until(lambda: states(home) == [RunState.RUNNING], "the run runs")
        beats_on(home)
        on.process.kill()
        on.process.wait(PATIENCE_S)
        last_s = heartbeat(home) / 1000
        until(lambda: time.time() > last_s + 2.5, "a while without an engine")
        with terminal(home, size=(160, 45)) as again:
            again.read_until("You were away")
            again.read_until(" s without an engine")


def test_without_utf8_everything_is_ascii(home):
    with terminal(home, environment={"LC_ALL": "C"}) as on:
        on.read_until("Wallets")
        on.read_until("embedded")
        assert on.seen.isascii()
        assert b"-----" in on.seen


KINDS = {
    "xterm": ({"TERM": "xterm"}, False),
    "screen": ({"TERM": "screen"}, False),
    "linux": ({"TERM": "linux"}, True),
    "dumb": ({"TERM": "dumb"}, False),
    "LANG=C": ({"LANG": "C", "LC_ALL": "", "LC_CTYPE": ""}, True),
}
LETTERS = b"qsxyapu?\r\nq\rs\nx\ny\n"
"""What a note has in it, and what as keys would leave, stop, close and say yes."""


def mouse(kind: str, button: int, column: int, row: int, final: bytes = b"M") -> bytes:
    """Return an event of the mouse as terminals of three generations send it; places count from 1."""
    if kind == "SGR":
        return b"\x1b[<%d;%d;%d%b" % (button, column, row, final)
    button = 3 if final == b"m" else button
    if kind == "urxvt":
        return b"\x1b[%d;%d;%dM" % (button + 32, column, row)
    return b"\x1b[M" + bytes(each + 32 for each in (button, column, row))


def pasted(text: bytes) -> bytes:
    return b"\x1b[200~" + text + b"\x1b[201~"


def sent(home: Path) -> list[str]:
    """Return the kinds of all commands that were ever stored, oldest first."""
    store = open_store(home, read_only=True)
    with store.read() as session:
        found = [each.command.kind for each in recent_commands(session, 100)]
    store.close()
    return found[::-1]


class Watched:
    """A terminal whose screen is read as an operator reads it."""

    def __init__(self, on: Terminal) -> None:
        self._on = on
        self._sight, self._fed = Sight(200, 60), 0

    def until(self, condition: Callable[[Sight], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self._sight.feed(self._on.seen[self._fed :])
            self._fed = len(self._on.seen)
            if condition(self._sight):
                return
            assert time.monotonic() < deadline, "\n".join([f"it never showed {what}", *self._sight.lines])
            self._on.read()

    def shows(self, *texts: str) -> None:
        self.until(lambda sight: all(text in sight for text in texts), " and ".join(texts))

    def hides(self, text: str) -> None:
        self.until(lambda sight: text not in sight, f"the screen without {text}")

    def resize(self, columns: int, rows: int) -> None:
        self._sight, self._fed = Sight(columns, rows), len(self._on.seen)
        self._on.resize(columns, rows)

    def place_of(self, pattern: str) -> tuple[int, int]:
        """Wait for a text and return its column and its row, from 1."""
        self.until(lambda sight: any(re.search(pattern, line) for line in sight.lines), pattern)
        found = ((re.search(pattern, line), row) for row, line in enumerate(self._sight.lines, 1))
        return next((match.start() + 1, row) for match, row in found if match is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_terminal_is_survived(home, kind):
    environment, is_ascii = KINDS[kind]
    with terminal(home, size=(200, 60), environment={"LC_ALL": "C.UTF-8", **environment}) as on:
        seen = Watched(on)
        seen.shows("embedded")
        start_run(home)
        until(lambda: states(home) == [RunState.RUNNING], "the run runs")
        seen.shows("Band fade@1", "s Stop", "Run Wallets")
        before = sent(home)
        assert before.count("start_run") == 1

        # The mouse: moved, turned, pressed and dragged over the run and over what is written of it.
        row = seen.place_of("Band fade@1 +demo")
        for generation in ("SGR", "urxvt", "X10"):
            # The second place is one whose bytes, read as keys, would stop the run and export it.
            for column, line in ((row[0] + 30, row[1] + 6), (ord("s") - 32, ord("E") - 32), row):
                for button, final in ((35, b"M"), (64, b"M"), (65, b"M"), (0, b"M"), (32, b"M"), (0, b"m")):
                    on.send(mouse(generation, button, column, line, final))
        on.send(b"\x1b[I\x1b[O\x1b[I")

        # A paste into no field, onto a question, and into a field.
        on.send(pasted(LETTERS))
        on.send(b"s")
        seen.shows("do not stop")
        on.send(pasted(LETTERS + b"lxu\n"))
        on.send(b"\x1b")
        seen.hides("do not stop")
        on.send(b"/")
        seen.shows("EDIT")
        on.send(pasted(b"qsxy fade\nqsx"))
        seen.shows("qsxy fade")
        on.send(b"\x1b")
        seen.hides("qsxy fade")
        seen.shows("NAV")

        # Smaller than anything fits, and back: the run is where it was, and its key still asks first.
        seen.resize(40, 10)
        seen.shows("Too small")
        on.send(pasted(LETTERS))
        seen.resize(200, 60)
        seen.shows("Run Wallets", "Run Metrics", "What happened", "Band fade@1", "RUNNING", "s Stop")
        on.send(b"?")
        seen.shows("In NAV keys act")
        on.send(b"q")
        seen.hides("In NAV keys act")
        on.send(b"q")
        seen.shows("background engine")
        on.send(b"\x1b")
        seen.hides("background engine")

        beats_on(home)
        assert sent(home) == before
        assert states(home) == [RunState.RUNNING]
        os.kill(on.pid, signal.SIGTERM)
        assert on.wait() == 0
        assert on.attributes() == on.before
        assert b"\x1b[?1049l" in on.seen
        assert b"1 run waits for an engine" in on.seen
        assert on.seen.isascii() is is_ascii
    assert sent(home) == before
    assert states(home) == [RunState.RUNNING]


def test_no_color_is_honoured(home):
    with terminal(home, environment={"NO_COLOR": "1", "COLORTERM": "truecolor"}) as on:
        on.read_until("embedded")
        styles = re.findall(rb"\x1b\[([\d;]*)m", on.seen)
        assert styles
        # Bold, underlined, reverse: nothing that begins a colour.
        assert not [each for each in styles if re.search(rb"(^|;)(3[0-8]|4[0-8]|9\d|10\d)(;|$)", each)]


def test_ctrl_z_stops_neither_the_screen_nor_the_engine(home):
    with terminal(home) as on:
        on.read_until("embedded")
        on.send(b"\x1a")
        os.kill(on.pid, signal.SIGTSTP)
        beats_on(home)
        assert state_of(on.pid) not in {"T", "t"}
        on.send(b"q")
        assert on.wait() == 0


def test_leaving_runs_to_a_background_engine_and_coming_back(home):
    background = None
    try:
        with terminal(home) as on:
            on.read_until("embedded")
            start_run(home)
            on.read_until("Band fade@1")
            until(lambda: states(home) == [RunState.RUNNING], "the run runs")
            on.send(b"q")
            on.read_until("background engine")
            on.send(b"b")
            assert on.wait() == 0
            until(lambda: (holder := holder_of(home)) is not None and holder.pid != on.pid, "the background")
            background = holder_of(home).pid
            _, _, after = on.seen.partition(b"\x1b[?1049l")
            assert f"1 run goes on in the background (engine pid {background})." in after.decode()
        assert states(home) == [RunState.RUNNING]
        beats_on(home)
        with terminal(home, size=(160, 45)) as again:
            again.read_until("attached")
            again.send(b"q")
            assert again.wait() == 0
        assert is_alive(background)
    finally:
        if background is not None:
            os.kill(background, signal.SIGTERM)
            until(lambda: not is_alive(background), "the background engine ends")
        shutil.rmtree(home, ignore_errors=True)
