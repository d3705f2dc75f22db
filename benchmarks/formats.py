"""How much memory reading takes, by format: the same rows in every format, at two sizes, each in a separate process.

    python benchmarks/formats.py [--rows 100000 400000]

Reads as a load does, typed, up to the rows that COPY would get. Writes results/formats.json and prints the table.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import lzma
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from sluice.contract.batches import Single
from sluice.contract.columns import Float, Int, Text, Timestamp, column
from sluice.contract.contract import Contract, Files
from sluice.source.fetch import fetch, look
from sluice.source.readers.row_stream import open_rows
from tests.support.workbooks import workbook

NAMES = ["id", "at", "amount", "share", "note", "zone"]
STEP = 50_000
MB = 1 << 20


class Trips(pandera.DataFrameModel):
    id: Int = column("Number.")
    at: Timestamp = column("When.")
    amount: Float = column("Sum.")
    share: Float = column("Share.", nullable=True)
    note: Text = column("Words.", nullable=True)
    zone: Int = column("Where.")


CONTRACT = Contract(source="bench", entity="trips", owner="bench", schema=Trips, files=Files(url="x", batches=Single()))


def row(n: int) -> list[object]:
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=n)
    return [n, f"{at:%Y-%m-%d %H:%M:%S}", n % 10_000 / 100, n % 97 / 97, f"note {n * 7919 % 1_000_003}", n % 263]


def csv_lines(rows: int) -> Iterator[bytes]:
    yield (",".join(NAMES) + "\n").encode()
    for n in range(rows):
        yield (",".join(map(str, row(n))) + "\n").encode()


def json_lines(rows: int) -> Iterator[bytes]:
    for n in range(rows):
        yield (json.dumps(dict(zip(NAMES, row(n), strict=True))) + "\n").encode()


def json_array(rows: int) -> Iterator[bytes]:
    for n, line in enumerate(json_lines(rows)):
        yield (b", " if n else b"[") + line
    yield b"]"


# ruff: noqa: SIM115 - what is opened here is closed by through()
def through(opened: Callable[[Path], object], lines: Callable[[int], Iterator[bytes]]) -> Callable[[Path, int], None]:
    def write(path: Path, rows: int) -> None:
        with opened(path) as file:  # type: ignore[attr-defined]
            for line in lines(rows):
                file.write(line)

    return write


def as_zip(path: Path, rows: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("trips.csv", "w") as file:
        for line in csv_lines(rows):
            file.write(line)


def table(start: int, stop: int) -> pa.Table:
    columns = list(zip(*(row(n) for n in range(start, stop)), strict=True))
    typed = pa.table({name: pa.array(cells) for name, cells in zip(NAMES, columns, strict=True)})
    return typed.set_column(1, "at", typed.column("at").cast(pa.timestamp("us")))


def as_parquet(path: Path, rows: int) -> None:
    with pq.ParquetWriter(path, table(0, 1).schema, compression="zstd") as writer:
        for start in range(0, rows, STEP):
            writer.write_table(table(start, min(start + STEP, rows)))


def as_folder(path: Path, rows: int) -> None:
    for start in range(0, rows, STEP):
        folder = path / f"part={start // STEP}"
        folder.mkdir(parents=True)
        pq.write_table(table(start, min(start + STEP, rows)), folder / "a.parquet", compression="zstd")


def as_excel(path: Path, rows: int) -> None:
    workbook(path, {"Trips": [NAMES, *(row(n) for n in range(rows))]})


FORMATS: dict[str, Callable[[Path, int], None]] = {
    "CSV": through(lambda path: path.open("wb"), csv_lines),
    "CSV, gzip": through(lambda path: gzip.open(path, "wb", 1), csv_lines),
    "CSV, zstd": through(lambda path: zstandard.open(path, "wb"), csv_lines),
    "CSV, bzip2": through(lambda path: bz2.open(path, "wb", 1), csv_lines),
    "CSV, xz": through(lambda path: lzma.open(path, "wb", preset=1), csv_lines),
    "CSV, zip": as_zip,
    "JSON Lines": through(lambda path: path.open("wb"), json_lines),
    "JSON array": through(lambda path: path.open("wb"), json_array),
    "Parquet": as_parquet,
    "Parquet folder": as_folder,
    "Excel": as_excel,
}


def read(path: Path) -> dict[str, float]:
    """Read one file in this process, and say what it took."""
    contract = CONTRACT if path.is_file() else Contract(
        source="bench", entity="trips", owner="bench", schema=Trips, files=Files("x", Single(), ignore=("part",))
    )  # fmt: skip
    Path("/proc/self/clear_refs").write_text("5")  # the highest memory so far is forgotten; Linux only
    before = memory("VmRSS")
    start = time.perf_counter()
    with open_rows(fetch(look(str(path)), path.parent), contract, "all") as stream:
        rows = sum(map(len, stream))
        assert stream.rows_read == stream.rows_counted == rows
        assert rows
    seconds = time.perf_counter() - start
    own = memory("VmHWM") - before
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"rows": rows, "seconds": seconds, "mb": own * 1024 / MB, "child_mb": child * 1024 / MB}


def memory(what: str) -> int:
    """Of this process, in KB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(what)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 400_000])
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.read:
        print(json.dumps(read(asked.read)))
        return
    found: dict[str, list[dict[str, float]]] = {}
    for name, write in FORMATS.items():
        for rows in asked.rows:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "trips")
                write(path, rows)
                command = [sys.executable, __file__, "--read", str(path)]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                size = sum(each.stat().st_size for each in [path, *path.rglob("*")] if each.is_file())
                found.setdefault(name, []).append({**json.loads(said), "file_mb": size / MB})
        shown = "; ".join(
            f"{each['rows']:,.0f} rows, {each['file_mb']:.0f} MB file: {each['mb']:.0f} MB"
            + (f" and {each['child_mb']:.0f} MB in its own process" if each["child_mb"] else "")
            + f", {each['seconds']:.1f} s"
            for each in found[name]
        )
        print(f"{name}: {shown}", flush=True)
    (Path(__file__).parent / "results" / "formats.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
