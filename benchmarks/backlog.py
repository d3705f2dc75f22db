"""What a backlog of small files costs: `sluice run` over 1,000 days of 100 rows each, and again when all are loaded.

    python benchmarks/backlog.py [--files 1000]

In a separate project, with the embedded PostgreSQL and Prefect's temporary server. Processor seconds are those of the
run, of all that it starts, and of PostgreSQL: on a busy machine they say what a quiet one would take, as a run does one
thing after the other. Writes benchmarks/results/backlog.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import psutil

from sluice.warehouse import embedded
from sluice.warehouse.embedded.location import find_place

RESULTS = Path(__file__).parent / "results" / "backlog.json"
ROWS = 100
START = date(2021, 1, 1)


def write(day: int) -> Path:
    """A file of 100 rows of one day."""
    when = START + timedelta(days=day)
    path = Path("inbox") / f"events_{when}.csv"
    lines = [f"{when} 00:{n % 60:02}:00,{n % 7},{day % 97}.{n:02}" for n in range(ROWS)]
    path.write_text("at,sensor,value\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def used(postmaster: psutil.Process) -> float:
    """Processor seconds of the processes that have ended since this one began, and of PostgreSQL."""
    mine = os.times()
    sessions = [process.cpu_times() for process in postmaster.children()]
    server = postmaster.cpu_times()
    of_server = [server.children_user, server.children_system, *(t.user + t.system for t in (server, *sessions))]
    return mine.children_user + mine.children_system + sum(of_server)


def run(postmaster: psutil.Process) -> dict[str, float]:
    """Seconds of one `sluice run`, and its processor seconds."""
    began, before = time.perf_counter(), used(postmaster)
    sluice("run")
    return {"s": round(time.perf_counter() - began, 2), "processor s": round(used(postmaster) - before, 2)}


def sluice(*arguments: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("sluice")), *arguments], check=True, stdout=subprocess.DEVNULL)


def measure(files: int, home: Path) -> dict[str, object]:
    sluice("init", ".")
    Path("inbox").mkdir()
    sluice("new", "plant", "events", "--from", str(write(0)), "--batch", str(START), "--by", "at")
    embedded.start(home)  # it stays while this process does
    postmaster = psutil.Process(int(find_place(home).pid_file.read_text().split()[0]))
    sluice("run")  # the first compiles, parses and makes what later ones find
    write(1)
    one = run(postmaster)
    for day in range(2, files + 2):
        write(day)
    backlog = run(postmaster)
    each = {f"{what} a batch": round((backlog[what] - one[what]) / files, 3) for what in one}
    runs = {"run of one file": one, "run of the backlog": backlog, "run with nothing new": run(postmaster)}
    return {"files": files, "rows of each": ROWS, **runs, **each}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    asked = parser.parse_args()
    before = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HOME": folder, "SLUICE_HOME": f"{folder}/.sluice", "PREFECT_HOME": f"{folder}/.prefect"}
        os.chdir(folder)
        try:
            found = measure(asked.files, Path(folder) / ".sluice")
        finally:
            embedded.remove(Path(folder) / ".sluice")
    machine = {"cores": os.cpu_count(), "system": platform.system(), "load average before": before}
    RESULTS.write_text(json.dumps({"machine": machine, **found}, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
