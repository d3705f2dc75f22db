"""Whose the schemas of a database are: made and marked, adopted, refused; and their names in sluice.toml."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from prefect_sqlalchemy import SqlAlchemyConnector

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import BusyError, ConfigError
from sluice.doctor import database as doctor
from sluice.ledger import schema
from sluice.project.paths import project
from sluice.project.settings import Settings
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import connector_for
from tests.support.pooler import pooled

SHOP, BANK = Schemas(), Schemas(staging="bank_raw", quarantine="bank_bad", ops="bank_ops", marts="bank")


def settings(name: str, schemas: Schemas = SHOP) -> Settings:
    return Settings(project().root / "sluice.toml", name, schemas)


def opened(url: sa.URL, of: Settings, readonly: bool = False) -> Warehouse:
    connector: SqlAlchemyConnector = connector_for(url)
    return connect(connector, "test", "postgres", readonly, of)


def schemas(url: sa.URL) -> dict[str, str | None]:
    """Every schema of the database that is not PostgreSQL's, with its comment."""
    query = "select nspname, obj_description(oid) from pg_namespace where nspname !~ '^pg_|^information_schema|^public'"
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        return dict(connection.execute(sa.text(query)).tuples().all())


def run(url: sa.URL, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def test_schemas_that_are_missing_are_made_and_marked_as_the_project_s(database) -> None:
    opened(database, settings("shop"))
    mark = "Made by Sluice for project shop"
    assert schemas(database) == dict.fromkeys(SHOP.all, mark)
    opened(database, settings("shop"))  # and then they are its own


def test_a_schema_with_another_project_s_mark_is_refused_before_anything_is_written(database) -> None:
    opened(database, settings("shop"))
    before = schemas(database)
    for readonly in (False, True):
        with pytest.raises(ConfigError) as refused:
            opened(database, settings("bank"), readonly)
        assert "belongs to the Sluice project 'shop'; this is 'bank'" in str(refused.value)
        assert 'staging = "bank_staging" under [schemas]' in str(refused.value)
    assert schemas(database) == before


def test_a_schema_that_holds_objects_of_others_is_refused_before_anything_is_written(database) -> None:
    run(database, "create schema staging", "create table staging.customers (id int)")
    with pytest.raises(ConfigError) as refused:
        opened(database, settings("shop"))
    assert "holds objects that Sluice did not make (customers)" in str(refused.value)
    assert set(schemas(database)) == {"staging"}
    run(database, "comment on schema staging is 'Made by Sluice for project shop'")  # as the message says
    assert opened(database, settings("shop")).schemas == SHOP


def test_an_empty_schema_that_somebody_made_for_sluice_is_taken(database) -> None:
    run(database, "create schema staging")
    opened(database, settings("shop"))
    assert schemas(database)["staging"] == "Made by Sluice for project shop"


def test_a_warehouse_from_before_there_were_marks_is_adopted_and_keeps_its_locks(database) -> None:
    run(database, *(f"create schema {name}" for name in SHOP.all), "create table marts__a.fct_sales (id int)")
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        schema.create(connection)
    looked = opened(database, settings("shop"), readonly=True)
    assert set(schemas(database).values()) == {None}  # who only looks marks nothing
    adopted = opened(database, settings("shop"))
    assert set(schemas(database).values()) == {"Made by Sluice for project shop, adopted"}
    again = opened(database, settings("shop"))
    with engine.connect() as older:
        older.execute(sa.text("select pg_advisory_lock(hashtextextended('sluice:dbt', 0))"))
        for warehouse in (looked, adopted, again):
            with pytest.raises(BusyError), warehouse.lock("dbt"):
                pass
    with pytest.raises(ConfigError, match="belongs to the Sluice project 'shop'"):
        opened(database, settings("bank"))


def test_two_projects_in_one_database_have_locks_and_ledgers_of_their_own(database) -> None:
    shop, bank = opened(database, settings("shop")), opened(database, settings("bank", BANK))
    for warehouse in (shop, bank):
        with warehouse.engine.begin() as connection:
            schema.create(connection)
    with shop.lock("dbt"), bank.lock("dbt"), pytest.raises(BusyError), opened(database, settings("shop")).lock("dbt"):
        pass
    assert {name for name, mark in schemas(database).items() if mark and mark.endswith("bank")} == set(BANK.all)
    with sa.create_engine(database).connect() as connection:
        tables = {each: set(sa.inspect(connection).get_table_names(each)) for each in ("ops", "bank_ops")}
    assert tables["ops"] == tables["bank_ops"] >= {"batches", "incidents", "outbox", "builds", "publications"}


@pytest.mark.usefixtures("durable")
def test_a_pooler_that_shares_sessions_between_transactions_is_refused_before_anything_is_written(database) -> None:
    with pooled(database) as pooler:
        with pytest.raises(ConfigError) as refused:
            opened(pooler.url, settings("shop"))
        assert "a pooler that shares sessions between transactions" in str(refused.value)
        assert "pool_mode = session" in str(refused.value)
        assert schemas(database) == {}
        looked = opened(pooler.url, settings("shop"), readonly=True)  # one who only shows something needs no locks
        said = [finding for finding in doctor.settings(looked) if finding.verdict == "fail"]
        assert [finding.exit_code for finding in said] == [5]
        looked.engine.dispose()
