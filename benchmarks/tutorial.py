"""The script most tutorials load a CSV file with: pandas in chunks of 100,000 rows, to_sql by SQLAlchemy.

python benchmarks/tutorial.py FILE DATABASE_URL TABLE
"""

from __future__ import annotations

import sys

import pandas as pd
from sqlalchemy import create_engine


def main(path: str, url: str, table: str) -> None:
    engine = create_engine(url)
    times = ["tpep_pickup_datetime", "tpep_dropoff_datetime"]
    how = "replace"
    for chunk in pd.read_csv(path, chunksize=100_000, parse_dates=times):
        chunk.to_sql(table, engine, if_exists=how, index=False)
        how = "append"


if __name__ == "__main__":
    main(*sys.argv[1:])
