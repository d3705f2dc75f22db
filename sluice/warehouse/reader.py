"""One statement that only reads, run by a role that may only read. For what a person types or pastes.

The role is `sluice_reader` of the embedded server, or that of the block which SLUICE_READER names. A role that one
could leave again (SET ROLE) protects from nothing, so a superuser reads only on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sluice.contract.errors import ConfigError, ToolError
from sluice.warehouse.connection import BLOCK_VARIABLE, embedded_for, look_into_warehouse, named
from sluice.warehouse.embedded import READER
from sluice.warehouse.engine import Capability
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.spark.connection import choice
from sluice.warehouse.warehouse import Warehouse

READER_VARIABLE = "SLUICE_READER"
MAKE_READER = (
    f"Make a role that may only read (CREATE ROLE {READER} LOGIN PASSWORD '...'; GRANT pg_read_all_data TO {READER}), "
    f"and name its block in {READER_VARIABLE} (sluice setup makes the block)"
)


# Through a cursor, which takes one statement that gives rows: no COMMIT, no COPY, no second statement.
_GIVE = sa.text("SELECT set_config('sluice.statement', :statement, true)")
_OPEN = sa.text(
    "DO $$ DECLARE given refcursor := 'sluice_sql'; "
    "BEGIN OPEN given FOR EXECUTE current_setting('sluice.statement'); END $$"
)
_FETCH = sa.text("FETCH ALL FROM sluice_sql")
NOT_FOR_A_CURSOR, NO_RIGHT = "42P11", "42501"  # PostgreSQL's invalid_cursor_definition, insufficient_privilege


def query(statement: str, as_owner: bool = False) -> tuple[list[str], Sequence[Sequence[Any]]]:
    """Column names and rows of one statement.

    Args:
        as_owner: read as the user that runs use, even if it may write.

    Raises:
        ConfigError: there is no role that may only read, and the user that runs use is a superuser.
        ToolError: the statement failed, gives no rows, or is more than one.
    """
    choice.need(Capability.SQL)
    try:
        with _warehouse(as_owner).engine.begin() as connection:
            connection.execute(_GIVE, {"statement": statement})
            connection.execute(_OPEN)
            result = connection.execute(_FETCH)
            return list(result.keys()), [list(row) for row in result]
    except DATABASE_ERRORS as error:
        code = getattr(getattr(error, "orig", error), "pgcode", None)
        if code == NO_RIGHT and not as_owner:
            raise ToolError(
                f"the query failed: {first_line(error)}. sluice sql reads as a user with few rights; as the one that "
                "runs use, and changing nothing either: sluice sql --as-owner"
            ) from None
        if code == NOT_FOR_A_CURSOR:
            raise ToolError(
                "the query failed: sluice sql is read-only and takes one statement that gives rows, such as SELECT, "
                "SHOW or EXPLAIN. To change something on purpose: sluice sql --write"
            ) from None
        raise ToolError(f"the query failed: {first_line(error)}") from None


def is_superuser(warehouse: Warehouse) -> bool:
    """Whether the user that a warehouse is opened as may do anything, programs on the server included."""
    with warehouse.engine.connect() as connection:
        return connection.scalar(sa.text("SELECT current_setting('is_superuser')")) == "on"


def _warehouse(as_owner: bool) -> Warehouse:
    if not os.environ.get(BLOCK_VARIABLE):
        return embedded_for(None if as_owner else READER)
    if (block := os.environ.get(READER_VARIABLE)) and not as_owner:
        return named(block)
    warehouse = look_into_warehouse()
    assert warehouse is not None  # a block names it
    if not as_owner and is_superuser(warehouse):
        raise ConfigError(
            f"sluice sql: the user of block {warehouse.block!r} is a superuser, who may do anything, also run "
            f"programs on the server. {MAKE_READER}; or read with all rights: sluice sql --as-owner"
        )
    return warehouse
