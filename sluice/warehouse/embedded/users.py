"""As whom runs and dbt come to the embedded warehouse: as loader and transformer, or both as its owner, as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from sluice.contract.derive.schemas import Schemas
from sluice.warehouse.embedded import LOADER, OWNER, READER, TRANSFORMER, start
from sluice.warehouse.postgres import locks
from sluice.warehouse.postgres.roles import Roles, Separation, exists

ROLES = Roles(LOADER, TRANSFORMER, READER)
SUPERUSER = "postgres"
# Schemas of any project; those from before there were marks have these names
USED = sa.text(
    "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = ANY(:schemas) "
    "OR obj_description(oid, 'pg_namespace') LIKE 'Made by Sluice%')"
)


def urls(home: Path, schemas: Schemas | None = None) -> tuple[sa.URL, sa.URL]:
    """Start the server, if it does not run. Where runs come in, and where dbt does: the same, where one user does both.

    Args:
        schemas: a run's, which makes the users where nothing was made for any project yet; one who only looks does not.

    Raises:
        as `embedded.start`.
    """
    url = start(home)
    with as_superuser(url) as connection:
        separated = exists(connection, LOADER)
        if not separated and schemas is not None:
            locks.until_commit(connection, "schemas")  # two first runs would both find none
            separated = exists(connection, LOADER)
            if not separated and not connection.scalar(USED, {"schemas": list(schemas.all)}):
                Separation(connection, schemas, ROLES).users({}, OWNER)
                separated = True
    return (url.set(username=LOADER), url.set(username=TRANSFORMER)) if separated else (url, url)


@contextmanager
def as_superuser(url: sa.URL) -> Iterator[sa.Connection]:
    """A transaction of the user who makes the others."""
    engine = sa.create_engine(url.set(username=SUPERUSER), poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection
