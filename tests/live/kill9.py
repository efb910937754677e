"""kill -9 again and again on a loopback venue, through ccxt; ``tests.simulation.kill9`` is its command."""

import contextlib
import subprocess
from pathlib import Path

from tests.live.chaos import Chaos

KILLS_PER_RUN = 20
_LONGEST_LIFE_S = 0.8


class Killed(Chaos):
    """A history without other faults, whose engine is killed once in each bar, at any moment of it."""

    def _play_bar(self, engine):
        desk = self.desk
        desk.server.step_to(desk.bars[desk.next_bar].time_ms)
        with contextlib.suppress(subprocess.TimeoutExpired):
            engine.wait(self.chance.uniform(0, _LONGEST_LIFE_S))
        engine = self._kill(engine)
        self._step_through_bar()
        return engine


def kill_again_and_again(folder: Path, times: int, seed: int) -> int:
    """Kill ``times`` times, and return in how many runs the program's books were the venue's in the end.

    Raises:
        AssertionError: something that must hold did not.
    """
    runs = kills = 0
    while kills < times:
        history = Killed(seed + runs, folder / f"live{runs}", min(KILLS_PER_RUN, times - kills))
        history.play()
        kills += history.kills
        runs += 1
    return runs
