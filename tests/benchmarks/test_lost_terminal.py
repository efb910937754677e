"""What a process costs whose terminal is lost: headless it must not spin."""

import sys
import time

import pytest

from tests.pty.terminal import cpu_seconds
from tests.pty.test_terminal import beats_on, home, start_run, terminal  # noqa: F401 - a fixture

MOST_SHARE = 0.35
"""Of a core; a spinning thread takes a whole one."""


@pytest.mark.pty
def test_a_process_without_its_terminal_does_not_spin(home):  # noqa: F811
    with terminal(home) as on:
        on.read_until("embedded")
        start_run(home)
        on.hang_up()
        beats_on(home)
        begun_s, used_s = time.monotonic(), cpu_seconds(on.pid)
        beats_on(home)
        beats_on(home)
        share = (cpu_seconds(on.pid) - used_s) / (time.monotonic() - begun_s)
    sys.stdout.write(f"\na process without its terminal: {share:.0%} of a core\n")
    assert share < MOST_SHARE
