"""Rejected rows in the lake: written once, with every check that they failed; read again; dropped by load."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

import orjson

from sluice.contract.checks.names import parse_check_name
from sluice.contract.checks.version import version_of
from sluice.contract.columns import WHOLE_ROW, Column, ColumnType
from sluice.contract.contract import Contract
from sluice.warehouse.batch import Batch
from sluice.warehouse.engine import RejectedRow
from sluice.warehouse.spark.rows.tables import QUARANTINE, Tables, spark_text

_DATE_AND_TIME = "replace(CAST({cell} AS STRING), ' ', 'T')"
_TIME = "substring(CAST(CAST(timestamp_micros({cell}) AS TIMESTAMP_NTZ) AS STRING), 12)"
_UUID = "regexp_replace(lower(hex({cell})), '^(.{{8}})(.{{4}})(.{{4}})(.{{4}})', '$1-$2-$3-$4-')"
# By name of a contract's type, the text that PostgreSQL writes of a value in its JSON
_TEXTS = {
    "date": "CAST({cell} AS STRING)",
    "timestamp": _DATE_AND_TIME,
    "timestamp with time zone": f"concat({_DATE_AND_TIME}, '+00:00')",
    "time": _TIME,
    "uuid": _UUID,
    "bytes": "concat('\\\\x', lower(hex({cell})))",
}
_CELLS = "from_json(_unparsed, 'MAP<STRING, STRING>')"


def write(tables: Tables, batch: Batch) -> int:
    """Keep the rejected rows of an audited load, in the place of what a former try left.

    Returns:
        How many there are.
    """
    load = tables.load(batch.batch, batch.load_id)
    drop(tables, [batch.load_id])
    found = load.session.read.parquet(load.findings).where("_rejected AND _row_number > 0")
    landed = load.session.read.parquet(load.landed).selectExpr("*", f"{_CELLS} AS _cells")
    rows = landed.join(found, "_row_number")
    values = {
        "_batch": spark_text(batch.batch),
        "_row": _row(tables),
        "_contract_version": spark_text(version_of(tables.contract)),
        "_load_id": f"{batch.load_id}L",
        "_status": "'quarantined'",
        "_quarantined_at": "current_timestamp()",
    }
    columns = [f"{values.get(name, f'`{name}`')} AS `{name}`" for name in QUARANTINE]
    rows.selectExpr(*columns).writeTo(tables.quarantine).append()
    return count(tables, batch)


def count(tables: Tables, batch: Batch) -> int:
    """How many rejected rows of a load are kept."""
    return tables.session.table(tables.quarantine).where(f"_load_id = {batch.load_id}").count()


def drop(tables: Tables, loads: Collection[int]) -> None:
    """Drop the rejected rows of these loads: each has a partition, so that no row is read."""
    if there := sorted({*loads} & _loads(tables)):
        numbers = ", ".join(map(str, there))
        tables.session.sql(f"DELETE FROM {tables.quarantine} WHERE _load_id IN ({numbers})")  # noqa: S608 - numbers


def drop_decided(tables: Tables, kept: Mapping[int, str]) -> None:
    """Drop those of loads that nobody has any more."""
    drop(tables, [load for load in _loads(tables) if load not in kept])


def expire(tables: Tables, age: timedelta) -> dict[int, int]:
    """Drop those that are older. Returns how many of each load; a load's were written at once."""
    seconds = int(age.total_seconds())
    old = (
        tables.session.table(tables.quarantine)
        .groupBy("_load_id")
        .agg({"_quarantined_at": "max", "*": "count"})
        .where(f"`max(_quarantined_at)` < current_timestamp() - make_dt_interval(0, 0, 0, {seconds})")
    )
    dropped = {row["_load_id"]: row["count(1)"] for row in old.collect()}
    drop(tables, dropped)
    return dropped


def rows(tables: Tables, load_id: int, size: int) -> Iterator[Sequence[RejectedRow]]:
    """The rejected rows of a load in their order, some at a time."""
    found = tables.session.table(tables.quarantine).where(f"_load_id = {load_id}").orderBy("_row_number")
    kept = iter(found.select("_row_number", "_reasons", "_row").toLocalIterator())
    while some := [_read(tables.contract, *row) for row in islice(kept, size)]:
        yield some


def _read(contract: Contract, number: int, reasons: Sequence[str], row: str) -> RejectedRow:
    cells = json.loads(row, parse_float=orjson.Fragment, parse_int=orjson.Fragment)  # numbers keep their digits
    texts = tuple(_text(column, cells.get(column.name), reasons) for column in contract.columns)
    return RejectedRow(number, reasons, cells.get(WHOLE_ROW), texts)


def _text(column: Column, cell: Any, reasons: Sequence[str]) -> str | None:
    if cell is None:
        return None
    read = column.type.name == "json" and parse_check_name(column) not in reasons
    return cell if isinstance(cell, str) and not read else orjson.dumps(cell).decode()


def _loads(tables: Tables) -> set[int]:
    found = tables.session.sql(f"SELECT DISTINCT partition._load_id AS load FROM {tables.quarantine}.partitions")  # noqa: S608
    return {row["load"] for row in found.collect()}


def _row(tables: Tables) -> str:
    """The typed values as one JSON object, overlaid with the source's text of the cells that did not parse."""
    typed = [
        f"IF(coalesce(map_contains_key(_cells, '{column.name}'), false), NULL, "
        f"concat('\"{column.name}\": ', coalesce({_value(column.type, column.name)}, 'null')))"
        for column in tables.contract.columns
    ]
    written = f"transform(map_entries(_cells), e -> concat({_json('e.key')}, ': ', {_json('e.value')}))"
    parts = f"concat(array({', '.join(typed)}), coalesce({written}, array()))"
    return f"concat('{{', array_join(array_compact({parts}), ', '), '}}')"


def _value(kind: ColumnType, name: str) -> str:
    if kind.name == "json":
        return f"`{name}`"
    return _json(_TEXTS.get(kind.name, "{cell}").format(cell=f"`{name}`"))


def _json(value: str) -> str:
    """A value as JSON; null for a null, which is not written as one."""
    return f"IF({value} IS NULL, NULL, regexp_extract(to_json(array({value})), '(?s)^.(.*).$', 1))"
