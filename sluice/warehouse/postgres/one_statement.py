"""The rows of one statement, through a cursor: it takes no COMMIT, no COPY, and no second statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from psycopg2.errors import InvalidCursorDefinition
from sqlalchemy.exc import DBAPIError

from sluice.contract.errors import ToolError
from sluice.warehouse.warehouse import Warehouse

_GIVE = sa.text("SELECT set_config('sluice.statement', :statement, true)")
_OPEN = sa.text(
    "DO $$ DECLARE given refcursor := 'sluice_sql'; "
    "BEGIN OPEN given FOR EXECUTE current_setting('sluice.statement'); END $$"
)
_FETCH = sa.text("FETCH ALL FROM sluice_sql")


def rows(warehouse: Warehouse, statement: str) -> tuple[list[str], Sequence[Sequence[Any]]]:
    """Column names and rows.

    Raises:
        ToolError: it gives no rows, or is more than one statement.
        DBAPIError: as the database says.
    """
    with warehouse.engine.begin() as connection:
        connection.execute(_GIVE, {"statement": statement})
        try:
            connection.execute(_OPEN)
        except DBAPIError as error:
            if not isinstance(error.orig, InvalidCursorDefinition):
                raise
            raise ToolError(
                "the query failed: sluice sql is read-only and takes one statement that gives rows, such as SELECT, "
                "SHOW or EXPLAIN. To change something on purpose: sluice sql --write"
            ) from None
        result = connection.execute(_FETCH)
        return list(result.keys()), [list(row) for row in result]
