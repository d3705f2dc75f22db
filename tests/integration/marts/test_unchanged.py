"""A side that builds what changed has what a build of everything would give it, whatever happened before."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.contract.errors import DataError, SluiceError
from sluice.ledger import schema as ledger_tables
from sluice.ledger import tables
from sluice.marts import build, candidate
from sluice.marts.rollback import rollback
from sluice.marts.unchanged import steady, surroundings
from sluice.project import paths
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import connector_for
from tests.integration.marts.test_sides import MACROS, PROJECT

SOURCES = """
sources:
  - name: raw
    schema: staging
    tables: [{name: a}, {name: b}]
"""
FCT_A = """
{{ config(materialized='table') }}
select id, value * FACTOR * {{ var('times') }} as value from {{ ref('eph_a') }}
"""
MODELS = {
    "models/sources.yml": SOURCES,
    "models/stg_a.sql": "select id, value from {{ source('raw', 'a') }}",
    "models/stg_b.sql": "select id, value from {{ source('raw', 'b') }}",
    "models/eph_a.sql": "{{ config(materialized='ephemeral') }}\nselect id, value from {{ ref('stg_a') }}",
    "models/marts/fct_b.sql": "{{ config(materialized='table') }}\n"
    "select id, {{ doubled('value') }} as value from {{ ref('stg_b') }}",
    "models/marts/fct_both.sql": "{{ config(materialized='table') }}\nselect 'a' as name, sum(value) as total"
    " from {{ ref('fct_a') }} union all select 'b', sum(value) from {{ ref('fct_b') }}",
    "models/marts/dim_seen.sql": "{{ config(materialized='table') }}\nselect now() as at",
    "macros/doubled.sql": "{% macro doubled(column) %}({{ column }} * 2){% endmacro %}",
    "models/models.yml": """
models:
  - name: fct_a
    columns:
      - name: value
        data_tests:
          - not_null
          - accepted_values:
              arguments: {values: [1, 2, 3, 10, 20, 30], quote: false}
              config: {severity: warn}
  - name: fct_b
    columns: [{name: id, data_tests: [unique, not_null]}, {name: value, data_tests: [not_null]}]
unit_tests:
  - name: b_is_doubled
    model: fct_b
    given: [{input: ref('stg_b'), rows: [{id: 1, value: 2}]}]
    expect: {rows: [{id: 1, value: 4}]}
