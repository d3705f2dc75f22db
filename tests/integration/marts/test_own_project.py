"""A dbt project of several schemas that was not made for Sluice: published, compared, rolled back; real dbt."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from sluice.contract.errors import ConfigError
from sluice.ledger import schema
from sluice.marts import build, candidate, restore_views
from sluice.marts.own_project import prepare
from sluice.marts.rollback import rollback
from sluice.project import paths
from sluice.project.init import beside_dbt
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import connector_for
from tests.support import dbt_shop


@dataclass
class Team:
    """A dbt project with Sluice beside it, and its warehouse."""

    root: Path
    project: Path
    url: sa.URL
    opened: Warehouse | None = None

    @property
    def warehouse(self) -> Warehouse:
        if self.opened is None:
            self.opened = connect(connector_for(self.url), "test", "postgres", settings=paths.project().settings)
            with self.opened.engine.begin() as connection:
                schema.create(connection)
        return self.opened

    def settings(self, *changes: tuple[str, str]) -> None:
        text = (self.root / "sluice.toml").read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.root / "sluice.toml").write_text(text)
        self.close()

    def build(self) -> build.Built:
        with self.warehouse.lock("dbt"):
            return build.build(self.warehouse, None)

    def sql(self, text: str) -> list[sa.Row]:
        with self.warehouse.engine.begin() as connection:
            found = connection.execute(sa.text(text))
            return list(found.all()) if found.returns_rows else []

    def count(self, relation: str) -> int:
        return int(self.sql(f"SELECT count(*) FROM {relation}")[0][0])

    def close(self) -> None:
        if self.opened is not None:
            self.opened.engine.dispose()
        self.opened = None


@pytest.fixture
def team(database: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    root = tmp_path / "team"
    project = dbt_shop.make(root)
    monkeypatch.setenv("SLUICE_PROJECT", str(root))
    monkeypatch.setenv("HOME", str(tmp_path))  # dbt notes there that it gave a hint, after a parse that took long
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.text(dbt_shop.RAW))
    engine.dispose()
    beside_dbt.init(root, project, patch=True)
    made = Team(root, project, database)
    yield made
    made.close()


def test_several_schemas_are_published_and_rolled_back_together_and_snapshots_are_kept_once(team: Team) -> None:
    with pytest.raises(ConfigError) as unnamed:
        team.build()
    assert 'schemas = ["finance", "sales"]\n    internal = ["reference", "staging"]' in str(unnamed.value)
    team.settings(*dbt_shop.TOML)

    built = team.build()
    assert built.models == ("finance.fct_orders", "finance.rpt_totals", "sales.dim_customers", "sales.dim_names")
    assert not sa.inspect(team.warehouse.engine).get_view_names("finance")
    candidate.publish_passed(team.warehouse)
    assert (team.count("finance.fct_orders"), team.count("sales.dim_names")) == (40, 7)
    assert sa.inspect(team.warehouse.engine).has_table("calendar", schema="reference__a")
    assert not sa.inspect(team.warehouse.engine).has_schema("reference")

    team.sql("INSERT INTO raw.orders VALUES (41, 1, 5); UPDATE raw.customers SET name = 'new' WHERE customer_id = 1")
    team.build()
    assert (team.count("finance.fct_orders"), team.count("sales.dim_names")) == (40, 7)
    assert team.count("history.customer_names") == 8  # taken once, before the build; it has no sides
    marts = {mart.mart: mart for mart in candidate.difference(team.warehouse).marts}
    assert (marts["finance.fct_orders"].added, marts["finance.rpt_totals"].changed) == (1, 1)
    assert (marts["sales.dim_customers"].added, marts["sales.dim_customers"].removed) == (1, 1)
    candidate.publish_passed(team.warehouse)
    assert (team.count("finance.fct_orders"), team.count("sales.dim_names")) == (41, 8)

    rollback(team.warehouse)
    assert (team.count("finance.fct_orders"), team.count("sales.dim_names")) == (40, 7)
    assert team.count("history.customer_names") == 8
    team.sql("DROP VIEW sales.dim_names")
    assert restore_views.put_back(team.warehouse) == ("sales.dim_names is missing",)
    assert team.count("sales.dim_names") == 7


SINS = {
    "models/marts/finance/elsewhere.sql": "{{ config(schema='finance', database='elsewhere') }} select 1 as a",
    "models/marts/finance/fixed.sql": "{{ config(schema='finance') }} select * from finance.fct_orders -- from sales.x",
    "models/marts/finance/logged.sql": "{{ config(schema='finance', post_hook='insert into audit.log select 1') }} "
    "select 1 as a",
    "models/marts/finance/indexed.sql": "{{ config(schema='finance', post_hook=['create index on {{ this }} (a)', "
    "'{{ note(this) }}']) }} select 1 as a",
    "macros/note.sql": "{% macro note(relation) %}delete from public.notes where name = '{{ relation }}'{% endmacro %}",
    "models/marts/sales/never.sql": "{{ config(schema='sales', materialized='ephemeral') }} select 1 as a",
    "models/marts/sales/history.sql": "{{ config(schema='sales', materialized='view') }} "
    "select * from {{ ref('recent') }}",
    "models/staging/recent.sql": "select * from {{ ref('customer_names') }}",
    "models/more.yml": "sources: [{name: own, schema: sales, tables: [{name: dim_names}]}]",
    "models/marts/people/staff.sql": "{{ config(schema='people') }} select 1 as a",
}
SAID = (
    "model elsewhere is built in the database 'elsewhere'",
    "model fixed names the schema finance: write ref(...) instead",
    "the post-hook of model logged writes to audit.log, outside of the sides",
    "the post-hook of model indexed writes to public.notes, outside of the sides",
    "the hook acme-on-run-end-0 (./dbt_project.yml) writes to public.marker, outside of the sides",
    "mart never is ephemeral, so readers cannot have it",
    "mart history is a view over the snapshot customer_names",
    "source own.dim_names is in the schema sales, which this project builds",
    'schemas = ["finance", "people", "sales"]',
)


def test_a_project_that_cannot_be_published_is_refused_with_every_reason_before_anything_is_built(team: Team) -> None:
    team.settings(*dbt_shop.TOML)
    for name, text in SINS.items():
        dbt_shop.put(team.project, name, text)
    settings = dbt_shop.PROJECT.replace('"select 1"', '"create table public.marker as select 1"')
    dbt_shop.put(team.project, "dbt_project.yml", settings)
    with pytest.raises(ConfigError) as refused:
        team.build()
    lines = str(refused.value).splitlines()
    assert [said for said in SAID if not any(said in line for line in lines)] == []
    assert len(lines) == len(SAID) + 3, "\n".join(lines)  # its head, and two more lines of the last
    assert team.count("ops.builds") == 0
    assert not sa.inspect(team.warehouse.engine).get_table_names("finance__a")


def test_a_project_without_a_mart_is_refused_with_the_folders_of_its_models(team: Team) -> None:
    shutil.move(team.project / "models/marts", team.project / "models/shown")
    with pytest.raises(ConfigError, match="means no model of the project, so readers would have nothing") as refused:
        team.build()
    assert "models/shown/finance, models/shown/sales" in str(refused.value)
    assert team.count("ops.builds") == 0


@pytest.mark.long
def test_a_project_whose_macro_does_not_name_a_side_is_refused_until_the_line_is_changed(team: Team) -> None:
    team.settings(*dbt_shop.TOML)
    (team.project / "macros/sluice/schemas_of_sides.sql").unlink()
    dbt_shop.put(team.project, "macros/generate_schema_name.sql", dbt_shop.SCHEMA_NAME)
    with pytest.raises(
        ConfigError, match="which has no side: the project's generate_schema_name does not call Sluice's"
    ):
        team.build()
    assert team.count("ops.builds") == 0


@pytest.mark.long
def test_a_project_of_150_models_in_four_schemas_is_published_and_rolled_back(team: Team) -> None:
    dbt_shop.remove(team.project)
    dbt_shop.make(team.root, 150)
    beside_dbt.init(team.root, team.project, patch=True)
    every = ('schemas = ["finance", "sales", "people", "stock"]', 'internal = ["staging", "reference"]')
    team.settings(("schemas = []", every[0]), ("internal = []", every[1]))
    built = team.build()
    assert len(built.models) == 74  # of 150 models; 4 of them are those of the small project
    candidate.publish_passed(team.warehouse)
    views = {area: len(sa.inspect(team.warehouse.engine).get_view_names(area)) for area in dbt_shop.AREAS}
    assert sum(views.values()) == len(built.models)
    assert min(views.values()) >= 16
    team.sql("INSERT INTO raw.orders VALUES (41, 1, 500)")
    team.build()
    candidate.publish_passed(team.warehouse)
    assert {team.count(f"{area}.{model}") for area, model in (name.split(".") for name in built.models[4:6])} == {41}
    rollback(team.warehouse)
    assert team.count("finance.fct_orders") == 40


def test_sources_that_dbt_may_not_read_are_refused_with_what_lets_it(team: Team) -> None:
    team.settings(*dbt_shop.TOML)
    role = f"dbt_{uuid4().hex[:8]}"
    team.sql(f"CREATE ROLE {role}; GRANT SELECT ON raw.customers TO {role}")
    transformer = sa.create_engine(team.url.update_query_dict({"options": f"-c role={role}"}))
    try:
        with pytest.raises(ConfigError) as closed:
            prepare.prepare(replace(team.warehouse, transformer=transformer))
        grants = f"GRANT USAGE ON SCHEMA raw TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA raw TO {role}"
        assert f"2 sources in the schema raw cannot be read by dbt's user, which is {role}" in str(closed.value)
        assert grants in str(closed.value)
        team.sql(grants)
        assert prepare.prepare(replace(team.warehouse, transformer=transformer)).snapshots == ("history",)
    finally:
        transformer.dispose()
        team.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
