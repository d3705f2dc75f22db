"""Advisory locks under Sluice's names: held, tried, shared, taken over. They end with their session or transaction.

Two projects in one database share no lock: a name carries the project's id, which the engine's options bring along, or
that of a schema. A warehouse from before projects had ids keeps the names it had, so that an older Sluice meets them.

The right to write is shared by who writes, and taken whole by who takes over. Who takes over has first written into the
ledger that it does, so a session that comes later reads there that it may not write.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sluice.contract.errors import ConfigError, ToolError
from sluice.warehouse.postgres.session import first_line

OPTION = "sluice_locks"  # execution option of an engine: what its locks' names begin with
UNNAMED = "sluice"
# What dbt's sessions run too, on the driver's own connection (sluice/ledger/write_right.py)
SHARE_FOR_SESSION = "SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))"
TAKE_OVER_SECONDS = 60.0  # an ended session is gone in milliseconds; a hung server is a reason to give up
PAUSE = 0.02  # s between looks
# s before each look whether a session was given to another connection; a pooler may answer before it takes one back
UNSHARED, POOLED = (0.0,), (0.0, 0.05, 0.5)
END = sa.text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks "
    "WHERE locktype = 'advisory' AND objsubid = 1 AND pid <> pg_backend_pid() "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (CAST(CAST(classid AS bigint) AS bit(64)) << 32) | CAST(CAST(objid AS bigint) AS bit(64)) "
    "= CAST(hashtextextended(:name, 0) AS bit(64))"
)


def name_of(connection: sa.Connection, what: str) -> str:
    """The full name of the project's lock on `what`: a dataset, `dbt`, a run."""
    return f"{connection.get_execution_options().get(OPTION, UNNAMED)}:{what}"


def write_right(side: str) -> str:
    """The full name of the lock on writing to a side, whose own name no other project in the database has."""
    return f"{UNNAMED}:write {side}"


@contextmanager
def held(engine: sa.Engine, what: str) -> Iterator[bool]:
    """Hold the lock on `what` while the block runs. Yields False, holding nothing, if another session holds it.

    Raises:
        ToolError: the database does not answer.
    """
    try:
        connected = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        key = _key(name_of(connected, what))
        free = connected.scalar(sa.select(sa.func.pg_try_advisory_lock(key)))
    except DBAPIError as error:
        raise ToolError(f"{what}: the lock on it cannot be asked for: {first_line(error)}. Run again.") from None
    with connected as connection:
        if not free:
            yield False
            return
        try:
            yield True
        finally:
            with suppress(DBAPIError):  # the connection is gone, and the lock with it
                connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


def refuse_pooler(engine: sa.Engine, block: str) -> None:
    """Nothing, if each connection has a session to itself, as locks of a session need.

    Raises:
        ConfigError: a pooler gives the session of one connection to another, or another session to each transaction.
    """
    number = sa.select(sa.func.pg_backend_pid())
    with ExitStack() as connections:
        first = connections.enter_context(engine.connect())
        session = first.scalar(number)
        first.commit()
        greeted = first.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr] # psycopg2's
        for pause in UNSHARED if greeted == session else POOLED:  # a pooler greets with a made-up number
            time.sleep(pause)
            # In a transaction that stays open, so that the next one cannot be given the same session
            if connections.enter_context(engine.connect()).scalar(number) == session:
                break
        else:
            if first.scalar(number) == session:
                return
    raise ConfigError(
        f"block {block!r} leads to a pooler that shares sessions between transactions (of PgBouncer: pool_mode = "
        "transaction), so locks do not hold, and two runs could write at once. Nothing was written. Name the server "
        "itself in the block, or a pool with pool_mode = session"
    )


def until_commit(connection: sa.Connection, what: str) -> None:
    """Wait for the lock on `what` and hold it until the connection's transaction ends."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_key(name_of(connection, what)))))


def is_free(connection: sa.Connection, what: str) -> bool:
    """Whether no other session holds the lock on `what`. If so, this transaction holds it until it ends."""
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_key(name_of(connection, what))))))


def share(connection: sa.Connection, name: str) -> None:
    """Hold the lock of this full name with others until the transaction ends. Waits for one who takes it over."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_key(name))))


def take_over(connection: sa.Connection, name: str, seconds: float = TAKE_OVER_SECONDS) -> None:
    """Hold the lock of this full name alone until the transaction ends: sessions that hold it, or wait, are ended.

    Raises:
        ToolError: one of them did not end in `seconds`.
        DBAPIError: one of them is another user's, so it cannot be ended.
    """
    deadline = time.monotonic() + seconds
    while not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_key(name)))):
        connection.execute(END, {"name": name})
        if time.monotonic() > deadline:
            raise ToolError(
                f"a session of an earlier run did not end in {seconds:g} s and still holds the lock {name!r}. "
                "Nothing was changed. See pg_locks and pg_stat_activity, end it, and run again."
            )
        time.sleep(PAUSE)


def _key(name: str) -> sa.ColumnElement[Any]:
    return sa.func.hashtextextended(name, 0)
