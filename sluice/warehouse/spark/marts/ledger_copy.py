"""Copies of ledger tables in the lake, which models read there.

A copy is written before each build. So a worker of Spark needs no driver for PostgreSQL and no password of it, and a
build sees the loads that were published when it began, and no later ones.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from sluice.warehouse.batch import schemas_of
from sluice.warehouse.spark.marts.names import quoted

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TYPES: dict[type, str] = {  # the first that fits
    JSONB: "string",
    sa.Boolean: "boolean",
    sa.BigInteger: "bigint",
    sa.Integer: "int",
    sa.Float: "double",
    sa.String: "string",
    sa.Date: "date",
}


def copy(control: sa.Connection, session: SparkSession, tables: Collection[sa.Table], catalog: str = "lake") -> None:
    """Put each table, as it is in this transaction, in the place of its last copy: in one commit each.

    Args:
        control: in a transaction of level REPEATABLE READ, if there are several tables or what else is read in it is to
            agree with them.
    """
    schema = schemas_of(control).ops
    session.sql(f"CREATE NAMESPACE IF NOT EXISTS {quoted(catalog, schema)}")
    for table in tables:
        rows = [tuple(map(_cell, row)) for row in control.execute(sa.select(table))]
        columns = ", ".join(f"{quoted(column.name)} {_type(column.type)}" for column in table.columns)
        frame = session.createDataFrame(rows, columns)
        frame.writeTo(quoted(catalog, schema, table.name)).using("iceberg").createOrReplace()


def _type(of: Any) -> str:
    if isinstance(of, ARRAY):
        return f"array<{_type(of.item_type)}>"
    if isinstance(of, sa.DateTime):
        return "timestamp_ltz" if of.timezone else "timestamp_ntz"
    return next(name for kind, name in TYPES.items() if isinstance(of, kind))


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
