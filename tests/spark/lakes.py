"""A lake in a folder; two warehouses that get the same files, rows in PostgreSQL and rows in the lake; their rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from sluice.contract.contract import Contract
from sluice.ledger import loads
from sluice.review import rejudge
from sluice.staging import audit, publish, reload
from sluice.warehouse.batch import Batch
from sluice.warehouse.spark.connection.jars import with_runtime
from sluice.warehouse.spark.lake import Lake
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import Delivered, delivered, verdict

OF_THE_MACHINE = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
}


def lake_in(folder: Path) -> Lake:
    """A catalogue that is a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Lake("local[2]", {"type": "hadoop"}, folder.as_uri(), with_runtime(()), OF_THE_MACHINE)


def with_views(folder: Path) -> Lake:
    """A catalogue that has views, and lives as long as a session; its files are in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = {
        "catalog-impl": "org.apache.iceberg.inmemory.InMemoryCatalog",
        "io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
    }
    return Lake("local[2]", catalogue, folder.as_uri(), with_runtime(()), OF_THE_MACHINE)


Rows = list[dict[str, Any]]


def staging(warehouse: Warehouse, contract: Contract) -> Rows:
    """What readers have, in order, as values that are the same of either engine; without the moment of the load."""
    if warehouse.data.commits_with_ledger:
        found = _in_postgres(warehouse, "staging", contract)
    else:
        found = _in_lake(warehouse, "staging", contract)
    kinds = {column.name: column.type.name for column in contract.columns}
    rows = [{name: _plain(kinds.get(name), value) for name, value in row.items()} for row in found]
    for row in rows:
        del row["_loaded_at"]
    return sorted(rows, key=lambda row: (row["_batch"], row["_row_number"]))


def quarantine(warehouse: Warehouse, contract: Contract) -> Rows:
    """The rejected rows, in order, without the moment.

    PostgreSQL writes a large double as the digits of an integer, which are the same double when they are read.
    """
    doubles = [column.name for column in contract.columns if column.type.name == "float"]
    of_postgres = warehouse.data.commits_with_ledger
    found = (_in_postgres if of_postgres else _in_lake)(warehouse, "quarantine", contract)
    for row in found:
        del row["_quarantined_at"]
        cells = row["_row"] = row["_row"] if of_postgres else json.loads(row["_row"])
        cells |= {name: float(cells[name]) for name in doubles if isinstance(cells[name], int)}
    return sorted(found, key=lambda row: (row["_load_id"], row["_row_number"]))


def ledger(warehouse: Warehouse, contract: Contract) -> Rows:
    """Status and counts of each load."""
    names = "load_id, batch, status, rows_read, rows_accepted, rows_rejected, reasons, released_by"
    query = sa.text(f"SELECT {names} FROM ops.batches WHERE dataset = :dataset ORDER BY load_id")
    with warehouse.engine.connect() as connection:
        return [dict(row) for row in connection.execute(query, {"dataset": str(contract)}).mappings()]


def left_in_lake(warehouse: Warehouse, contract: Contract) -> set[str]:
    """Names of branches but `main`, and of what is landed."""
    data: Any = warehouse.data
    refs = data.session.sql(f"SELECT name FROM lake.staging.{contract}.refs WHERE name <> 'main'").collect()
    landed = Path(data.lake.landing(str(contract)).removeprefix("file://"))
    return {row["name"] for row in refs} | {path.name for path in landed.glob("*")}


def _in_postgres(warehouse: Warehouse, schema: str, contract: Contract) -> Rows:
    with warehouse.engine.connect() as connection:
        found = connection.execute(sa.text(f"SELECT * FROM {schema}.{contract}"))
        return [dict(row) for row in found.mappings()]


def _in_lake(warehouse: Warehouse, schema: str, contract: Contract) -> Rows:
    data: Any = warehouse.data
    table = data.session.table(f"lake.{schema}.{contract}")
    utc = [f.name for f in table.schema.fields if f.dataType.simpleString() == "timestamp"]
    cells = [f"unix_micros(`{n}`) AS `{n}`" if n in utc else f"`{n}`" for n in table.columns]
    return [row.asDict() for row in table.selectExpr(*cells).collect()]


def _plain(kind: str | None, value: Any) -> Any:
    match value:
        case UUID():
            return value.bytes
        case memoryview() | bytearray():
            return bytes(value)
        case time():
            return timedelta(
                hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
            ) // timedelta(microseconds=1)
        case datetime() if value.tzinfo is not None:
            return (value - datetime(1970, 1, 1, tzinfo=value.tzinfo)) // timedelta(microseconds=1)
        case str() if kind == "json":
            return json.loads(value)
    return value


@dataclass(frozen=True)
class Both:
    """The same is done in both warehouses, and both have the same then."""

    postgres: Warehouse
    lake: Warehouse
    downloads: Path

    def deliver(self, contract: Contract, batch: str, path: Path) -> Delivered:
        """A file, through load, audit, gate, and publish or hold."""
        expected, found = (delivered(each, contract, batch, path, self.downloads) for each in self)
        assert found.report.results == expected.report.results
        assert found.decision == expected.decision
        self.assert_same(contract)
        return found

    def release(self, contract: Contract, batch: str) -> None:
        """The held load of a batch."""

        def once(warehouse: Warehouse) -> None:
            held = of(warehouse, contract, batch, "held")
            publish.release(warehouse, contract, Batch(str(contract), batch, held.load_id), "Ann", "checked by hand")

        self.each(contract, once)

    def replay(self, contract: Contract, batch: str) -> None:
        """The rows of a batch, under the contract."""

        def once(warehouse: Warehouse) -> None:
            warehouse.data.make_tables(warehouse.engine, contract)
            old = reload.replayed(warehouse, contract, batch)
            with warehouse.engine.begin() as connection:
                load = loads.begin_replay(connection, contract, old, None)
            load = reload.load_again(warehouse, contract, load, old)
            verdict(warehouse, contract, load, audit.audit(warehouse, contract, load))

        self.each(contract, once)

    def judge(self, old: Contract, new: Contract, batch: str, status: str) -> None:
        """The rows of a load by two contracts, as `sluice diff` does; nothing is changed."""
        expected, found = (rejudge.judge(each, old, new, of(each, old, batch, status)) for each in self)
        assert found.before is not None
        assert found == expected
        self.assert_same(old)

    def each(self, contract: Contract, do: Callable[[Warehouse], None]) -> None:
        """Something in each of them."""
        for warehouse in self:
            do(warehouse)
        self.assert_same(contract)

    def assert_same(self, contract: Contract) -> None:
        """Both have the same rows, and no load without rows has left anything in the lake."""
        for rows in (ledger, staging, quarantine):
            expected, found = (rows(each, contract) for each in self)
            for one, other in zip(found, expected, strict=True):
                assert one == other, (rows.__name__, one, other)
        held = {f"load_{row['load_id']}" for row in ledger(self.lake, contract) if row["status"] == "held"}
        assert left_in_lake(self.lake, contract) == held

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.postgres, self.lake))


def of(warehouse: Warehouse, contract: Contract, batch: str, status: str) -> sa.Row:
    """The ledger's row of a batch's newest load of a status."""
    with warehouse.engine.begin() as connection:
        found = loads.latest(connection, str(contract), batch, status)
    assert found is not None
    return found


SPARK_TYPES = {
    "text": "string",
    "double precision": "double",
    "timestamp without time zone": "timestamp_ntz",
    "timestamp with time zone": "timestamp_ltz",
    "integer": "int",
}


def copy_from_postgres(connection: sa.Connection, spark: Any, schema: str) -> None:
    """Every table of a schema, into the namespace of that name."""
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS lake.{schema}")
    query = sa.text(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a "
        "ON a.attrelid = c.oid WHERE c.relnamespace = CAST(CAST(:schema AS text) AS regnamespace) AND a.attnum > 0 "
        "AND NOT attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1, a.attnum"
    )
    columns: dict[str, dict[str, str]] = {}
    for table, name, kind in connection.execute(query, {"schema": schema}):
        columns.setdefault(table, {})[name] = SPARK_TYPES.get(kind, kind.replace("numeric", "decimal"))
    for table, types in columns.items():
        found = connection.execute(sa.text(f'SELECT {", ".join(types)} FROM {schema}."{table}"'))
        ddl = ", ".join(f"{name} {kind}" for name, kind in types.items())
        frame = spark.createDataFrame([tuple(row) for row in found], ddl)
        frame.writeTo(f"lake.{schema}.{table}").using("iceberg").createOrReplace()
