"""Databases with an empty ledger, made once on each server and copied for each test: half of the time of a new one."""

from __future__ import annotations

from functools import cache
from uuid import uuid4

import sqlalchemy as sa

from sluice.contract.derive.schemas import Schemas
from sluice.project.paths import project


def ledger_template(server: sa.URL) -> str:
    """The name of such a database, whose owner is the user of the address."""
    settings = project().settings  # schemas carry the project's mark
    return _make(server, settings.project_id, settings.schemas)


@cache
def _make(server: sa.URL, project_id: str, schemas: Schemas) -> str:
    from tests.integration.conftest import new_warehouse  # Prefect, which other tests do without

    name = f"ledger_{uuid4().hex[:12]}"
    administrator = server.set(username="postgres")
    engine = sa.create_engine(administrator, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} OWNER {server.username}"))
    with new_warehouse(server.set(database=name)):
        return name
