"""Faults: what is killed, stopped, cut off or overtaken, and what readers, the ledger and the owners see of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from sluice.ledger import schema
from sluice.warehouse.connection import connect
from tests.integration.conftest import connector_for, deliver, engine, rows, sluice, warehouse  # noqa: F401
from tests.integration.marts.test_marts import Night
from tests.integration.marts.test_sides import nights  # noqa: F401


@pytest.fixture
def night(database: sa.URL) -> Iterator[Night]:
    """Nights without dbt: two small marts on each side that say which version they are."""
    opened = connect(connector_for(database), "test", "postgres")
    with opened.engine.begin() as connection:
        schema.create(connection)
    yield Night(opened)
    opened.engine.dispose()
