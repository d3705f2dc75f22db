"""Load a Parquet file with dlt in its fastest way that types every column: Arrow batches, Parquet files, COPY by ADBC.

python dlt_load.py FILE URL
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator

import dlt
import pyarrow as pa
import pyarrow.parquet

ROWS = 200_000  # of a batch


def main(path: str, url: str) -> None:
    @dlt.resource(name="trips")
    def trips() -> Iterator[pa.Table]:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(ROWS):
            yield pa.Table.from_batches([batch])

    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "trips", destination=dlt.destinations.postgres(url), dataset_name="dlt_trips", pipelines_dir=folder
        )
        pipeline.run(trips(), loader_file_format="parquet").raise_on_failed_jobs()


if __name__ == "__main__":
    main(*sys.argv[1:])
