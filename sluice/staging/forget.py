"""Forget a dataset that has no contract any more: its tables, its quarantine, its incidents. The ledger's rows stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import sqlalchemy as sa

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ConfigError
from sluice.contract.formatting import counted
from sluice.ledger import loads, references, tables
from sluice.project.datasets import contracts
from sluice.warehouse.batch import schemas_of
from sluice.warehouse.postgres.rows.tables import Kind, table_name
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

FORGOTTEN = "its dataset was forgotten"  # in the ledger, of the loads whose rows are gone
LOCK_TIMEOUT = sa.text("SET LOCAL lock_timeout = '10s'")  # somebody reads the tables just now: say so, and stop
TABLES = sa.text(
    "SELECT c.oid, n.nspname AS schema, c.relname AS name, pg_total_relation_size(c.oid) AS bytes "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND ("
    "n.nspname = :quarantine AND c.relname = :dataset OR n.nspname = :staging AND (c.relname = ANY(:names) OR c.oid IN "
    "(SELECT t.relid FROM pg_class p, pg_partition_tree(p.oid) t "
    "WHERE p.relnamespace = n.oid AND p.relname = :dataset))) ORDER BY c.relkind, 2, 3"  # p, a parent, takes partitions
)
# Every view over the tables, over those views, and so on; those that nothing reads come first
VIEWS = sa.text(
    "WITH RECURSIVE readers(oid, depth) AS (SELECT unnest(CAST(:tables AS oid[])), 0 UNION "
    "SELECT r.ev_class, readers.depth + 1 FROM readers JOIN pg_depend d ON d.refobjid = readers.oid "
    "AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass "
    "JOIN pg_rewrite r ON r.oid = d.objid WHERE r.ev_class <> readers.oid) "
    "SELECT n.nspname AS schema, c.relname AS name FROM readers JOIN pg_class c ON c.oid = readers.oid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE readers.depth > 0 "
    "GROUP BY 1, 2, c.relkind ORDER BY max(readers.depth) DESC, 1, 2"
)
DROP_VIEW = sa.DDL("DROP VIEW %(fullname)s")


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of a dataset without a contract.

    Attributes:
        tables: in `staging` and `quarantine`, as schema.name.
        views: dbt's on the two sides over these tables; no reader sees them.
        bytes: size of the tables on disk, with their indexes.
        rows, rejected: published rows as the ledger counts them; rows in quarantine.
        loads: rows of the ledger, which stay.
    """

    dataset_id: str
    tables: tuple[str, ...]
    views: tuple[str, ...]
    bytes: int
    rows: int
    rejected: int
    incidents: int
    loads: int

    @property
    def anything(self) -> bool:
        """Whether there is anything to remove."""
        return bool(self.tables or self.incidents)


def remains(warehouse: Warehouse, dataset_id: str) -> Remains:
    """What `forget` would remove. Changes nothing.

    Raises:
        ConfigError: the dataset has a contract, nothing is known of it, or somebody's views read its tables.
        ToolError: the database does not answer.
    """
    _refuse(warehouse, dataset_id)
    with transaction(warehouse.engine, f"{dataset_id}: what is left of it cannot be looked up") as connection:
        return _look(connection, dataset_id)[0]


def forget(warehouse: Warehouse, dataset_id: str) -> Remains:
    """Remove them, in one transaction. The next run rebuilds the marts without the dataset's rows.

    Its loads are no longer published, so that a later contract of the same name loads every batch again.

    Raises:
        ConfigError: as `remains`.
        BusyError: a run uses the dataset, or builds the marts.
        ToolError: the database refused; nothing was changed.
    """
    _refuse(warehouse, dataset_id)
    what = f"{dataset_id} could not be forgotten"
    with warehouse.lock(dataset_id), warehouse.lock("dbt"), transaction(warehouse.engine, what) as connection:
        loads.take_over(connection, dataset_id)
        references.announce(connection, dataset_id)
        found, relations, views = _look(connection, dataset_id)
        connection.execute(LOCK_TIMEOUT)
        for view in views:
            connection.execute(DROP_VIEW.against(_table(view)))
        for relation in relations:
            _table(relation).drop(connection, checkfirst=True)  # its parent may have taken it along
        _forget_rows(connection, dataset_id)
        return found


