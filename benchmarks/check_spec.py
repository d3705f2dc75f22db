"""The month that checks.py looks at, loaded but not audited, and its checks in words that peers know."""

from __future__ import annotations

import make_month
import sqlalchemy as sa
from contenders import Database
from environments import HOME

from sluice.contract.checks.compile import checks_of
from sluice.contract.contract import Contract
from sluice.ledger import loads
from sluice.project.datasets import contract_for
from sluice.runs import lifecycle
from sluice.source import fetch
from sluice.source.readers.row_stream import open_rows
from sluice.staging.load import load
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.rows.tables import incoming_table
from sluice.warehouse.warehouse import Warehouse

DATASET = "tlc__yellow_trips"


def checks_as_data(contract: Contract) -> list[dict]:
    """Each check in words that a peer's own language has, or as the SQL of the rows that fail it."""
    checks = []
    for name, column in contract.pandera_schema.columns.items():
        if not column.nullable:
            checks.append({"name": f"{name} not null", "kind": "not_null", "column": name})
        for check in column.checks:
            facts = dict(check.statistics or {})
            match check.name:
                case "greater_than_or_equal_to":
                    low = facts["min_value"]
                    checks.append({"name": f"{name} >= {low}", "kind": "ge", "column": name, "low": low})
                case "less_than":
                    high = facts["max_value"]
                    text = {"name": f"{name} < {high}", "fails": f"{name} >= {high}"}
                    checks.append({**text, "kind": "expression", "column": name, "high": high})
                case "in_range":
                    low, high = facts["min_value"], facts["max_value"]
                    text = f"{name} between {low} and {high}"
                    checks.append({"name": text, "kind": "between", "column": name, "low": low, "high": high})
                case "isin":
                    values = list(facts["allowed_values"])
                    text = f"{name} in ({', '.join(map(repr, values))})"
                    checks.append({"name": text, "kind": "isin", "column": name, "values": values})
    return checks


def table_checks(contract: Contract, batch: str) -> list[dict]:
    by = str(contract.files.batches.by)
    first, following = contract.files.batches.window(batch) or ()
    outside = f"{by} < timestamp '{first}' or {by} >= timestamp '{following}'"
    reversed_ = f"{by.replace('pickup', 'dropoff')} < {by}"
    return [
        {"name": f"{by} in batch", "kind": "expression", "fails": outside},
        {"name": "dropoff_not_before_pickup", "kind": "expression", "fails": reversed_},
    ]


def prepare(database: Database) -> dict:
    """Load the month and stop before its audit, so that all look at the same table, bad rows and all."""
    contract, month = contract_for(DATASET), make_month.make(HOME / "data")
    batch = load_month(database, contract, month)
    table = incoming_table(contract, month.batch)
    database.execute(f"vacuum analyze {table.schema}.{table.name}")
    checks = checks_as_data(contract) + table_checks(contract, month.batch)
    expected = {check.name for check in checks_of(contract, month.batch)}
    if {check["name"] for check in checks} != expected:
        raise RuntimeError(f"not the contract's checks: {expected ^ {check['name'] for check in checks}}")
    url, window = database.url, contract.files.batches.window(month.batch) or ()
    return {
        "url": url.render_as_string(hide_password=False),
        "connection": {
            "host": str(url.query.get("host") or url.host),
            "port": int(str(url.query.get("port") or url.port or 5432)),
            "user": url.username,
            "database": url.database,
        },
        "table": f"{table.schema}.{table.name}",
        "columns": [column.name for column in contract.columns],
        "checks": checks,
        "by": contract.files.batches.by,
        "window": [moment.isoformat() for moment in window],
        "dataset": DATASET,
        "batch": month.batch,
        "load_id": batch.load_id,
        "rows": batch.rows,
    }


def load_month(database: Database, contract: Contract, month: make_month.Month) -> Batch:
    """An empty warehouse with the one load, started and not finished."""
    database.empty()
    warehouse = Warehouse(sa.create_engine(database.url), "bench", "embedded")
    file = fetch.fetch(fetch.look(str(month.parquet)), HOME / "data")
    with warehouse.engine.begin() as connection:
        for schema in ("staging", "quarantine", "ops"):
            connection.execute(sa.schema.CreateSchema(schema))
    lifecycle.ensure_tables(warehouse)
    with warehouse.engine.begin() as connection:
        batch = loads.begin(connection, contract, month.batch, file, None)
    with open_rows(file, contract, month.batch) as stream:
        batch = load(warehouse, contract, batch, stream)
    warehouse.engine.dispose()
    return batch
