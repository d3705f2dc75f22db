"""`sluice setup --roles`: separate the users that load, transform and read, each with the rights that it needs.

The embedded PostgreSQL has names for them. On another server they are the users of the blocks that SLUICE_WAREHOUSE,
SLUICE_TRANSFORMER and SLUICE_READER name, and the block of SLUICE_OWNER is the one of the user who makes them: who has
owned the warehouse so far, or a new one's database.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa
from psycopg2.errors import DeadlockDetected, LockNotAvailable

from sluice.contract.errors import BusyError, ConfigError, ToolError
from sluice.doctor.finding import Finding, ok
from sluice.project import paths
from sluice.runs import lifecycle
from sluice.warehouse import batch, embedded, ownership
from sluice.warehouse.connection import BLOCK_VARIABLE, TRANSFORMER_VARIABLE, address_of, engine_of, forget_warehouse
from sluice.warehouse.embedded import users
from sluice.warehouse.postgres import locks
from sluice.warehouse.postgres.roles import LOCK_WAIT, Roles, Separation
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.reader import READER_VARIABLE

OWNER_VARIABLE = "SLUICE_OWNER"
ROLE_VARIABLES = (BLOCK_VARIABLE, TRANSFORMER_VARIABLE, READER_VARIABLE)


def separate(dry_run: bool) -> Iterator[Finding]:
    """Make the users, hand over what the warehouse holds, grant: in one transaction, which a dry run takes back.

    Yields:
        A finding for each statement, or one that nothing had to be changed.

    Raises:
        BusyError: a run is in progress, or somebody uses a table all the time whose owner has to change.
        ConfigError: a block is missing, or names a user who may do more than it should.
        ToolError: the server refused.
    """
    try:
        with _administration() as (connection, roles, passwords, former):
            done = _separate(connection, roles, passwords, former)
            if dry_run:
                connection.rollback()
    except DATABASE_ERRORS as error:
        if isinstance(getattr(error, "orig", error), LockNotAvailable | DeadlockDetected):
            raise BusyError(
                f"a table whose owner has to change is in use: {first_line(error)}. Nothing was changed. Try again"
            ) from None
        raise ToolError(f"the users could not be separated: {first_line(error)}. Nothing was changed") from None
    forget_warehouse()
    for statement in done:
        yield ok("roles", f"{'would run' if dry_run else 'ran'}: {statement}")
    if not done:
        yield ok("roles", f"nothing to change: {', '.join(roles.all)} have what they need")


def _separate(connection: sa.Connection, roles: Roles, passwords: Mapping[str, str], former: str | None) -> list[str]:
    settings = paths.project().settings
    connection.execute(sa.text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": LOCK_WAIT})
    prefix = ownership.claim(connection, settings.schemas, settings.project_id)
    connection = connection.execution_options(**{locks.OPTION: prefix, **batch.options(settings.schemas)})
    recorded = sa.inspect(connection).has_table("runs", schema=settings.schemas.ops)
    # Its tables would be of the former owner, and the new users could not use them
    if not locks.is_free(connection, "dbt") or (recorded and lifecycle.under_way(connection)):
        raise BusyError("another run is in progress. Nothing was changed. Try again when it has ended")
    separation = Separation(connection, settings.schemas, roles)
    separation.users(passwords, former)
    separation.contents()
    return separation.statements


@contextmanager
def _administration() -> Iterator[tuple[sa.Connection, Roles, Mapping[str, str], str | None]]:
    """A transaction of the user who may do it; the three users; their passwords; who owned the warehouse so far."""
    if not os.environ.get(BLOCK_VARIABLE):
        with users.as_superuser(embedded.start(paths.home())) as connection:
            yield connection, users.ROLES, {}, embedded.OWNER
        return
    missing = [name for name in (*ROLE_VARIABLES, OWNER_VARIABLE) if not os.environ.get(name)]
    if missing:
        raise ConfigError(
            f"{', '.join(missing)} not set. {', '.join(ROLE_VARIABLES)} name the blocks of the users that load, "
            f"transform and read; {OWNER_VARIABLE} that of the warehouse's owner, who makes them. See docs/setup.md"
        )
    urls = [address_of(os.environ[name]) for name in ROLE_VARIABLES]
    engine = engine_of(os.environ[OWNER_VARIABLE])
    names = [str(url.username) for url in urls]
    if len({*names, str(engine.url.username)}) < len(names) + 1:
        raise ConfigError(
            f"the blocks of {', '.join((*ROLE_VARIABLES, OWNER_VARIABLE))} must name four different users; they name "
            f"{', '.join((*names, str(engine.url.username)))}"
        )
    try:
        with engine.begin() as connection:
            yield connection, Roles(*names), {str(url.username): str(url.password or "") for url in urls}, None
    finally:
        engine.dispose()
