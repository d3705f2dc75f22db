"""The schemas that a review builds models into: beside the sides, marked, emptied before and dropped after.

They are those of a third side, `marts__diff`, which is never published: publish, rollback and builds know two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from sluice.contract.errors import BusyError, ConfigError, ToolError
from sluice.project import paths
from sluice.warehouse.postgres import locks
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.warehouse import Warehouse

FOUND = sa.text("""
    SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = :name
""")


@contextmanager
def schemas(warehouse: Warehouse, keep: bool) -> Iterator[str]:
    """Empty schemas for the models, while the block runs; yields the name of their side.

    Args:
        keep: leave them, with what is in them, for a person to look at.

    Raises:
        BusyError: another review builds.
        ConfigError: a schema of that name is not Sluice's.
        ToolError: the database failed.
    """
    side = warehouse.schemas.review
    with locks.held(warehouse.engine, "review") as held:
        if not held:
            raise BusyError("another sluice diff builds models in this warehouse. Wait for it to finish, and run again")
        with _writing(warehouse, f"the schemas of {side} could not be made") as connection:
            _drop(connection, warehouse)
            for name in warehouse.schemas.parts(side):
                _make(connection, warehouse, name)
        try:
            yield side
        finally:
            if not keep:
                with _writing(warehouse, f"the schemas of {side} could not be dropped") as connection:
                    _drop(connection, warehouse)


@contextmanager
def _writing(warehouse: Warehouse, what: str) -> Iterator[sa.Connection]:
    """A transaction that may write, also where the warehouse was opened to be looked into only.

    Raises:
        ToolError: that `what`, and why.
    """
    try:
        with warehouse.engine.connect() as opened:
            connection = opened.execution_options(postgresql_readonly=False)
            with connection.begin():
                yield connection
    except DATABASE_ERRORS as error:
        raise ToolError(f"{what}: {first_line(error)}. Readers keep what they had.") from None


def _mark() -> str:
    return f"Made by Sluice for project {paths.project().settings.project_id}, by sluice diff"


def _drop(connection: sa.Connection, warehouse: Warehouse) -> None:
    """Drop what a review made, also one that was killed; nothing else.

    Raises:
        ConfigError: a schema of that name is not one that a review made.
    """
    connection.execute(sa.text("SET LOCAL lock_timeout = '30s'"))
    for name in warehouse.schemas.parts(warehouse.schemas.review):
        mark = connection.scalar(FOUND, {"name": name})
        if mark is None:
            continue
        if mark != _mark():
            raise ConfigError(
                f"schema {name!r} is where sluice diff would build, and it was made by somebody else. Rename it: "
                f'ALTER SCHEMA "{name}" RENAME TO "{name[:50]}_before"'
            )
        connection.execute(sa.schema.DropSchema(name, cascade=True))


def _make(connection: sa.Connection, warehouse: Warehouse, name: str) -> None:
    quote = connection.dialect.identifier_preparer.quote
    mark = sa.literal(_mark()).compile(connection, compile_kwargs={"literal_binds": True})
    words = {"name": quote(name), "user": quote(str(warehouse.dbt.url.username)), "mark": str(mark)}
    connection.execute(sa.DDL("CREATE SCHEMA %(name)s", context=words))
    connection.execute(sa.DDL("COMMENT ON SCHEMA %(name)s IS %(mark)s", context=words))
    if warehouse.transformer is not None:  # who may make no schema in the database
        connection.execute(sa.DDL("GRANT ALL ON SCHEMA %(name)s TO %(user)s", context=words))
