"""What each session that dbt opens does first: it takes the right to write to its side, or may only read.

dbt's hooks come too late for that: it drops tables before the first hook and after the last, and tests run none. So
`install` puts itself before the one method by which dbt-postgres opens a session. Whoever runs dbt, in this process or
in a child, calls it; the build's number comes through the environment, which a child inherits.
"""

from __future__ import annotations

import os
from typing import Any

import psycopg2
from dbt.adapters.contracts.connection import ConnectionState
from dbt.adapters.postgres import PostgresConnectionManager
from dbt_common.exceptions import DbtDatabaseError

from sluice.contract.errors import Overtaken
from sluice.ledger import write_right
from sluice.marts.dbt.environment import BUILD
from sluice.project.paths import project

# Written against dbt-postgres 1.10 and 1.11: `open(cls, connection)` gives the connection with a `handle` of psycopg2.


def install() -> None:
    """Let every session that dbt-postgres opens in this process ask first. Again and again changes nothing more."""
    original = PostgresConnectionManager.open
    if hasattr(original, "asks_first"):
        return

    def opened(_cls: type, connection: Any) -> Any:
        if connection.state == ConnectionState.OPEN:
            return connection
        connection = original(connection)
        _ask(connection)
        return connection

    opened.asks_first = True  # type: ignore[attr-defined]
    PostgresConnectionManager.open = classmethod(opened)  # type: ignore[method-assign,assignment]


def _ask(connection: Any) -> None:
    side, build = connection.credentials.schema, os.environ.get(BUILD)
    schemas = project().settings.schemas
    if side not in schemas.sides:
        return
    try:
        if build:
            write_right.take(connection.handle, side, int(build), schemas.ops)
        else:
            write_right.read_only(connection.handle)
    except (psycopg2.Error, Overtaken) as error:
        connection.handle.close()
        connection.handle, connection.state = None, ConnectionState.FAIL
        raise DbtDatabaseError(str(error).strip()) from error
