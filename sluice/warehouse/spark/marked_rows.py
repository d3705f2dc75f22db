"""Rows marked by checks of keys and pandas checks before the scan, in files that live as long as the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlalchemy as sa
from pyarrow import parquet

from sluice.contract.checks import row_independence
from sluice.contract.checks.compile import Check
from sluice.contract.checks.in_pandas import frame_of, independently_failing, reason_of
from sluice.contract.checks.keys import OF_KEYS, failing
from sluice.warehouse.spark import landing
from sluice.warehouse.spark.dialect import NotInSpark, spark_sql, sql_of
from sluice.warehouse.spark.load import Load
from sluice.warehouse.spark.session import ERRORS, first_line, removed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LANDED = "landed"  # the view that checks of keys are asked of
NAMES = "_marked"  # the column with the names of the checks that a row fails
CHUNK_ROWS = 16_384  # rows in pandas at once
MARKS = pa.schema([("_row_number", pa.int64()), ("check_name", pa.string())])


@dataclass(frozen=True)
class Marked:
    """The checks that have rows, and their rows: `_row_number`, and the names in `_marked`. None if there are none."""

    names: frozenset[str] = field(default_factory=frozenset)
    rows: DataFrame | None = None


def mark(load: Load, landed: DataFrame, checks: Sequence[Check]) -> tuple[Marked, dict[str, str]]:
    """Write down the rows that fail the checks of keys and the pandas checks.

    Returns:
        What was found; why, by its name, for each check that could not be run.
    """
    drop(load)
    keys = [check for check in checks if check.kind in OF_KEYS]
    untraced = [check for check in checks if check.kind == "pandas"]
    if not keys and not untraced:
        return Marked(), {}
    errors = _mark_in_pandas(load, untraced)
    landed.createOrReplaceTempView(LANDED)
    for check in keys:
        try:
            sql_of(check, load.contract)
            found = load.session.sql(_keys_query(load, check))
            name = spark_sql(sa.literal(check.name, sa.Text()))
            found.selectExpr("_row_number", f"{name} AS check_name").write.mode("append").parquet(_place(load))
        except NotInSpark as why:
            errors[check.name] = f"on Spark, {why}"
        except ERRORS as error:  # what it looks up is not there
            errors[check.name] = first_line(error)
    load.session.catalog.dropTempView(LANDED)
    marks = load.session.read.schema("_row_number BIGINT, check_name STRING").parquet(_place(load))
    names = frozenset(row["check_name"] for row in marks.select("check_name").distinct().collect())
    rows = marks.groupBy("_row_number").agg({"check_name": "collect_set"}).toDF("_row_number", NAMES)
    return Marked(names, rows if names else None), errors


def drop(load: Load) -> None:
    """Remove what was marked."""
    removed(_place(load))


def _place(load: Load) -> str:
    return f"{load.findings}_marked"


def _keys_query(load: Load, check: Check) -> str:
    names = ("_row_number", "_unparsed", *check.columns)
    landed = sa.table(LANDED, *(sa.column(name) for name in names))
    return spark_sql(failing(check, landed, load.batch, load.published))


def _mark_in_pandas(load: Load, checks: Sequence[Check]) -> dict[str, str]:
    """Into one file, which is there also if nothing fails."""
    errors: dict[str, str] = {}
    made_up = row_independence.examples(load.contract)
    system, folder = pa.fs.FileSystem.from_uri(_place(load))
    system.create_dir(folder, recursive=True)
    with parquet.ParquetWriter(f"{folder}/pandas.parquet", MARKS, filesystem=system) as writer:
        chunks = landing.read(load.landed, load.contract, CHUNK_ROWS) if checks else ()
        for place, table in enumerate(chunks):
            columns = table.select([column.name for column in load.contract.columns])
            frame = frame_of(columns, table.column("_row_number").to_pylist())
            for check in (check for check in checks if check.name not in errors):
                try:
                    numbers = independently_failing(check, frame, None if place else made_up)
                except Exception as error:  # noqa: BLE001 - a check is a user's code: any error in it closes the gate
                    errors[check.name] = reason_of(load.contract, error)
                    continue
                if numbers:
                    marks = {"_row_number": numbers, "check_name": [check.name] * len(numbers)}
                    writer.write_table(pa.table(marks, schema=MARKS))
    return errors
