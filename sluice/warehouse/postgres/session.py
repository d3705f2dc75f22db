"""Sessions: their settings, links that no answer comes from, driver errors, raw statements."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import Any

import psycopg2
import psycopg2.extensions
import sqlalchemy as sa
from psycopg2 import sql
from psycopg2.errors import DeadlockDetected, LockNotAvailable, QueryCanceled
from sqlalchemy.exc import DBAPIError

from sluice.contract.errors import ToolError

DATABASE_ERRORS = (DBAPIError, psycopg2.Error)  # through SQLAlchemy, and from the driver itself
APPLICATION = "sluice"  # how Sluice's sessions are named in pg_stat_activity; dbt's begin with it
# Settings of every session, so that the same file gives the same rows on any server.
SESSION = {
    "application_name": APPLICATION,
    "timezone": "UTC",
    "datestyle": "ISO",
    "client_connection_check_interval": "500ms",  # a killed client's query ends, and commits nothing
    "idle_in_transaction_session_timeout": "10min",  # a half-open link frees its locks
    "lock_timeout": "5min",  # nothing waits for ever for what somebody else holds
    # A link that is silent is asked after 30 s, and given up after another 30: its locks are free then
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}

# The same on this side of the link; the last is in milliseconds, for what was sent and never confirmed.
KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}


def first_line(error: BaseException) -> str:
    """What a driver says, without the statement and its parameters (which hold data)."""
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def is_lost(error: BaseException) -> bool:
    """Whether the link to the server, or the session there, is gone: another one may do better."""
    return isinstance(getattr(error, "orig", error), psycopg2.OperationalError | psycopg2.InterfaceError)


def execute(connection: sa.Connection, statement: sql.Composable) -> None:
    """Run composed SQL in the connection's transaction, for statements that SQLAlchemy has no words for.

    Raises:
        psycopg2.Error: as the driver raises it.
    """
    driver_connection = connection.connection.driver_connection
    if driver_connection is None:
        raise ToolError("the connection to the warehouse is gone; run again")
    with driver_connection.cursor() as cursor:
        cursor.execute(statement)


def first_rows_of(connection: sa.Connection, query: str, rows: int, seconds: int) -> list[dict[str, object]]:
    """The first rows of somebody's query, read-only and within a time; the text is taken as it is, `:` and `%` too.

    Raises:
        psycopg2.Error: as the driver raises it, such as when the time has passed.
    """
    execute(connection, sql.SQL("SET TRANSACTION READ ONLY"))
    execute(connection, sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(f"{seconds}s")))
    limited = sql.SQL("SELECT * FROM ({}) AS failing LIMIT {}").format(sql.SQL(query), sql.Literal(rows))
    with connection.connection.driver_connection.cursor() as cursor:  # type: ignore[union-attr]
        cursor.execute(limited)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def set_session(driver_connection, _record) -> None:  # type: ignore[no-untyped-def]
    with driver_connection.cursor() as cursor:
        for name, value in SESSION.items():
            cursor.execute("select set_config(%s, %s, false)", (name, value))
        cursor.execute("select pg_backend_pid()")  # behind a pooler, the driver's own is not a process
        if isinstance(driver_connection, Watched):
            driver_connection.pid = cursor.fetchone()[0]
    driver_connection.commit()


def keep_alive(_dialect, _record, _arguments, parameters) -> None:  # type: ignore[no-untyped-def]
    """Let a server that is gone be noticed, and not be waited for."""
    for name, value in {**KEEPALIVES, "connect_timeout": CONNECT, "connection_factory": Watched}.items():
        parameters.setdefault(name, value)


class Watched(psycopg2.extensions.connection):
    """A connection on which no answer is waited for in vain.

    A machine between here and the server may confirm every packet and pass none on, so that no keepalive notices. So
    who has waited for long is asked about in a second session; where that is not answered either, or the server has
    done long ago what is waited for, the link is cut, and the driver raises.
    """

    def __init__(self, address: str, **options: Any) -> None:
        super().__init__(address, **options)
        self.address, self.pid, self.cursor_factory = address, self.get_backend_pid(), _Cursor
        self.since = self.due = 0.0  # when it began to wait, and when to look at it next, on the monotonic clock
        self.silent = 0  # looks in a row that found nothing running

    def commit(self) -> None:
        with waiting(self):
            super().commit()

    def rollback(self) -> None:
        if self.closed:  # the server has done it, and why the link is closed is what is to be said
            return
        with waiting(self):
            super().rollback()

    def cut(self) -> None:
        """End the link, for the thread that waits for an answer on it."""
        with suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(self.fileno())) as link:
            link.shutdown(socket.SHUT_RDWR)


class _Cursor(psycopg2.extensions.cursor):
    def execute(self, *arguments: Any) -> None:
        with waiting(self.connection):
            super().execute(*arguments)

    def executemany(self, *arguments: Any) -> None:
        with waiting(self.connection):
            super().executemany(*arguments)

    def fetchmany(self, *arguments: Any) -> list[tuple[Any, ...]]:
        with waiting(self.connection) if self.name else nullcontext():
            return super().fetchmany(*arguments)

    def copy_expert(self, *arguments: Any, **options: Any) -> None:
        with waiting(self.connection):
            super().copy_expert(*arguments, **options)


SILENT = 60.0  # s without an answer, after which it is asked about
CONNECT = 60  # s; a database that sleeps while nobody uses it may take half of that to wake
ANSWER = 10.0  # s in which a second session has to be there and to answer
LOOKS = 3  # in a row that find nothing running, before the link is cut
_waiting: set[Watched] = set()
_watch = threading.Thread()
_start = threading.Lock()


@contextmanager
def waiting(link: Any) -> Iterator[None]:
    """Watch the link while the block waits for an answer on it."""
    global _watch
    if not _watch.is_alive():  # also in a process that was forked
        with _start:
            if not _watch.is_alive():
                _watch = threading.Thread(target=_look, name="sluice-links", daemon=True)
                _watch.start()
    link.since, link.silent = time.monotonic(), 0
    link.due = link.since + SILENT
    _waiting.add(link)
    try:
        yield
    except psycopg2.OperationalError:
        if link.silent < LOOKS:
            raise
        raise psycopg2.OperationalError(
            f"the server gave no answer for {time.monotonic() - link.since:.0f} s, and does not work on one"
        ) from None
    finally:
        _waiting.discard(link)


def _look() -> None:
    while True:
        time.sleep(ANSWER / 2)
        for link in [link for link in _waiting.copy() if time.monotonic() > link.due]:
            if _works(link):
                link.silent, link.due = 0, time.monotonic() + SILENT
                continue
            link.silent += 1
            if link.silent >= LOOKS and link in _waiting:
                link.cut()


def _works(link: Watched) -> bool:
    """Whether the server works on what the link waits for. One that answers with an error may be."""
    deadline = time.monotonic() + ANSWER
    try:
        with closing(psycopg2.connect(link.address, async_=True)) as asking:
            _answered(asking, deadline)
            with asking.cursor() as cursor:
                cursor.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", (link.pid,))
                _answered(asking, deadline)
                found = cursor.fetchone()
    except TimeoutError:
        return False
    except (psycopg2.Error, OSError):
        return True
    return found is not None and not str(found[0]).startswith("idle")


def _answered(connection: psycopg2.extensions.connection, deadline: float) -> None:
    """Wait for what was asked on an asynchronous connection.

    Raises:
        TimeoutError: there is no answer by then.
    """
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        ready = select.poll()
        ready.register(connection, select.POLLIN if state == psycopg2.extensions.POLL_READ else select.POLLOUT)
        if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError


IN_THE_WAY = (LockNotAvailable, QueryCanceled, DeadlockDetected)  # a reader, for now: try again
