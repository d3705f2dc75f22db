"""The events of a load: a file goes in, accepted rows come out in `staging`, rejected ones in `quarantine`."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sluice.contract.contract import Contract
from sluice.ledger.tables import batches, checks
from sluice.lineage import facets, names
from sluice.lineage.names import Database, EventEmitter, Name
from sluice.warehouse.batch import Batch
from sluice.warehouse.warehouse import Warehouse


def say(of: EventEmitter, warehouse: Warehouse, contract: Contract, batch: Batch, ended: bool) -> None:
    """One event of a load, by what the ledger has of it: START, or how it ended."""
    with warehouse.engine.connect() as connection:
        load = connection.execute(sa.select(batches).where(batches.c.load_id == batch.load_id)).one()
        found = connection.execute(sa.select(checks).where(checks.c.load_id == batch.load_id)).all() if ended else []
    published = load.status == "published"
    state = "START" if not ended else "COMPLETE" if published else "FAIL"
    error = None if not ended or published else "; ".join(load.reasons) or load.status
    database = Database(warehouse.url, warehouse.block, warehouse.schemas)
    job = (of.job[0], f"load.{contract.dataset_id}")
    of.say(
        state,
        names.run_id(of.run_id, "load", batch.load_id),
        job,
        facets.job("LOAD", None, [contract.owner]),
        facets.run((of.run_id, of.job), error),
        [_file(contract, load, found)],
        _tables(contract, load, database, published),
    )


def _file(contract: Contract, load: sa.Row, found: Any) -> Any:
    columns = [(column.sources[0], "", column.description) for column in contract.columns]
    results = facets.assertions(
        facets.Assertion(
            row.check_name, row.outcome == "passed", row.severity, row.failing, row.rows, row.tolerance, error=row.error
        )
        for row in found
    )
    read = facets.read(load.rows_read, load.bytes)
    about = {**facets.schema(columns), **facets.version(load.sha256)}
    return facets.taken(names.file(load.address), about, {**read, **results})


def _tables(contract: Contract, load: sa.Row, database: Database, published: bool) -> list[Any]:
    """What the load writes. A load that is held or failed has written nothing that anybody reads."""
    table = database.table(database.schemas.staging, contract.dataset_id)
    fields = [(column.name, str(column.type.sql), column.description) for column in contract.columns]
    about = {**facets.schema(fields), **facets.owners([contract.owner]), **facets.version(load.load_id)}
    about |= facets.column_lineage({column.name: [_origin(load, column)] for column in contract.columns})
    outputs = [facets.given(table, about, facets.statistics(load.rows_accepted if published else None))]
    if published and load.rows_rejected:
        rejected: Name = database.table(database.schemas.quarantine, contract.dataset_id)
        outputs.append(facets.given(rejected, facets.owners([contract.owner]), facets.statistics(load.rows_rejected)))
    return outputs


def _origin(load: sa.Row, column: Any) -> facets.Origin:
    name = column.sources[0]
    return names.file(load.address), name, "as it is" if name == column.name else "renamed"
