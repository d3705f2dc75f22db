"""What a command costs that finds nothing to do, beside `dbt --version` and an empty Python: medians of one session.

    python benchmarks/idle.py [--runs 5] [ARGUMENTS OF sluice run]

Needs a project whose night is idle: call it where `sluice run` answers "Nothing new" (after two `make run`).
Prints processor seconds (user and system, with children) and seconds in all, of each command in turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BESIDE = Path(sys.executable).parent


def measured(command: list[str]) -> tuple[float, float]:
    """Processor seconds and seconds in all of one call."""
    before, started = os.times(), time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, time.monotonic() - started


def main() -> None:
    """Call each command in turn, so that a busy moment meets all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("arguments", nargs="*", help="of `sluice run`")
    given = parser.parse_args()
    sluice, dbt = str(BESIDE / "sluice"), str(BESIDE / "dbt")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "sluice --help": [sluice, "--help"],
        "sluice status": [sluice, "status"],
        "dbt --version": [dbt, "--version"],
        "sluice run, nothing new": [sluice, "run", *given.arguments],
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(given.runs):
        for name, command in commands.items():
            taken[name].append(measured(command))
    for name, pairs in taken.items():
        cpu, wall = (statistics.median(values) for values in zip(*pairs, strict=True))
        print(f"{name:<26} {cpu:6.2f} s of processor time {wall:6.2f} s")


if __name__ == "__main__":
    main()
