"""The short form of ``python -m tests.fuzz``."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="gives each input a fork and /dev/full")
def test_a_hundred_bad_inputs_are_each_a_sentence():
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--inputs", "100", "--first", "2000", "--any-time"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 inputs" in done.stdout
