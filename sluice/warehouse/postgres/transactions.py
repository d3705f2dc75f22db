"""Transactions whose end is known: where the answer to COMMIT is lost, the server is asked what became of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from sluice.contract.errors import ToolError
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line

ASK_SECONDS = 60.0  # for a server that restarts, and for a COMMIT whose answer was lost while it was being done
PAUSE = 0.2  # s between questions
# In place of the ten minutes that a session may be idle within a transaction
BRIEF = sa.text("SET LOCAL idle_in_transaction_session_timeout = '30s'")
# After a crash, the server may give a number to another transaction whose first owner had not reached the disk. From
# PostgreSQL 15 on, its counters are reset by a crash, and else only by an administrator.
CRASH = "(SELECT stats_reset FROM pg_stat_bgwriter)"
NUMBER = sa.text(f"SELECT CAST(pg_current_xact_id_if_assigned() AS text), {CRASH}")  # null where nothing was written
FATE = sa.text(f"SELECT pg_xact_status(CAST(CAST(:number AS text) AS xid8)), {CRASH}")


class Unknown(ToolError):
    """Whether a transaction was committed cannot be found out now."""


@contextmanager
def settled(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction; it ends without an error exactly if it was committed, also when the link broke meanwhile.

    Raises:
        DBAPIError, psycopg2.Error: it was not committed.
        Unknown: the link broke in the middle of COMMIT, and the server answers no more, or has crashed since.
    """
    number: str | None = None
    crash: datetime | None = None
    ended = False
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
            number, crash = connection.execute(NUMBER).one()
            ended = True
    except DATABASE_ERRORS:
        if not ended or (number is not None and not committed(engine, number, crash)):
            raise


@contextmanager
def transaction(
    engine: sa.Engine, what: str, then: str = "Nothing was changed.", *, long: bool = False
) -> Iterator[sa.Connection]:
    """The same, with the driver's errors in words: that `what` failed, why, and what holds `then`.

    Args:
        long: whether this process may work for longer than 30 s between two statements. Else the server ends a
            transaction that is idle for so long: what a stopped process has locked, others wait for.

    Raises:
        ToolError: it was not committed, or that is not known.
    """
    try:
        with settled(engine) as connection:
            if not long:
                connection.execute(BRIEF)
            yield connection
    except Unknown as error:
        raise Unknown(f"{what}: {error}") from None
    except DATABASE_ERRORS as error:
        raise ToolError(f"{what}: {first_line(error)}. {then}") from None


@contextmanager
def brief(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction on rows that each run locks: a client that stops in it keeps others waiting for 30 s at most.

    Raises:
        DBAPIError: it was not committed, or nobody knows.
    """
    with engine.begin() as connection:
        connection.execute(BRIEF)
        yield connection


def committed(engine: sa.Engine, number: str, crash: datetime | None, seconds: float = ASK_SECONDS) -> bool:
    """Whether the transaction of this number was committed. Waits while it is under way, or the server restarts.

    Args:
        crash: when the server's last crash was before the transaction.

    Raises:
        Unknown: there is no answer within `seconds`, or only one that may be about another transaction.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            with engine.connect() as connection:
                fate, last_crash = connection.execute(FATE, {"number": number}).one()
            why = "it is still under way"
        except DATABASE_ERRORS as error:
            fate, last_crash, why = None, crash, first_line(error)
        if fate == "aborted" or (fate == "committed" and last_crash == crash):
            return bool(fate == "committed")
        if fate == "committed":
            why = "the server has crashed since"
        if fate == "committed" or time.monotonic() > deadline:
            raise Unknown(
                f"the link broke while it was being committed, and whether it was cannot be found out: {why}. "
                "Run again: what was done is found, and what was not is done."
            )
        time.sleep(PAUSE)
