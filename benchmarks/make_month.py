"""Make the month the benchmarks load: 1,369,769 yellow trips, as TLC's 2021-01, as Parquet, CSV and CSV.gz.

    python benchmarks/make_month.py [FOLDER]

The trips are sluice/demo/files.py's: seeded, so that everyone measures the same rows.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from sluice.demo import files

BATCH = "2021-01"
ROWS = 1_369_769


def postgres_type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_integer(kind):
        return "bigint"
    return "double precision" if pa.types.is_floating(kind) else "text"


@dataclass(frozen=True, slots=True)
class Month:
    """The same trips in three files."""

    batch: str
    parquet: Path
    csv: Path
    csv_gz: Path

    @property
    def ddl(self) -> str:
        """The columns of a table that takes the CSV, in its order."""
        schema = pyarrow.parquet.read_schema(self.parquet)
        return ", ".join(f'"{column.name}" {postgres_type(column.type)}' for column in schema)


def csv_of(parquet: Path, csv: Path) -> None:
    """The CSV as TLC wrote them: seconds without fractions, no quotes, nothing for a null."""
    file = pyarrow.parquet.ParquetFile(parquet)
    options = pyarrow.csv.WriteOptions(quoting_style="none", quoting_header="none")
    fields = []
    for column in file.schema_arrow:
        seconds = pa.types.is_timestamp(column.type)
        fields.append(pa.field(column.name, pa.timestamp("s") if seconds else column.type))
    schema = pa.schema(fields)
    with pyarrow.csv.CSVWriter(csv, schema, write_options=options) as writer:
        for batch in file.iter_batches():
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))


def make(folder: Path) -> Month:
    """Make what is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    parquet = folder / f"yellow_trips_{BATCH}.parquet"
    month = Month(BATCH, parquet, parquet.with_suffix(".csv"), parquet.with_suffix(".csv.gz"))
    if not parquet.exists():
        files.make(folder, [BATCH], rows=ROWS)
    if not month.csv.exists():
        csv_of(parquet, month.csv)
    if not month.csv_gz.exists():
        with month.csv.open("rb") as plain, gzip.open(month.csv_gz, "wb", compresslevel=6) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
    return month


if __name__ == "__main__":
    print(make(Path(sys.argv[1] if sys.argv[1:] else ".sluice/bench/data")))
