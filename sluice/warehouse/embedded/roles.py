"""The embedded server's database and its reader, a user that may read everything and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from sluice.warehouse.embedded.location import PORT, Place

DATABASE = "sluice"
READER = "sluice_reader"
READER_IDLE = "1min"  # in an open transaction, whose locks a publish would wait for; a BI tool connects again
READER_SESSIONS = 20  # of 60: the pool of a BI tool leaves enough for a night


def ensure_database(place: Place) -> None:
    """Make the database unless it exists."""
    with superuser(place) as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


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
def superuser(place: Place) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor of the user who may do anything, over the socket; each statement commits."""
    folder = str(place.socket_folder)
    connection = psycopg2.connect(dbname="postgres", user="postgres", host=folder, port=PORT)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
