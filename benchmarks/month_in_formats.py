"""Write the month of trips in one format, for memory.py: python benchmarks/month_in_formats.py FORMAT PATH"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import make_month
import measure
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.workbooks import workbook

TEXT = "store_and_fwd_flag"
EXCEL_ROWS = 185_000  # of a sheet, 160 MiB of XML are read at most
STEP = 20_000

Write = Callable[[make_month.Month, Path], int]  # returns the number of rows


def json_lines(month: make_month.Month, path: Path) -> int:
    with path.open("w") as file:
        for batch in pq.ParquetFile(month.parquet).iter_batches(STEP):
            file.writelines(json.dumps(row, default=str) + "\n" for row in batch.to_pylist())
    return make_month.ROWS


def excel(month: make_month.Month, path: Path) -> int:
    table = pq.read_table(month.parquet).slice(0, EXCEL_ROWS)
    rows = [table.column_names, *map(list, zip(*(column.to_pylist() for column in table.columns), strict=True))]
    workbook(path, {"Trips": rows})
    return EXCEL_ROWS


def in_zip(month: make_month.Month, path: Path) -> int:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.write(month.csv, "trips.csv")
    return make_month.ROWS


def parts(month: make_month.Month, path: Path) -> int:
    table = pq.read_table(month.parquet)
    path.mkdir()
    for number, start in enumerate(range(0, len(table), 200_000)):
        pq.write_table(table.slice(start, 200_000), path / f"part_{number}.parquet")
    return make_month.ROWS


def of_texts(texts: pa.Array, **how: Any) -> Write:
    """As many rows of the month as there are texts, with these in the column of text."""

    def write(month: make_month.Month, path: Path) -> int:
        table = pq.read_table(month.parquet).slice(0, len(texts))
        pq.write_table(table.set_column(table.column_names.index(TEXT), TEXT, texts), path, **how)
        return len(texts)

    return write


def linked(which: str) -> Write:
    def write(month: make_month.Month, path: Path) -> int:
        path.symlink_to(getattr(month, which).resolve())
        return make_month.ROWS

    return write


FORMATS: dict[str, Write] = {
    "Parquet": linked("parquet"),
    "CSV, gzip": linked("csv_gz"),
    "CSV": linked("csv"),
    "JSON Lines": json_lines,
    "Excel": excel,
    "CSV, zip": in_zip,
    "Parquet, folder": parts,
    "Parquet, a long text repeated": of_texts(
        pa.DictionaryArray.from_arrays(pa.array([0] * 15_000, pa.int32()), pa.array(["x" * 160_000]))
    ),
    "Parquet, wide values": of_texts(
        pa.array([f"{number}{'x' * 800_000}" for number in range(300)]), use_dictionary=False, compression="zstd"
    ),
}


def main(name: str, path: str) -> None:
    month = make_month.make(Path(".sluice/bench/data"))
    rows = FORMATS[name](month, Path(path))
    print(json.dumps({"rows": rows, "batch": make_month.BATCH, "machine": measure.hardware()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
