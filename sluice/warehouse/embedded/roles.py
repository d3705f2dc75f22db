"""The embedded server's database and its users: the owner, and the reader. None is a superuser.

Runs and dbt work as the owner, or where that was separated as the loader and the transformer (postgres/roles.py). The
superuser makes the database and the users, and nothing else is done as it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.extensions
from psycopg2 import sql
from psycopg2.errors import DeadlockDetected, LockNotAvailable

from sluice.contract.errors import BusyError
from sluice.warehouse.embedded.location import PORT, Place
from sluice.warehouse.postgres.roles import LOCK_WAIT, OBJECTS

DATABASE = "sluice"
OWNER = "sluice_owner"
LOADER, TRANSFORMER, READER = "sluice_loader", "sluice_transformer", "sluice_reader"
READER_IDLE = "1min"  # in an open transaction, whose locks a publish would wait for; a BI tool connects again
READER_SESSIONS = 20  # of 60: the pool of a BI tool leaves enough for a night
# What superusers own in the database
SUPERUSERS_OWN = sql.SQL("""
WITH superusers AS (SELECT oid FROM pg_roles WHERE rolsuper), {}
SELECT replace(i.type, 'composite ', '') || ' ' || i.identity
FROM owned, pg_identify_object(class, owned.oid, 0) i
WHERE owned.oid >= 16384 AND owner IN (TABLE superusers) AND (class, owned.oid) NOT IN (TABLE of_others)
UNION ALL SELECT 'database ' || quote_ident(datname) FROM pg_database
WHERE datname = current_database() AND datdba IN (TABLE superusers)
""").format(sql.SQL(OBJECTS))
GIVE = """
DO $give$
DECLARE thing text;
BEGIN
    FOR thing IN {} LOOP EXECUTE format('ALTER %s OWNER TO sluice_owner', thing); END LOOP;
END $give$
"""


def ensure_database(place: Place) -> None:
    """Make the database and its owner unless they exist.

    The owner gets what a superuser owns there, in one transaction: older versions worked as that.

    Raises:
        BusyError: somebody uses a table all the time of which the owner has to change; nothing was changed.
    """
    with superuser(place) as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (OWNER,))
        if cursor.fetchone() is None:
            # It must see when others' transactions began: a publish waits for those that would find the marts empty
            make = "CREATE ROLE {0} LOGIN; GRANT pg_read_all_stats TO {0}"
            cursor.execute(sql.SQL(make).format(sql.Identifier(OWNER)))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            make = "CREATE DATABASE {} OWNER {}"
            cursor.execute(sql.SQL(make).format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))
    with superuser(place, DATABASE) as cursor:
        cursor.execute(SUPERUSERS_OWN)
        if cursor.fetchone() is not None:
            _give(cursor)


def _give(cursor: psycopg2.extensions.cursor) -> None:
    try:
        cursor.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(LOCK_WAIT)))
        cursor.execute(sql.SQL(GIVE).format(SUPERUSERS_OWN))
    except (LockNotAvailable, DeadlockDetected):
        raise BusyError(
            f"tables that a superuser made, as older versions did, must go to the user {OWNER}, and "
            "another program uses it. Nothing was changed. Try again when that has ended"
        ) from None


def ensure_reader(place: Place) -> None:
    """Make the user that may read every table and change nothing, unless it exists."""
    with superuser(place) as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,))
        if cursor.fetchone() is None:
            make = "CREATE ROLE {0} LOGIN; GRANT pg_read_all_data TO {0}; ALTER ROLE {0} SET {1} = on"
            setting = sql.Identifier("default_transaction_read_only")
            cursor.execute(sql.SQL(make).format(sql.Identifier(READER), setting))


def set_password(place: Place, password: str) -> None:
    """Let the reader come in with this password. The server is sent what verifies it only, and so is its log."""
    with superuser(place) as cursor:
        verifier = psycopg2.extensions.encrypt_password(password, READER, cursor.connection, "scram-sha-256")
        change = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {} PASSWORD {}")
        limit = sql.Literal(READER_SESSIONS)
        cursor.execute(change.format(sql.Identifier(READER), limit, sql.Literal(verifier)))
        idle = sql.SQL("ALTER ROLE {} SET idle_in_transaction_session_timeout = {}")
        cursor.execute(idle.format(sql.Identifier(READER), sql.Literal(READER_IDLE)))


@contextmanager
def superuser(place: Place, database: str = "postgres") -> Iterator[psycopg2.extensions.cursor]:
    """A cursor of the user who may do anything, over the socket; each statement commits."""
    folder = str(place.socket_folder)
    connection = psycopg2.connect(dbname=database, user="postgres", host=folder, port=PORT)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
