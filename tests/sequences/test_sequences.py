"""Whatever happens to a warehouse, in any order, it holds what the promises say (tests/sequences/machine.py)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import run_state_machine_as_test

from sluice.ledger import schema
from sluice.warehouse import embedded
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import connector_for
from tests.sequences.machine import SEQUENCES, Nights

STEPS = 12
QUICK = settings(
    max_examples=50, stateful_step_count=STEPS, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet,
    phases=[Phase.explicit, Phase.generate],  # a shorter one that fails would take minutes to find
)  # fmt: skip


@pytest.fixture
def machine(postgres_url: sa.URL, tmp_path: Path) -> Iterator[type[Nights]]:
    """The machine, each of whose sequences has a copy of an empty warehouse."""
    numbers, name = count(), f"sequence_{tmp_path.parent.name.replace('-', '_')}_{tmp_path.name[-8:]}".lower()
    admin = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def run(statement: str) -> None:
        with admin.connect() as connection:
            connection.execute(sa.text(statement))

    run(f'CREATE DATABASE "{name}" OWNER {embedded.OWNER}')
    # One engine for all: what SQLAlchemy has compiled is kept, which halves a sequence
    warehouse = connect(connector_for(postgres_url.set(username=embedded.OWNER, database=name)), "test", "postgres")
    copies = [name]

    @sa.event.listens_for(warehouse.engine, "do_connect")
    def reach_newest(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        parameters["dbname"] = copies[-1]

    with warehouse.engine.begin() as connection:
        schema.create(connection)
    warehouse.engine.dispose()

    def make() -> tuple[Warehouse, Callable[[], None]]:
        copy = f"{name}_{next(numbers)}"
        run(f'CREATE DATABASE "{copy}" TEMPLATE "{name}" STRATEGY file_copy OWNER {embedded.OWNER}')
        copies.append(copy)

        def drop() -> None:
            warehouse.engine.dispose()
            run(f'DROP DATABASE "{copy}" WITH (FORCE)')

        return warehouse, drop

    yield type("Nights", (Nights,), {"make": staticmethod(make), "folder": tmp_path})
    run(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_few_sequences_leave_what_was_promised(machine: type[Nights]) -> None:
    run_state_machine_as_test(machine, settings=QUICK)


def test_a_file_that_a_person_released_under_two_names_is_there_twice(machine: type[Nights]) -> None:
    nights = machine()
    try:
        nights.first_night()
        nights.rename("2021-01", "2021-02")
        nights.release("2021-02")
        nights.build()
        nights.readers_have_the_marts_that_were_published_last()
        assert nights._rows("SELECT count(*) - count(DISTINCT order_id) FROM marts.fct") == [(4,)]
    finally:
        nights.teardown()


@pytest.mark.long(minutes=10)
def test_many_sequences_leave_what_was_promised(machine: type[Nights]) -> None:
    fixed = "SEQUENCES" not in os.environ
    run_state_machine_as_test(machine, settings=settings(QUICK, max_examples=SEQUENCES, derandomize=fixed))
