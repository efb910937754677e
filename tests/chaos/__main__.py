"""Seeded histories on the simulated scheduler: ``python -m tests.chaos --seeds 10000 [--from N]``."""

import argparse
import multiprocessing
import os
import sys
import time

from tests.chaos.report import Report, live_through

_SHOWN = 20


def replay_command(seed: int) -> str:
    """Return the command that lives through one seed again."""
    return f"python -m tests.chaos --seeds 1 --from {seed}"


def main() -> int:
    """Live through the seeds on all cores; every failing one is printed with the command that replays it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no further seed after that")
    chosen = parser.parse_args()
    report, failed, began_s = Report(), 0, time.monotonic()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    processes = min(os.cpu_count() or 1, chosen.seeds)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for seed, wrong, figures in pool.imap_unordered(live_through, seeds, chunksize=8):
            report.add(figures)
            if wrong:
                failed += 1
                if failed <= _SHOWN:
                    sys.stdout.write(f"seed {seed} failed: {replay_command(seed)}\n{wrong}\n")
                    sys.stdout.flush()
            if time.monotonic() - began_s > chosen.minutes * 60:
                pool.terminate()
                break
    sys.stdout.write(f"{report.text()}\n{failed} failed, {time.monotonic() - began_s:.0f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
