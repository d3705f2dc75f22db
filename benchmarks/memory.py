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
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import make_month
import measure
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from sluice.warehouse import embedded
from tests.support.workbooks import workbook

LOADED = b"publish tlc__yellow_trips"  # the line of a run's progress
TEXT = "store_and_fwd_flag"
EXCEL_ROWS = 400_000  # a sheet holds 1,048,575
HELD = 2  # the exit code of a run whose data was refused or held
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


def in_zip(month: make_month.Month, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.write(month.csv, "trips.csv")


def parts(month: make_month.Month, path: Path) -> None:
    table = pq.read_table(month.parquet)
    path.mkdir()
    for number, start in enumerate(range(0, len(table), 200_000)):
        pq.write_table(table.slice(start, 200_000), path / f"part_{number}.parquet")


def of_long_texts(texts: pa.Array, **how: Any) -> Callable[[make_month.Month, Path], None]:
    """As many rows of the month as there are texts, with these in the column of text."""

    def write(month: make_month.Month, path: Path) -> None:
        table = pq.read_table(month.parquet).slice(0, len(texts))
        place = table.column_names.index(TEXT)
        pq.write_table(table.set_column(place, TEXT, texts), path, **how)

    return write


def linked(which: str) -> Callable[[make_month.Month, Path], None]:
    return lambda month, path: path.symlink_to(getattr(month, which).resolve())


FORMATS: dict[str, tuple[str, Callable[[make_month.Month, Path], None]]] = {
    "Parquet": ("trips.parquet", linked("parquet")),
    "CSV, gzip": ("trips.csv.gz", linked("csv_gz")),
    "CSV": ("trips.csv", linked("csv")),
    "JSON Lines": ("trips.jsonl", json_lines),
    "Excel": ("trips.xlsx", excel),
    "CSV, zip": ("trips.zip", in_zip),
    "Parquet, folder": ("trips", parts),
}
# Few bytes in the file, and 2.4 GB where they are unpacked all at once: a load refuses them, or rejects their rows
BOMB = pa.DictionaryArray.from_arrays(pa.array([0] * 15_000, pa.int32()), pa.array(["x" * 160_000]))
WIDE = pa.array([f"{number}{'x' * 800_000}" for number in range(300)])
HOSTILE: dict[str, tuple[str, Callable[[make_month.Month, Path], None]]] = {
    "Parquet, a long text repeated": ("bomb.parquet", of_long_texts(BOMB)),
    "Parquet, wide values": ("wide.parquet", of_long_texts(WIDE, use_dictionary=False, compression="zstd")),
}


def share(process: psutil.Process) -> int:
    try:
        return 0 if process.name() == "postgres" else process.memory_full_info().pss
    except psutil.Error:
        return 0  # it ended between the listing and the look


def run(path: Path, home: Path, code: int) -> dict[str, float]:
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
    if child.wait() != code:
        raise RuntimeError(log.read_text(errors="replace")[-2000:])
    return {phase: round(peak / measure.MEGABYTE) for phase, peak in peaks.items() if peak}


def size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file())


def main() -> None:
    known = FORMATS | HOSTILE
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(known), help="measure only these, and write nothing")
    asked = parser.parse_args()
    month = make_month.make(Path(".sluice/bench/data"))
    found: dict[str, dict[str, float]] = {}
    for name in asked.only or known:
        file, write = known[name]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, file)
            write(month, path)
            measured = run(path, Path(folder, "home"), HELD if name in HOSTILE else 0)
            found[name] = {"file_mb": round(size(path) / measure.MEGABYTE, 1), **measured}
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    if not asked.only:
        result = {"machine": measure.hardware(), "rows": make_month.ROWS, "excel_rows": EXCEL_ROWS, "formats": found}
        (Path(__file__).parent / "results" / "memory.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
