"""All rows of an earlier load, accepted and rejected, landed again: to be loaded, or to be judged by any contract."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa

from sluice.contract.checks.compile import Check
from sluice.contract.contract import Contract
from sluice.warehouse.batch import Batch
from sluice.warehouse.engine import Audited, TypedRows
from sluice.warehouse.spark import landing
from sluice.warehouse.spark.audit import audit
from sluice.warehouse.spark.load import Load
from sluice.warehouse.spark.rows import branches
from sluice.warehouse.spark.rows.tables import Tables, spark_type
from sluice.warehouse.spark.session import removed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FILE = "rows.parquet"  # of what this process lands; Spark adds files beside it


def land(load: Load, rows: TypedRows) -> None:
    """Land rows in the folder of a load, in the place of what is there."""
    removed(load.landed)
    landing.land(rows, f"{load.landed}/{FILE}")


class NoRows:
    """Rows of a contract of which there are none."""

    rows_read = bytes_read = 0

    def __init__(self, contract: Contract) -> None:
        fields = [pa.field(column.name, column.type.arrow) for column in contract.columns]
        self.schema = pa.schema([*fields, pa.field("_row_number", pa.int64()), pa.field("_unparsed", pa.string())])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(())


def accepted(tables: Tables, of: Batch, published: bool) -> DataFrame:
    """The accepted rows of a load."""
    return branches.published_rows(tables, of.batch) if published else branches.held_rows(tables, of)


def add(load: Load, rows: DataFrame, columns: Collection[str]) -> int:
    """Land rows of the lake beside those of this process; columns that they do not have are null.

    Returns:
        How many there are.
    """
    kept = rows.selectExpr(*_cells(load.contract, columns), "_row_number", "CAST(NULL AS STRING) AS _unparsed")
    kept.write.mode("append").parquet(load.landed)
    return rows.count()


def audit_again(
    tables: Tables, of: Batch, checks: Sequence[Check], rejected: TypedRows, columns: Collection[str], published: bool
) -> Audited:
    """Run these checks over all rows of a load, in a folder that is removed in the end."""
    load = tables.load(of.batch, f"again_{uuid4().hex}")
    try:
        land(load, rejected)
        add(load, accepted(tables, of, published), columns)
        return audit(load, checks)
    finally:
        removed(load.landed)
        removed(load.findings)


def _cells(contract: Contract, columns: Collection[str]) -> list[str]:
    return [
        f"CAST({f'`{column.name}`' if column.name in columns else 'NULL'} AS {spark_type(column.type.sql)}) "
        f"AS `{column.name}`"
        for column in contract.columns
    ]
