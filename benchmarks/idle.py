"""What a command costs that finds nothing to do, beside `dbt --version` and an empty Python: medians of one session.

    python benchmarks/idle.py [--runs 5]

In a separate home that has loaded the demo's files. Prints processor seconds (user and system, with children) and
seconds in all, of each command in turn. Writes results/idle.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import measure
from environments import HERE, HOME

RESULT = HERE / "results" / "idle.json"
BESIDE = Path(sys.executable).parent
RUN = ["run", "tlc__yellow_trips", "tlc__zones", "--url", str(HOME / "idle/demo/{entity}_{batch}.parquet")]


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
    given = parser.parse_args()
    os.chdir(HERE.parent)
    os.environ |= {"SLUICE_HOME": str(HOME / "idle"), "PREFECT_HOME": str(HOME / "idle/prefect"), "DO_NOT_TRACK": "1"}
    os.environ.pop("PREFECT_API_URL", None)
    sluice, dbt = str(BESIDE / "sluice"), str(BESIDE / "dbt")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "sluice --help": [sluice, "--help"],
        "sluice status": [sluice, "status"],
        "dbt --version": [dbt, "--version"],
        "sluice run, nothing new": [sluice, *RUN],
    }
    for before in (["demo"], RUN, RUN):
        measured([sluice, *before])
    facts = measure.hardware()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(given.runs):
        for name, command in commands.items():
            taken[name].append(measured(command))
    found = {}
    for name, pairs in taken.items():
        cpu, wall = (statistics.median(values) for values in zip(*pairs, strict=True))
        print(f"{name:<26} {cpu:6.2f} s of processor time {wall:6.2f} s")
        peak = measure.run(commands[name], HOME / "logs" / "idle.log")  # its looks at the memory would add to the time
        memory = {"process_mb": peak.process_mb, "children_mb": peak.children_mb}
        found[name] = {"processor_seconds": round(cpu, 3), "seconds": round(wall, 3), **memory}
    result = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "hardware": facts, "commands": found}
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
