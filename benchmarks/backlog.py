"""What a backlog of small files costs: `sluice run` over 1,000 days of 100 rows each, and again when all are loaded.

    python benchmarks/backlog.py [--files 1000]

In a project of its own, with the embedded PostgreSQL and Prefect's temporary server. Writes
benchmarks/results/backlog.json.
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


def seconds(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([str(Path(sys.executable).with_name("sluice")), *arguments], check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - began, 2)


def measure(files: int) -> dict[str, float]:
    seconds("init", ".")
    Path("inbox").mkdir()
    seconds("new", "plant", "events", "--from", str(write(0)), "--batch", str(START), "--by", "at")
    found = {"files": files, "rows of each": ROWS, "first run, of one file": seconds("run")}
    for day in range(1, files + 1):
        write(day)
    found["run of the backlog"] = seconds("run")
    found["seconds a batch"] = round((found["run of the backlog"] - found["first run, of one file"]) / files, 3)
    found["run with nothing new"] = seconds("run")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    asked = parser.parse_args()
    before = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HOME": folder, "SLUICE_HOME": f"{folder}/.sluice", "PREFECT_HOME": f"{folder}/.prefect"}
        os.chdir(folder)
        from sluice.warehouse import embedded

        try:
            found = measure(asked.files)
        finally:
            embedded.remove(Path(folder) / ".sluice")
    machine = {"cores": os.cpu_count(), "system": platform.system(), "load average before": before}
    RESULTS.write_text(json.dumps({"machine": machine, **found}, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
