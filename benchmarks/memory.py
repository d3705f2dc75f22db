"""How much memory a whole run takes, by the format of its file: a month of trips in each, in a new home.

    python benchmarks/memory.py [--only Parquet]

Adds up the command and all that it starts (Prefect's temporary server, dbt in the command's process, the reader of a
workbook), each shared page once (Linux's PSS), without PostgreSQL. Writes results/memory.json and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import make_month
import measure
import psutil
import pyarrow.parquet as pq

from sluice.warehouse import embedded
from tests.support.workbooks import workbook

LOADED = b"publish tlc__yellow_trips"  # the line of a run's progress
EXCEL_ROWS = 400_000  # a sheet holds 1,048,575
STEP = 0.1  # s between two looks


def json_lines(month: make_month.Month, path: Path) -> None:
    with path.open("w") as file:
        for batch in pq.ParquetFile(month.parquet).iter_batches(20_000):
            for row in batch.to_pylist():
                file.write(json.dumps(row, default=str) + "\n")


def excel(month: make_month.Month, path: Path) -> None:
    table = pq.read_table(month.parquet).slice(0, EXCEL_ROWS)
    rows = [table.column_names, *map(list, zip(*(column.to_pylist() for column in table.columns), strict=True))]
    workbook(path, {"Trips": rows})


def linked(which: str) -> Callable[[make_month.Month, Path], None]:
    return lambda month, path: path.symlink_to(getattr(month, which).resolve())


FORMATS: dict[str, tuple[str, Callable[[make_month.Month, Path], None]]] = {
    "Parquet": ("trips.parquet", linked("parquet")),
    "CSV, gzip": ("trips.csv.gz", linked("csv_gz")),
    "CSV": ("trips.csv", linked("csv")),
    "JSON Lines": ("trips.jsonl", json_lines),
    "Excel": ("trips.xlsx", excel),
}


def share(process: psutil.Process) -> int:
    try:
        return 0 if process.name() == "postgres" else process.memory_full_info().pss
    except psutil.Error:
        return 0  # it ended between the listing and the look


def run(path: Path, home: Path) -> dict[str, float]:
    """Load one file as the first of a new warehouse. MB (10^6 bytes), the highest seen before and after the publish."""
    log = home / "run.log"
    home.mkdir()
    environment = {**os.environ, "SLUICE_HOME": str(home / "sluice"), "PREFECT_HOME": str(home / "prefect")}
    environment.pop("PREFECT_API_URL", None)
    command = [
        sys.executable,
        "-m",
        "sluice",
        "run",
        "tlc__yellow_trips",
        "--batch",
        make_month.BATCH,
        "--url",
        str(path),
    ]
    peaks = {"load_mb": 0, "marts_mb": 0}
    before = 0
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        process = psutil.Process(child.pid)
        while child.poll() is None:
            phase = "marts_mb" if LOADED in log.read_bytes() else "load_mb"
            try:
                tree = [process, *process.children(recursive=True)]
            except psutil.Error:
                break
            now = sum(map(share, tree))
            # Seen twice: a process that is just being started may be counted as its parent a second time
            peaks[phase] = max(peaks[phase], min(before, now))
            before = now
            time.sleep(STEP)
    embedded.remove(home / "sluice")
    if child.wait() != 0:
        raise RuntimeError(log.read_text(errors="replace")[-2000:])
    return {phase: round(peak / measure.MEGABYTE) for phase, peak in peaks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(FORMATS), help="measure only these")
    asked = parser.parse_args()
    month = make_month.make(Path(".sluice/bench/data"))
    found: dict[str, dict[str, float]] = {}
    for name in asked.only or FORMATS:
        file, write = FORMATS[name]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, file)
            write(month, path)
            found[name] = {"file_mb": round(path.stat().st_size / measure.MEGABYTE), **run(path, Path(folder, "home"))}
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    if not asked.only:
        result = {"machine": measure.hardware(), "rows": make_month.ROWS, "excel_rows": EXCEL_ROWS, "formats": found}
        (Path(__file__).parent / "results" / "memory.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
