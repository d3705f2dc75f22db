"""How much memory a whole run takes, by the format of its file: a month of trips in each, in a new home.

    python benchmarks/memory.py [--only Parquet]

Adds up the command and all that it starts (Prefect's temporary server, dbt in the command's process, the reader of a
workbook), each shared page once (Linux's PSS), without PostgreSQL. Imports no library that the command does: its pages
would be counted by half. Building the marts is the same for every format, so all runs but the first are stopped once
the batch is published. Writes results/memory.json and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

FORMATS = {
    "Parquet": "trips.parquet",
    "CSV, gzip": "trips.csv.gz",
    "CSV": "trips.csv",
    "Excel": "trips.xlsx",
    "Parquet, folder": "trips",
    "CSV, zip": "trips.zip",
    "JSON Lines": "trips.jsonl",
}
# Few bytes in the file, and 2.4 GB if they were unpacked at once: a load refuses them, or rejects their rows
HOSTILE = {"Parquet, a long text repeated": "bomb.parquet", "Parquet, wide values": "wide.parquet"}
LOADED = b"publish tlc__yellow_trips"  # the line of a run's progress
HELD, TERMINATED = 2, None  # exit codes of a run; any, where it is stopped half-way
STEP = 0.1  # s between two looks
MEGABYTE = 1_000_000


def share(process: psutil.Process) -> int:
    try:
        return 0 if process.name() == "postgres" else process.memory_full_info().pss
    except psutil.Error:
        return 0  # it ended between the listing and the look


def run(path: Path, batch: str, home: Path, code: int | None) -> dict[str, float]:
    """Load one file as the first of a new warehouse. MB (10^6 bytes), the highest seen before and after the publish."""
    log = home / "run.log"
    home.mkdir()
    environment = {**os.environ, "SLUICE_HOME": str(home / "sluice"), "PREFECT_HOME": str(home / "prefect")}
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "sluice", "run", "tlc__yellow_trips", "--batch", batch, "--url", str(path)]
    peaks = {"load_mb": 0, "marts_mb": 0}
    before = 0
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        process = psutil.Process(child.pid)
        while child.poll() is None:
            phase = "marts_mb" if LOADED in log.read_bytes() else "load_mb"
            if phase == "marts_mb" and code == TERMINATED:
                child.terminate()
                break
            try:
                tree = [process, *process.children(recursive=True)]
            except psutil.Error:
                break
            now = sum(map(share, tree))
            # Seen twice: a process that is just being started may be counted as its parent a second time
            peaks[phase] = max(peaks[phase], min(before, now))
            before = now
            time.sleep(STEP)
    ended = child.wait()
    subprocess.run([sys.executable, "-c", REMOVE, str(home / "sluice")], check=True)
    if code not in (ended, TERMINATED):
        raise RuntimeError(log.read_text(errors="replace")[-2000:])
    return {phase: round(peak / MEGABYTE) for phase, peak in peaks.items() if peak}


REMOVE = """
import sys
from pathlib import Path
from sluice.warehouse import embedded
embedded.remove(Path(sys.argv[1]))
"""


def size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file())


def main() -> None:
    known = FORMATS | HOSTILE
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(known), help="measure only these; keep other results")
    asked = parser.parse_args()
    results = Path(__file__).parent / "results" / "memory.json"
    found = json.loads(results.read_text())["formats"] if asked.only and results.exists() else {}
    for name in asked.only or known:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, known[name])
            write = [sys.executable, Path(__file__).with_name("month_in_formats.py"), name, path]
            made = json.loads(subprocess.run(write, check=True, capture_output=True, text=True).stdout)
            code = HELD if name in HOSTILE else 0 if name == "Parquet" else TERMINATED
            measured = run(path, made["batch"], Path(folder, "home"), code)
            found[name] = {"rows": made["rows"], "file_mb": round(size(path) / MEGABYTE, 1), **measured}
        print(f"{name}: {json.dumps(found[name])}", flush=True)
        results.write_text(json.dumps({"machine": made["machine"], "formats": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
