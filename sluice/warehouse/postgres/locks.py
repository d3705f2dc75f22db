"""The right to write, as advisory locks: shared by who writes, taken whole by who takes over.

Who takes over has first written into the ledger that it does, so a session that comes later reads there that it may
not write. PostgreSQL frees these locks with the session or the transaction that holds them, however it ends.
"""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from sluice.contract.errors import ToolError

# What dbt's sessions run too, on the driver's own connection (sluice/ledger/write_right.py)
SHARE_FOR_SESSION = "SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))"
TAKE_OVER_SECONDS = 60.0  # an ended session is gone in milliseconds; a hung server is a reason to give up
PAUSE = 0.02  # s between looks
END = sa.text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks "
    "WHERE locktype = 'advisory' AND objsubid = 1 AND pid <> pg_backend_pid() "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (CAST(CAST(classid AS bigint) AS bit(64)) << 32) | CAST(CAST(objid AS bigint) AS bit(64)) "
    "= CAST(hashtextextended(:name, 0) AS bit(64))"
)


def write_right(what: str) -> str:
    """The name of the lock on writing to `what`: a side, or a dataset."""
    return f"sluice:write {what}"


def share(connection: sa.Connection, name: str) -> None:
    """Hold the lock together with others until the transaction ends. Waits for one who takes it over."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_key(name))))


def take_over(connection: sa.Connection, name: str, seconds: float = TAKE_OVER_SECONDS) -> None:
    """Hold the lock alone until the transaction ends: every session that holds it, or waits for it, is ended.

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
