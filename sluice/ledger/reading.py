"""Read the ledger, for commands that only show something: no statement of theirs changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from sluice.contract.errors import ToolError
from sluice.ledger import schema
from sluice.warehouse.connection import look_into_warehouse
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.warehouse import Warehouse

NOTHING = "Nothing was loaded or built yet. Load files: sluice run; build marts: sluice marts build"


@contextmanager
def reading() -> Iterator[sa.Connection | None]:
    """A connection in one read-only transaction; None where no run ever made the ledger.

    A role that may only read is enough.

    Raises:
        ConfigError: the block does not exist, or a schema is not this project's.
        ToolError: the database does not answer or refuses, or an older version of Sluice wrote the ledger.
    """
    warehouse = look_into_warehouse()
    if warehouse is None:
        yield None
        return
    try:
        with warehouse.engine.begin() as connection:
            yield connection if is_there(connection) else None
    except DATABASE_ERRORS as error:
        raise ToolError(f"the warehouse cannot be read: {first_line(error)}. See: sluice doctor") from None


def read_only(readonly: Warehouse | None) -> Warehouse | None:
    """The warehouse, if its ledger is there. Raises as `reading`."""
    if readonly is None:
        return None
    with readonly.engine.connect() as connection:
        return readonly if is_there(connection) else None


def is_there(connection: sa.Connection) -> bool:
    """Whether there is a ledger to read.

    Raises:
        ToolError: an older version wrote it, which lacks what this one reads.
    """
    found = schema.state(connection)
    if found is schema.State.OLDER:
        raise ToolError(
            "an older version of Sluice wrote the warehouse. Bring its records up to date: sluice setup "
            "(the next run does so, too)"
        )
    return found is schema.State.CURRENT
