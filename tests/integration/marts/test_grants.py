"""Grants by hooks or `grants` of a dbt project: they name what dbt builds, and are meant for what readers read."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from sluice.marts.rollback import rollback
from tests.integration.marts.test_marts import Night, night  # noqa: F401 - a fixture


@pytest.fixture
def role(night: Night) -> Iterator[str]:  # noqa: F811
    """A role that may do nothing yet."""
    name = f"bi_{uuid4().hex[:8]}"
    with night.warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {name}"))
    yield name
    with night.warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"DROP OWNED BY {name}"))
        connection.execute(sa.text(f"DROP ROLE {name}"))


def rows(night: Night, role: str, relation: str) -> int | None:  # noqa: F811
    """How many rows the role reads there; None if it may not."""
    with night.warehouse.engine.connect() as connection:
        connection.execute(sa.text(f"SET LOCAL ROLE {role}"))
        try:
            return connection.scalar(sa.text(f"SELECT count(*) FROM {relation}"))
        except ProgrammingError:
            return None


def test_who_may_read_what_dbt_built_reads_the_marts_and_no_side(night: Night, role: str) -> None:  # noqa: F811
    night.publish()
    assert rows(night, role, "marts.zones") is None
    for _ in range(2):  # the view of readers stays as it is
        built = night.build()
        with night.warehouse.engine.begin() as connection:
            connection.execute(sa.text(f"GRANT USAGE ON SCHEMA {built.side} TO {role}"))
            connection.execute(sa.text(f"GRANT SELECT ON {built.side}.zones TO {role}"))
        night.publish(built)
        assert rows(night, role, "marts.zones") == 50
        assert rows(night, role, "marts.trips") is None
        assert [rows(night, role, f"{side}.zones") for side in ("marts__a", "marts__b")] == [None, None]
    rollback(night.warehouse)
    assert rows(night, role, "marts.zones") == 50


def test_a_view_that_is_made_again_keeps_what_was_handed_on(night: Night, role: str) -> None:  # noqa: F811
    built = night.build()
    with night.warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"GRANT USAGE ON SCHEMA {built.side} TO PUBLIC"))
        connection.execute(sa.text(f"GRANT SELECT ON {built.side}.zones TO PUBLIC"))
    night.publish(built)
    built = night.build()
    with night.warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {built.side}.zones ALTER v TYPE bigint"))
    night.publish(built)
    assert rows(night, role, "marts.zones") == 50
