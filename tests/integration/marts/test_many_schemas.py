"""Readers of marts in four schemas through 200 publishes: no query meets two sides, in whichever order it reads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ConfigError, ToolError
from sluice.ledger import builds, schema
from sluice.marts import publish as marts
from sluice.marts import restore_views
from sluice.marts.incremental import full_refresh
from sluice.marts.publish import Patience, Publication
from sluice.marts.rollback import rollback
from sluice.project.paths import project
from sluice.project.settings import Settings
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import connector_for
from tests.support import mart_reader

OTHERS = ("finance", "sales", "people")
MODELS = ("trips", *(f"{name}.trips" for name in OTHERS))  # the first is in `marts`, all have one name
TABLES = ("marts.trips", *MODELS[1:])
ROWS = 20
VERSIONS = ", ".join(f"min({each}.v), max({each}.v)" for each in "abcd")


def joined(*tables: str) -> str:
    """One query of all four."""
    return (
        f"SELECT count(*), {VERSIONS} FROM {tables[0]} a JOIN {tables[1]} b USING (n) JOIN {tables[2]} c USING (n) "
        + (f"JOIN {tables[3]} d USING (n)")
    )


READERS = (
    ("READ COMMITTED", "", joined(*TABLES)),
    ("READ COMMITTED", f"PREPARE backwards AS {joined(*reversed(TABLES))}", "EXECUTE backwards"),
    ("REPEATABLE READ", "", *(f"SELECT count(*), min(v), max(v) FROM {table}" for table in TABLES)),
)


@pytest.fixture
def warehouse(database: sa.URL) -> Iterator[Warehouse]:
    settings = Settings(project().root / "sluice.toml", "shop", Schemas(others=OTHERS, internal=("drafts",)))
    opened = connect(connector_for(database), "test", "postgres", settings=settings)
    with opened.engine.begin() as connection:
        schema.create(connection)
    yield opened
    opened.engine.dispose()


def build(warehouse: Warehouse, version: int) -> Publication:
    """Write a version of every mart to the side that is not live, each in a transaction of its own, as dbt does."""
    with warehouse.engine.begin() as connection:
        builds.hold(connection)
        side = builds.candidate(connection)
        build_id = builds.begin(connection, side, "project", [], None)
    for model in MODELS:
        table = ".".join(warehouse.schemas.table(model, side))
        with warehouse.engine.begin() as connection:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table} CASCADE"))
            connection.execute(
                sa.text(f"CREATE TABLE {table} AS SELECT n, {version} v FROM generate_series(1, {ROWS}) n")
            )
    with warehouse.engine.begin() as connection:
        builds.finish(connection, build_id, "passed")
    return Publication(side, MODELS, f"inputs {version}", build_id)


def publish(warehouse: Warehouse, version: int, patience: Patience | None = None) -> None:
    built = build(warehouse, version)
    marts.publish_marts(warehouse, built, built.build_id, patience)


def seen(warehouse: Warehouse) -> dict[str, int]:
    with warehouse.engine.connect() as connection:
        return {table: int(connection.scalar(sa.text(f"SELECT max(v) FROM {table}")) or 0) for table in TABLES}


@contextmanager
def reading(warehouse: Warehouse) -> Iterator[list[dict[str, Any]]]:
    """Keep all readers at work; afterwards, the list holds what each of them saw."""
    url = warehouse.url
    dsn = f"host={url.query.get('host') or url.host} user={url.username} dbname={url.database}"
    command = [sys.executable, str(Path(mart_reader.__file__)), dsn]
    readers = [subprocess.Popen([*command, *facts], stdout=subprocess.PIPE, text=True) for facts in READERS]
    found: list[dict[str, Any]] = []
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        yield found
    finally:
        for reader in readers:
            reader.terminate()
        found += [json.loads(reader.communicate(timeout=60)[0]) for reader in readers]


def test_all_schemas_are_published_and_rolled_back_in_one_step(warehouse: Warehouse) -> None:
    publish(warehouse, 1)
    publish(warehouse, 2)
    assert set(seen(warehouse).values()) == {2}
    rollback(warehouse)
    assert set(seen(warehouse).values()) == {1}


def test_a_model_with_a_dot_in_its_name_is_built_from_nothing_too(warehouse: Warehouse) -> None:
    built = build(warehouse, 1)
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text(f'CREATE TABLE {built.side}."eu.orders" (n int)'))
        build_id = builds.begin(connection, built.side, "project", [], None)
    full_refresh.drop(warehouse, built.side, build_id, ["eu.orders", "finance__a.trips"])
    found = sa.inspect(warehouse.engine)
    assert not found.has_table("eu.orders", schema=built.side)
    assert not found.has_table("trips", schema="finance__a")
    assert found.has_table("trips", schema="sales__a")


def test_a_table_in_the_place_of_a_view_is_named_by_the_check_and_by_the_publish(warehouse: Warehouse) -> None:
    publish(warehouse, 1)
    with warehouse.engine.begin() as connection:  # as a dbt run does that builds what readers have
        connection.execute(sa.text("DROP VIEW sales.trips; CREATE TABLE sales.trips AS SELECT 7 AS n, 7 AS v"))
    said = "sales.trips is a table, where readers should have Sluice's view: drop it or rename it"
    with warehouse.engine.begin() as connection:
        (found,) = restore_views.damage(warehouse, connection)
    assert found.startswith(said)
    with pytest.raises(ConfigError, match=f"the marts were not published: {said}"):
        publish(warehouse, 2)
    assert set(seen(warehouse).values()) == {1, 7}


def test_a_schema_that_is_no_longer_named_is_said_before_its_views_are_left_behind(warehouse: Warehouse) -> None:
    publish(warehouse, 1)
    publish(warehouse, 2)
    settings = Settings(project().root / "sluice.toml", "shop", Schemas(others=OTHERS[1:], internal=("drafts",)))
    fewer = connect(connector_for(warehouse.url), "test", "postgres", settings=settings)
    try:
        with pytest.raises(ConfigError, match=r"build 1 made finance\.trips, and \[marts\] schemas .* no longer names"):
            rollback(fewer)
        built = replace(build(warehouse, 3), models=[model for model in MODELS if "finance" not in model])
        with pytest.raises(ConfigError, match="readers have views in the schema finance, which") as refused:
            marts.publish_marts(fewer, built, built.build_id)
        assert set(seen(warehouse).values()) == {2}
        with warehouse.engine.begin() as connection:
            connection.execute(sa.text(str(refused.value).partition("any more: ")[2]))
        marts.publish_marts(fewer, built, built.build_id)
        with warehouse.engine.begin() as connection:
            assert connection.scalar(sa.text("SELECT max(v) FROM sales.trips")) == 3
    finally:
        fewer.engine.dispose()


def test_one_reader_that_holds_a_mart_of_one_schema_keeps_all_schemas_as_they_were(warehouse: Warehouse) -> None:
    publish(warehouse, 1)
    with warehouse.engine.begin() as reader:
        reader.execute(sa.text("SELECT * FROM people.trips"))
        built = build(warehouse, 2)
        with pytest.raises(ToolError, match="readers' transactions locked them"):
            marts.publish_marts(warehouse, built, built.build_id, Patience(locks=0.5, snapshots=60))
        assert set(seen(warehouse).values()) == {1}
    marts.publish_marts(warehouse, built, built.build_id)
    assert set(seen(warehouse).values()) == {2}


@pytest.mark.long
def test_readers_of_four_schemas_never_see_a_torn_or_empty_state_through_200_publishes(warehouse: Warehouse) -> None:
    publish(warehouse, 1)
    with reading(warehouse) as readers:
        for version in range(2, 202):
            publish(warehouse, version)
    assert set(seen(warehouse).values()) == {201}
    assert [error for reader in readers for error in reader["errors"]] == []
    assert {state for reader in readers for state in reader["states"]} == {f"[{ROWS}] rows, 1 versions"}
    assert min(sum(reader["states"].values()) for reader in readers) >= 200