def _refuse(warehouse: Warehouse, dataset_id: str) -> None:
    if dataset_id in contracts():
        raise ConfigError(
            f"{dataset_id} has a contract, so it is not forgotten. First remove its file in contracts/, what "
            "`sluice derive` wrote for it, and its models in the dbt project"
        )
    if not warehouse.data.commits_with_ledger:
        raise ConfigError(
            f"{dataset_id}: its rows are in a lake, of which Sluice drops no table. Nothing was removed. Drop its "
            "tables there with Spark"
        )


def _look(connection: sa.Connection, dataset_id: str) -> tuple[Remains, list[sa.Row], list[sa.Row]]:
    batches, incidents = tables.batches, tables.incidents
    of_dataset = batches.c.dataset == dataset_id
    known = connection.scalars(sa.select(batches.c.batch).where(of_dataset).distinct()).all()
    names = [dataset_id, *(table_name(dataset_id, batch, kind) for batch in known for kind in get_args(Kind))]
    schemas = schemas_of(connection)
    where = {"staging": schemas.staging, "quarantine": schemas.quarantine}
    relations = list(connection.execute(TABLES, {"dataset": dataset_id, "names": names, **where}))
    views = list(connection.execute(VIEWS, {"tables": [row.oid for row in relations]}))
    _refuse_readers(dataset_id, views, schemas)
    published = of_dataset & (batches.c.status == "published")
    found = Remains(
        dataset_id,
        tuple(f"{row.schema}.{row.name}" for row in relations),
        tuple(f"{row.schema}.{row.name}" for row in views),
        sum(row.bytes for row in relations),
        connection.scalar(sa.select(sa.cast(sa.func.sum(batches.c.rows_accepted), sa.BigInteger)).where(published))
        or 0,
        sum(
            connection.scalar(sa.select(sa.func.count()).select_from(_table(row))) or 0
            for row in relations
            if row.schema == schemas.quarantine
        ),
        connection.scalar(sa.select(sa.func.count()).where(incidents.c.dataset == dataset_id)) or 0,
        connection.scalar(sa.select(sa.func.count()).where(of_dataset)) or 0,
    )
    if not found.anything and not found.loads:
        raise ConfigError(f"unknown dataset {dataset_id!r}: {_without_contract(connection)}")
    return found, relations, views


def _refuse_readers(dataset_id: str, views: list[sa.Row], schemas: Schemas) -> None:
    """A view on a side that no other reads is dbt's, of a model that is gone; any other view is somebody's."""
    theirs = [f"{view.schema}.{view.name}" for view in views if schemas.known_as(view.schema) == view.schema]
    if theirs:
        raise ConfigError(
            f"{dataset_id} is not forgotten: {counted(len(theirs), 'view')} still show its rows: {', '.join(theirs)}. "
            "Remove its models from the dbt project and run `sluice run`, or drop the views that are yours"
        )


def _without_contract(connection: sa.Connection) -> str:
    """The datasets that can be forgotten, in words."""
    loaded = connection.scalars(sa.select(tables.batches.c.dataset).distinct().order_by(tables.batches.c.dataset))
    found = [name for name in loaded if name not in contracts()]
    return f"datasets without a contract are {', '.join(found)}" if found else "every loaded dataset has a contract"


def _forget_rows(connection: sa.Connection, dataset_id: str) -> None:
    """Incidents with their messages; and the ledger keeps the loads as superseded."""
    batches, incidents, outbox = tables.batches, tables.incidents, tables.outbox
    of_dataset = sa.select(incidents.c.incident_id).where(incidents.c.dataset == dataset_id)
    connection.execute(outbox.delete().where(outbox.c.incident_id.in_(of_dataset)))
    connection.execute(incidents.delete().where(incidents.c.dataset == dataset_id))
    reasons = sa.func.array_append(batches.c.reasons, FORGOTTEN)
    finished = batches.update().where(batches.c.dataset == dataset_id, batches.c.status.in_(("published", "held")))
    connection.execute(finished.values(status="superseded", reasons=reasons))
    started = batches.update().where(batches.c.dataset == dataset_id, batches.c.status == "started")
    connection.execute(started.values(status="abandoned", reasons=reasons, finished_at=sa.func.now()))


def _table(relation: sa.Row) -> sa.Table:
    return sa.Table(relation.name, sa.MetaData(), schema=relation.schema)
