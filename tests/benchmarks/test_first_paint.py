"""Budget of the start: from the process to the first paint, through a real pseudo-terminal."""

import sys
from statistics import median

from tests.pty.terminal import Terminal
from tests.ui import scenes

FIRST_PAINT_S = 0.8
STARTS = 8


def test_the_first_paint_comes_within_its_budget(tmp_path):
    home = tmp_path / "home"
    scenes.first_steps(home)
    paints_s = []
    for _ in range(STARTS + 1):
        on = Terminal(home)
        try:
            paints_s.append(on.read_until("Wallets"))
            on.send(b"q")
            on.wait()
        finally:
            on.end()
    # The first start compiles what the others read.
    measured = sorted(paints_s[1:])
    sys.stdout.write(
        f"\nfirst paint: {measured[0]:.2f} to {measured[-1]:.2f} s, median {median(measured):.2f} s\n"
    )
    assert median(measured) < FIRST_PAINT_S
