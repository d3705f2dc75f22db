"""Bugs of the protocol, each with the case of the sweep that finds it, in whose processes alone it is planted."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sluice.alerts import outbox
from sluice.contract.errors import ToolError
from sluice.ledger import builds, loads, session_right, tables, write_right
from sluice.marts import build
from sluice.marts import publish as marts
from sluice.runs import lifecycle
from sluice.staging import publish
from sluice.warehouse.postgres import mart_views, session, side_rights, transactions
from sluice.warehouse.postgres.engine import Postgres

THREADS = "SWEEP_THREADS"  # the environment variable in the sweep's profile


@dataclass(frozen=True)
class Bug:
    """A bug, and where the sweep finds it.

    Attributes:
        fault, statement: the case that finds it: how the night is broken, and at the last of which statements.
        then: at the first of these that follows that one, if not there.
    """

    plant: Callable[[], None]
    fault: str
    statement: str
    then: str = ""

    def point(self, points: Sequence[str]) -> str:
        """Where that is, of all points; a statement that only the bug sends is not among them."""
        at = [place for place, point in enumerate(points) if point.startswith(self.statement)]
        if not at:
            return f"{self.statement} #1"
        return next(point for point in points[at[-1] :] if point.startswith(self.then or self.statement))


def commit(connection: sa.Connection) -> None:
    """End the driver's transaction in the middle of SQLAlchemy's."""
    connection.connection.driver_connection.commit()  # type: ignore[union-attr]


def committing_after(owner: Any, name: str) -> Callable[[], None]:
    """What was one transaction is two: the first ends with the call of this function."""

    def plant() -> None:
        original = getattr(owner, name)

        def called(connection: sa.Connection, *arguments: Any, **options: Any) -> Any:
            result = original(connection, *arguments, **options)
            commit(connection)
            return result

        setattr(owner, name, staticmethod(called) if isinstance(owner, type) else called)

    return plant


def replaced(owner: Any, name: str, by: Any) -> Callable[[], None]:
    return lambda: setattr(owner, name, by)


def _errors_of_a_publish_are_lost() -> None:
    original = publish.publish

    def called(*arguments: Any) -> None:
        try:
            original(*arguments)
        except ToolError:
            return

    publish.publish = called


def _alerts_are_marked_before_they_are_sent() -> None:
    original = outbox._claim

    def called(warehouse: Any) -> Any:
        row = original(warehouse)
        if row is not None:
            with warehouse.engine.begin() as connection:
                this = tables.outbox.c.message_id == row.message_id
                connection.execute(tables.outbox.update().where(this).values(sent_at=warehouse.now()))
            with warehouse.engine.begin() as connection:
                connection.execute(sa.text(MARKED))
        return row

    outbox._claim = called


def _a_lost_answer_is_a_failed_publish() -> None:
    marts.settled = lambda engine: engine.begin()
    marts.is_lost = lambda _: False


def _a_load_that_began_counts_as_published() -> None:
    began = tables.batches.c

    def readers_have(connection: sa.Connection, dataset_id: str) -> dict[str, sa.Row]:
        query = sa.select(tables.batches).where(began.dataset == dataset_id, began.status.in_(("published", "started")))
        return {row.batch: row for row in connection.execute(query.order_by(began.load_id))}

    loads.readers_have = readers_have


def _a_build_that_began_counts_as_done() -> None:
    original = build.due

    def due(warehouse: Any) -> bool:
        with warehouse.engine.connect() as connection:
            last = builds.newest(connection)
        return original(warehouse) and (last is None or last.status != "started")

    build.due = due


def _views_are_dropped_before_they_are_made() -> None:
    original = mart_views._make_gate

    def made(connection: sa.Connection) -> None:
        original(connection)
        session.execute(connection, mart_views.sql.SQL("DROP VIEW IF EXISTS marts.fct_orders, marts.dim_shops"))
        commit(connection)

    mart_views._make_gate = made


def _no_session_of_dbt_asks() -> None:
    def clear(warehouse: Any, side: str) -> None:
        with warehouse.engine.begin() as connection:
            side_rights.allow(connection, side)

    os.environ[THREADS] = "1"  # no other thread of the stopped dbt has a transaction open, for which a publish waits
    session_right.take = lambda *_: None
    write_right.clear = clear
    write_right.shut = lambda *_: None


def _no_load_is_fenced() -> None:
    loads.fence = lambda *_: None
    loads.take_over = lambda *_: None


MARKED = "SELECT 1, 2, 3"  # sent between the mark and the message
LOAD = 'DROP TABLE IF EXISTS "staging"."shop__orders__replayed_2021_01"'
FIRST, SECOND = (
    f'ALTER TABLE "staging"."shop__orders" ATTACH PARTITION "staging"."shop__orders__2021_0{month}"' for month in (1, 2)
)
PUBLISHED = "UPDATE ops.batches SET status=?, rows_accepted=?, rows_rejected=?, reasons=?::TEXT[]"
POINTED = "SET LOCAL lock_timeout = ?; SET LOCAL statement_timeout = ?; DO"
BUGS: dict[str, Bug] = {
    "an overtaken load publishes": Bug(_no_load_is_fenced, "overtaken", LOAD),
    "an overtaken build publishes": Bug(
        replaced(builds, "fence", lambda connection, _: builds.hold(connection)),
        "overtaken",
        "SELECT CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text)",
    ),
    "an overtaken build writes": Bug(
        _no_session_of_dbt_asks, "overtaken", 'create table "db"."marts__a"."dim_shops__dbt_tmp"'
    ),
    "a batch is published in two transactions": Bug(committing_after(Postgres, "publish"), "killed", PUBLISHED),
    "rejected rows are moved in a transaction before": Bug(
        committing_after(Postgres, "reject"), "killed", "DELETE FROM quarantine.shop__orders"
    ),
    "the old load is taken off the books before": Bug(committing_after(loads, "supersede"), "killed", FIRST, PUBLISHED),
    "the publication is written before the views": Bug(committing_after(marts, "_write"), "killed", POINTED),
    "views are dropped before they are made": Bug(_views_are_dropped_before_they_are_made, "killed", POINTED),
    "a lost answer counts as a failure": Bug(_a_lost_answer_is_a_failed_publish, "answer lost", POINTED, "COMMIT"),
    "a lost answer counts as done": Bug(
        replaced(transactions, "committed", lambda *_: True), "backend ended", SECOND, "COMMIT"
    ),
    "an error of a publish is lost": Bug(_errors_of_a_publish_are_lost, "transient error", SECOND),
    "an alert is marked before it is sent": Bug(_alerts_are_marked_before_they_are_sent, "killed", "SELECT ?, ?, ?"),
    "a killed run is not looked for": Bug(replaced(lifecycle, "look_for_lost", lambda _: None), "killed", SECOND),
    "a load that began counts as published": Bug(_a_load_that_began_counts_as_published, "killed", LOAD),
    "a build that began counts as done": Bug(
        _a_build_that_began_counts_as_done, "killed", "INSERT INTO ops.dbt_results"
    ),
}