""",
}
WARNING = "warning dbt accepted_values_fct_a_value__False__1__2__3__10__20__30"


class Shop:
    """A warehouse of two datasets, a dbt project over them, and what its marts must hold."""

    def __init__(self, warehouse: Warehouse, project: Path) -> None:
        self.warehouse, self.project, self.factor, self.times = warehouse, project, 1, 1

    def write(self, path: str, text: str) -> None:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.strip() + "\n")

    def use(self, factor: int) -> None:
        self.factor = factor
        self.write("models/marts/fct_a.sql", FCT_A.replace("FACTOR", str(factor)))

    def set(self, times: int) -> None:
        """Give a variable of the project a value. No file of a model changes."""
        self.times = times
        self.write("dbt_project.yml", f"{PROJECT}\nvars: {{times: {times}}}")

    def deliver(self, dataset: str, batch: str, values: list[int | None]) -> None:
        """Publish a batch, in the place of an older load of it."""
        with self.warehouse.engine.begin() as connection:
            old = (tables.batches.c.batch == batch) & (tables.batches.c.dataset == dataset)
            connection.execute(tables.batches.update().where(old).values(status="superseded"))
            facts = {"address": "test", "bytes": 1, "sha256": "0", "contract_version": "1"}
            rows = {"rows_read": 0, "rows_accepted": 0, "rows_rejected": 0}
            load = tables.batches.insert().values(dataset=dataset, batch=batch, status="published", **facts, **rows)
            connection.execute(load)
            connection.execute(sa.text(f"DELETE FROM staging.{dataset} WHERE batch = :batch"), {"batch": batch})
            new = [{"id": f"{batch}/{n}", "value": value, "batch": batch} for n, value in enumerate(values)]
            connection.execute(sa.text(f"INSERT INTO staging.{dataset} VALUES (:id, :value, :batch)"), new)

    def night(self, changed: bool = True) -> build.Built:
        with self.warehouse.lock("dbt"):
            built = build.build(self.warehouse, "a run", changed=changed)
            candidate.publish(self.warehouse, built, "a run")
        return built

    def ran(self, built: build.Built) -> set[str]:
        """Nodes that dbt ran, by name; the others were left as they were."""
        left = ("(unchanged since", "(measured")
        return {node.name for node in built.run.nodes if not any(word in node.message for word in left)}

    def contents(self) -> dict[str, list[str]]:
        """All rows of all relations of the side that readers have; but for the model that reads the clock."""
        newest = sa.select(tables.publications.c.side).order_by(tables.publications.c.publication_id.desc()).limit(1)
        there = (
            "select table_name from information_schema.tables where table_schema = :side and table_name <> 'dim_seen'"
        )
        with self.warehouse.engine.connect() as connection:
            side = connection.scalar(newest)
            names = connection.scalars(sa.text(there), {"side": side}).all()
            assert {"stg_a", "fct_a", "fct_b", "fct_both"} <= {*names}
            rows = {name: connection.execute(sa.text(f"select * from {side}.{name}")).all() for name in names}
        return {name: sorted(map(repr, found)) for name, found in rows.items()}

    def check(self) -> None:
        """Readers have what staging says, and the warning is open if, and only if, there is something to warn of."""
        with self.warehouse.engine.connect() as connection:

            def rows(query: str) -> list[tuple[object, ...]]:
                return sorted(map(tuple, connection.execute(sa.text(query)).all()), key=repr)

            a, b = f"value * {self.factor * self.times}", "value * 2"
            assert rows("select id, value from marts.fct_a") == rows(f"select id, {a} from staging.a")
            assert rows("select id, value from marts.fct_b") == rows(f"select id, {b} from staging.b")
            both = f"select 'a', sum({a}) from staging.a union all select 'b', sum({b}) from staging.b"
            assert rows("select name, total from marts.fct_both") == rows(both)
            odd = rows(f"select 1 from staging.a where {a} not in (1, 2, 3, 10, 20, 30)")
            found = connection.scalars(sa.text("select subject from ops.incidents where resolved_at is null")).all()
            assert (WARNING in found) == bool(odd)


@pytest.fixture
def shop(database: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(paths, "dbt_project", lambda: tmp_path / "project")
    monkeypatch.setattr(surroundings, "contracts", lambda: {"a": None, "b": None})
    warehouse = connect(connector_for(database), "test", "postgres")
    with warehouse.engine.begin() as connection:
        ledger_tables.create(connection)
        for name in ("a", "b"):
            connection.execute(sa.text(f"CREATE TABLE staging.{name} (id text, value int, batch text)"))
    made = Shop(warehouse, tmp_path / "project")
    (made.project / "macros").mkdir(parents=True)
    shutil.copy(MACROS / "generate_schema_name.sql", made.project / "macros")
    made.set(1)
    for path, text in MODELS.items():
        made.write(path, text)
    made.use(1)
    made.deliver("a", "1", [1, 2])
    made.deliver("b", "1", [3])
    yield made
    warehouse.engine.dispose()


@pytest.mark.long
def test_each_side_builds_and_tests_what_changed_and_has_all_the_rest(shop: Shop) -> None:
    clock = {"dim_seen"}
    for _ in "ab":
        assert "fct_b" in shop.ran(shop.night())  # nothing is known of the side
        shop.check()
    shop.deliver("a", "2", [7])  # which only warns
    of_a = {"stg_a", "fct_a", "fct_both", "not_null_fct_a_value", WARNING.removeprefix("warning dbt ")}
    for _ in "ab":
        assert shop.ran(shop.night()) == clock | of_a
        shop.check()
    built = shop.night()  # the side is as it would be built
    assert shop.ran(built) == clock
    shop.check()  # and the warning that is carried over keeps its incident open
    [warned] = built.run.warned
    assert "1 failing row (measured 20" in warned.message

    shop.write("macros/doubled.sql", MODELS["macros/doubled.sql"].replace("* 2", "+ 0"))
    with pytest.raises(SluiceError, match="b_is_doubled"):
        shop.night()
    shop.write("macros/doubled.sql", MODELS["macros/doubled.sql"])
    shop.deliver("b", "2", [None])
    for _ in range(2):  # a failure is never carried over
        with pytest.raises(DataError, match="not_null_fct_b_value"):
            shop.night()
    shop.deliver("b", "2", [4])
    shop.night()
    shop.check()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(int(os.environ.get("SLUICE_SEQUENCES", "12"))))
def test_any_sequence_of_nights_gives_what_a_build_of_everything_gives(
    shop: Shop, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for _ in range(8):
        what = chance.choice(
            ["deliver", "deliver", "correct", "edit", "variable", "fail", "kill", "rollback", "nothing"]
        )
        if what in ("deliver", "correct", "kill"):
            batch = str(chance.randint(1, 9)) if what == "deliver" else "1"
            shop.deliver(chance.choice("ab"), batch, [chance.randint(1, 5) for _ in range(3)])
        elif what == "edit":
            shop.use(chance.choice([1, 2, 10]))
        elif what == "variable":
            shop.set(chance.choice([1, 2, 10]))
        elif what == "rollback":
            try:
                rollback(shop.warehouse)
            except SluiceError:
                continue  # there is nothing to go back to
        elif what == "fail":
            shop.deliver("b", "1", [None])
            with pytest.raises(DataError):
                shop.night()
            shop.deliver("b", "1", [1])
        if what == "kill":
            where = chance.choice(["_run", "_record"])  # before dbt, or after its commits and before the records
            with monkeypatch.context() as patch:
                patch.setattr(build, where, killed)
                with pytest.raises(KeyboardInterrupt):
                    shop.night()
        shop.night()
        shop.check()
    before = shop.contents()
    shop.night(changed=False)
    assert shop.contents() == before


@pytest.mark.parametrize(
    ("query", "proven"),
    [
        ("select id from marts__a.fct_a", True),
        ("with x as (select 1 as id) select * from x", True),
        ("select date_trunc('day', at) from marts__a.fct_a", True),
        ("select now() from marts__a.fct_a", False),
        ("select current_date - day from marts__a.fct_a", False),
        ("select 'today'::date from marts__a.fct_a", False),
        ("select my_function(id) from marts__a.fct_a", False),
        ("select * from public.other", False),
        ("select * from other", False),
        ("select * from marts__a.fct_a where id in (select id from ops.batches)", False),
        ("select random() from marts__a.fct_a", False),
        ("select (", False),
    ],
)
def test_a_query_is_steady_only_if_it_reads_nothing_unseen(query: str, proven: bool) -> None:
    assert steady.proves(query, ["marts__a.fct_a"], {"my_function"}) is proven


def test_a_variable_and_what_a_packages_macro_reads_from_the_environment_build_what_uses_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write("packages.yml", "packages: [{local: other}]")
    shop.write("dbt_packages/other/dbt_project.yml", "name: other\nversion: 1.0.0\nconfig-version: 2")
    shop.write(
        "dbt_packages/other/macros/m.sql", "{% macro added() %}+ {{ env_var('OF_A_PACKAGE', '0') }}{% endmacro %}"
    )
    shop.write("models/marts/fct_c.sql", "{{ config(materialized='table') }}\nselect 1 {{ other.added() }} as value")
    for _ in "ab":
        shop.night()
    built = shop.night()
    assert shop.ran(built) == {"dim_seen"}
    with shop.warehouse.engine.connect() as connection:  # what is carried over is dated when it was measured
        kept = tables.dbt_results
        of_it = sa.select(kept.c.unique_id).where(
            kept.c.invocation_id == built.run.invocation_id, kept.c.measured_at.is_(None)
        )
        assert [each.rpartition(".")[2] for each in connection.scalars(of_it)] == ["dim_seen"]
    shop.set(2)
    assert "fct_a" in shop.ran(shop.night())
    shop.check()
    shop.night()
    assert shop.ran(shop.night()) == {"dim_seen"}
    monkeypatch.setenv("OF_A_PACKAGE", "5")
    assert "fct_c" in shop.ran(shop.night())
    with shop.warehouse.engine.connect() as connection:
        assert connection.scalar(sa.text("select value from marts.fct_c")) == 6


@pytest.mark.parametrize(
    "text",
    [
        "{{ run_started_at }}",
        "{% set x = run_query('select 1') %}",
        "{{ invocation_id }}",
        "{{ env_var(name) }}",
        "{{ env_var('A' ~ b) }}",
    ],
)
def test_a_model_that_asks_for_what_is_in_no_file_is_built_every_night(text: str) -> None:
    node = {"resource_type": "model", "config": {"materialized": "table"}, "depends_on": {"macros": ["macro.p.m"]}}
    macro = {"package_name": "p", "original_file_path": "macros/m.sql", "depends_on": {"macros": []}}
    assert steady.may_be({**node, "raw_code": "select 1"}, {"macro.p.m": {**macro, "macro_sql": "1"}})
    assert not steady.may_be({**node, "raw_code": text}, {"macro.p.m": {**macro, "macro_sql": "1"}})
    assert not steady.may_be({**node, "raw_code": "select 1"}, {"macro.p.m": {**macro, "macro_sql": text}})


def test_a_project_that_is_fetched_into_another_folder_has_the_same_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name in ("monday", "tuesday"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "dbt_project.yml").write_text("name: shop\nvars: {times: 1}\n")
        monkeypatch.setattr(paths, "dbt_project", lambda folder=folder: folder)
        found.append(surroundings._configuration())
    assert found[0] == found[1]
    assert "times" in found[0]["dbt_project.yml"]
