"""The same checks by pandera itself, lazily, on a frame read back from the table.

Runs in Sluice's own environment.

python pandera_frame.py SPEC     (a JSON file; checks.py writes it)
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import sqlalchemy as sa
from pandera.errors import SchemaErrors

from sluice.project.datasets import contract_for


def main(path: str) -> None:
    spec = json.loads(Path(path).read_text())
    contract = contract_for(spec["dataset"])
    schema = contract.pandera_schema
    first, following = (datetime.fromisoformat(moment) for moment in spec["window"])
    by = spec["by"]
    inside = pa.Check(lambda rows: (rows[by] >= first) & (rows[by] < following), name=f"{by} in batch")
    schema.checks = [*schema.checks, inside]
    names = ", ".join(schema.columns)
    engine = sa.create_engine(spec["url"])
    with engine.connect() as connection:
        start = time.perf_counter()
        frame = pd.read_sql(f"select {names} from {spec['table']}", connection, dtype_backend="pyarrow")
        frame = frame.astype({name: column.dtype.type for name, column in schema.columns.items()})
    read = time.perf_counter() - start
    failing: dict[str, int] = {}
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        # A check of the table names every column of a failing row: count rows, not cases.
        failing = cases.groupby(["column", "check"])["index"].nunique().to_dict()
    seconds = time.perf_counter() - start
    named = {f"{column}: {check}": int(count) for (column, check), count in failing.items()}
    print(json.dumps({"seconds": seconds, "read_seconds": read, "failing": named}))


if __name__ == "__main__":
    main(sys.argv[1])
