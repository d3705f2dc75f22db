"""The right to write to a side: each session that does holds the side's lock, and its build is the newest one.

A session takes the lock first and reads then. A successor writes its build first and takes the lock over then. So
whichever comes first, no session of an older build is left, or comes in, once the successor has had the lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from sluice.contract.errors import Overtaken
from sluice.ledger import session_right
from sluice.ledger.tables import builds
from sluice.warehouse.postgres import locks, side_rights
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

READ_ONLY = "SET default_transaction_read_only = on"


def statements(ops: str, sides: Iterable[str]) -> dict[str, Any]:
    """What a session needs to take the right, as plain values: the statements, and the name of each side's lock.

    Args:
        ops: the schema of the ledger.
    """
    return {
        "take": locks.SHARE_FOR_SESSION,
        "newest": _newest(ops),
        "read_only": READ_ONLY,
        "locks": {side: locks.write_right(side) for side in sides},
    }


def take(session: Any, side: str, build_id: int, ops: str) -> None:
    """Give a session of the driver the right to write to the side, for as long as it lives.

    Args:
        session: psycopg2's connection, without an open transaction; so it is left.
        ops: the schema of the ledger.

    Raises:
        Overtaken: a later build began, or this one has ended.
        psycopg2.Error: as the driver raises it.
    """
    try:
        session_right.take(session, side, build_id, statements(ops, [side]))
    except session_right.Lost as error:
        raise Overtaken(str(error)) from None


def _newest(ops: str) -> str:
    """The query for the newest build, for a session that knows nothing of the engine's schema names."""
    table = builds.to_metadata(sa.MetaData(), schema=ops)
    query = sa.select(table.c.build_id, table.c.status).order_by(table.c.build_id.desc()).limit(1)
    return str(query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))


@contextmanager
def held(warehouse: Warehouse, side: str, build_id: int) -> Iterator[sa.Connection]:
    """A connection that may write to the side. It is closed in the end, and the lock is free.

    Raises:
        Overtaken: as `take`.
    """
    with warehouse.engine.connect() as connection:
        session = connection.connection.driver_connection
        connection.detach()  # the pool must not give a session with a lock to somebody else
        take(session, side, build_id, warehouse.schemas.ops)
        yield connection


def share(connection: sa.Connection, side: str, build_id: int) -> None:
    """Hold the side's lock until the transaction ends: who only reads tables of the side is in a successor's way, too.

    Raises:
        Overtaken: a later build began.
    """
    locks.share(connection, locks.write_right(side))
    newest = connection.scalar(sa.select(sa.func.max(builds.c.build_id)))
    if newest is not None and newest > build_id:
        raise Overtaken(f"build {build_id} of {side}: build {newest} began after it: a later run took over.")


def clear(warehouse: Warehouse, side: str) -> None:
    """End every session that may still write to the side for an older build; then this build may.

    The caller has committed its build. Returns when no other session is left.

    Raises:
        ToolError: as `locks.take_over`.
    """
    with transaction(warehouse.engine, f"the sessions of an earlier build of {side} could not be ended") as connection:
        locks.take_over(connection, locks.write_right(side))
        side_rights.allow(connection, side)


def shut(connection: sa.Connection, side: str) -> None:
    """Let no session write to the side from now on: its lock is held until the transaction ends, its rights are gone.

    The caller has made sure that its build is the newest (`builds.fence`).
    """
    locks.take_over(connection, locks.write_right(side))
    side_rights.forbid(connection, side)
