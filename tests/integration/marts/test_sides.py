"""The two sides over many nights, with real dbt on a tiny project: what is built from nothing, what is compared, what
a failed night leaves to readers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.contract.derive.schemas import DEFAULT
from sluice.contract.errors import DataError, ToolError
from sluice.ledger import builds, tables
from sluice.ledger import schema as ledger_tables
from sluice.marts import build, candidate, freshness
from sluice.marts.rollback import rollback
from sluice.project import paths
from sluice.warehouse.connection import connect
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import connector_for
from tests.support.repository import ROOT

MACROS = ROOT / "dbt_project" / "macros" / "sluice"
PROJECT = """
name: sluice
profile: sluice
flags:
  send_anonymous_usage_stats: false
  warn_error_options: {error: [Deprecations, NoNodesForSelectionCriteria]}
  state_modified_compare_more_unrendered_values: true
"""
LOADS = """
{{ config(materialized='table') }}
select load_id as _load_id, dataset as _dataset, batch as _batch from ops.batches where status = 'published'
"""
TRIPS = """
{{ config(**incremental_by_load('int_loads')) }}
select
    trip_id, {{ priced('fare') }} as fare_usd, tip as tip_usd, _dataset, _batch, _load_id
from public.raw_trips
where {{ of_due_batches('int_loads') }}
"""
PRICED = "{% macro priced(column) %}cast({{ column }} * 1 as numeric(10, 2)){% endmacro %}"
RAW = """
sources:
  - name: raw
    schema: public
    tables: [{name: raw_trips, config: {freshness: {warn_after: {count: 1, period: day}}}}]
"""
MODELS = """
models:
  - name: int_loads
    columns: [{name: _load_id, data_tests: [not_null]}]
  - name: fct_trips
    description: Trips.
    columns: [{name: trip_id, data_tests: [unique, not_null]}, {name: fare_usd, data_tests: [not_null]}]
  - name: dim_days
    columns: [{name: day, data_tests: [unique]}]
"""


class Nights:
    """A warehouse, a dbt project of three models, and nights that change either."""

    def __init__(self, warehouse: Warehouse, project: Path) -> None:
        self.warehouse, self.project = warehouse, project

    def write(self, path: str, text: str) -> None:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.strip() + "\n")

    def load(self, batch: str, fares: list[float | None], tip: float = 1) -> None:
        """Publish a batch of trips; in the place of an older load of it."""
        with self.warehouse.engine.begin() as connection:
            self._withdraw(connection, batch)
            facts = {"address": "test", "bytes": 1, "sha256": "0", "contract_version": "1"}
            rows = {"rows_read": 0, "rows_accepted": 0, "rows_rejected": 0}
            load = tables.batches.insert().values(dataset="d", batch=batch, status="published", **facts, **rows)
            load_id = connection.scalar(load.returning(tables.batches.c.load_id))
            table = sa.table("raw_trips", *map(sa.column, ("trip_id", "fare", "tip", "_dataset", "_batch", "_load_id")))
            trips = [(f"{batch}/{n}", fare, tip, "d", batch, load_id) for n, fare in enumerate(fares)]
            connection.execute(table.insert(), [dict(zip(table.c.keys(), trip, strict=True)) for trip in trips])

    def withdraw(self, batch: str) -> None:
        with self.warehouse.engine.begin() as connection:
            self._withdraw(connection, batch)

    def _withdraw(self, connection: sa.Connection, batch: str) -> None:
        of_batch = tables.batches.c.batch == batch
        connection.execute(tables.batches.update().where(of_batch).values(status="superseded"))
        connection.execute(sa.text("DELETE FROM raw_trips WHERE _batch = :batch"), {"batch": batch})

    def night(self) -> build.Built:
        """What the nightly flow does, when anything is due."""
        assert build.due(self.warehouse)
        with self.warehouse.lock("dbt"):
            built = build.build(self.warehouse, "a run")
            candidate.publish(self.warehouse, built, "a run")
        assert not build.due(self.warehouse)
        return built

    def fares(self, schema: str = "marts") -> dict[str, list[float]]:
        """Fares by batch."""
        query = "SELECT _batch, array_agg(fare_usd ORDER BY trip_id) FROM {}.fct_trips GROUP BY _batch"
        with self.warehouse.engine.connect() as connection:
            rows = connection.execute(sa.text(query.format(schema))).tuples()
            return {batch: [float(fare) for fare in fares] for batch, fares in rows}

    def refreshed(self) -> list[str]:
        with self.warehouse.engine.begin() as connection:
            last = builds.newest(connection)
        assert last is not None
        return list(last.refreshed)


@pytest.fixture
def nights(database: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nights]:
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(paths, "dbt_project", lambda: tmp_path / "project")
    warehouse = connect(connector_for(database), "test", "postgres")
    with warehouse.engine.begin() as connection:
        ledger_tables.create(connection)
        columns = "trip_id text, fare numeric, tip numeric, _dataset text, _batch text, _load_id bigint"
        connection.execute(sa.text(f"CREATE TABLE public.raw_trips ({columns})"))
    made = Nights(warehouse, tmp_path / "project")
    shutil.copytree(MACROS / "incremental", made.project / "macros" / "incremental")
    for macro in ("generate_schema_name.sql", "tests/not_null.sql"):
        shutil.copy(MACROS / macro, made.project / "macros")
    made.write("dbt_project.yml", PROJECT)
    made.write("macros/priced.sql", PRICED)
    made.write("models/int_loads.sql", LOADS)
    made.write("models/marts/fct_trips.sql", TRIPS)
    made.write("models/marts/dim_days.sql", "{{ config(materialized='table') }}\nselect 1 as day, 5 as length_hours")
    made.write("models/models.yml", MODELS)
    yield made
    warehouse.engine.dispose()


@pytest.mark.long
def test_two_nights_after_a_change_of_logic_both_sides_have_it_and_no_other_night_builds_from_nothing(
    nights: Nights,
) -> None:
    nights.write("models/raw.yml", RAW)
    nights.write("models/marts/fct_trips.sql", TRIPS.replace("public.raw_trips", "{{ source('raw', 'raw_trips') }}"))
    nights.load("2019-01", [1, 2])
    nights.night()
    assert nights.refreshed() == ["all"]  # nothing is known of the side
    nights.load("2019-02", [3])
    nights.night()
    nights.load("2019-03", [4])
    nights.night()
    assert nights.refreshed() == []
    assert nights.fares() == {"2019-01": [1, 2], "2019-02": [3], "2019-03": [4]}

    nights.write("macros/priced.sql", PRICED.replace("* 1", "* 10"))  # the model's own file stays as it is
    nights.load("2019-02", [5, 6])  # and a batch is replaced, another withdrawn
    nights.withdraw("2019-03")
    nights.night()
    assert nights.refreshed() == ["fct_trips"]
    wanted = {"2019-01": [10, 20], "2019-02": [50, 60]}
    assert nights.fares() == wanted
    nights.load("2019-04", [7])
    nights.night()
    assert nights.refreshed() == ["fct_trips"]  # this side's own turn
    assert nights.fares() == wanted | {"2019-04": [70]}
    assert [{**nights.fares(side), "2019-04": [70]} for side in DEFAULT.sides] == [nights.fares(), nights.fares()]

    nights.write("models/models.yml", MODELS.replace("Trips.", "Trips, described better."))
    nights.write("models/raw.yml", RAW.replace("count: 1", "count: 2"))
    nights.night()
    assert nights.refreshed() == []  # words change no row, nor does how fresh a source is to be
    assert nights.fares() == wanted | {"2019-04": [70]}


@pytest.mark.long
def test_a_failed_night_leaves_the_old_marts_and_no_trace_of_its_logic_in_a_later_one(nights: Nights) -> None:
    nights.load("2019-01", [1, 2])
    nights.night()
    nights.load("2019-02", [3])
    nights.night()
    before = nights.fares()

    nights.write("macros/priced.sql", PRICED.replace("* 1", "* 10"))
    nights.load("2019-03", [None, 5])
    with pytest.raises(DataError) as caught:
        nights.night()
    message = str(caught.value)
    assert "not_null_fct_trips_fare_usd: 1 failing row" in message
    assert "trip_id=2019-03/0" in message
    assert "Readers keep the old marts; the candidate is in marts__a" in message
    assert nights.fares() == before
    with nights.warehouse.engine.connect() as connection:
        failing = sa.text("SELECT failures FROM ops.dbt_results WHERE status = 'fail'")
        assert connection.scalars(failing).all() == [1]
        assert connection.scalar(sa.text("SELECT count(*) FROM marts__a.fct_trips WHERE fare_usd IS NULL")) == 1

    nights.write("macros/priced.sql", PRICED)  # taken back: marts__a still has rows of the failed logic
    nights.load("2019-03", [4, 5])
    nights.night()
    assert nights.refreshed() == ["fct_trips"]
    assert nights.fares() == before | {"2019-03": [4, 5]}

    nights.write("models/int_loads.sql", "select * from {{ ref('nothing') }}")
    with pytest.raises(ToolError, match="nothing"):
        nights.night()
    nights.write("models/int_loads.sql", LOADS)
    with nights.warehouse.engine.begin() as connection:  # dbt did not run, so the side is as it was
        assert [row.status for row in [builds.newest(connection)] if row] == ["not run"]
    rollback(nights.warehouse)
    assert nights.fares() == before
    nights.load("2019-04", [6])
    nights.night()
    assert nights.fares() == before | {"2019-03": [4, 5], "2019-04": [6]}


@pytest.mark.long
def test_old_is_compared_with_new_before_the_publish_in_the_batches_that_differ(nights: Nights) -> None:
    nights.load("2019-01", [1, 2])
    nights.load("2019-02", [3, 3])
    nights.night()
    nights.load("2019-02", [3, 4, 5], tip=2)
    nights.load("2019-03", [7])
    built = nights.night()
    (told,) = (str(mart) for mart in built.compared if mart.mart == "fct_trips")
    assert told == (
        "fct_trips in d 2019-02, d 2019-03: 2 rows before, 4 now; keys +2 -0; "
        "total fare_usd in d 2019-02: 6.00 before, 12.00 now; total tip_usd in d 2019-02: 2 before, 6 now"
    )
    query = sa.select(tables.comparisons).where(tables.comparisons.c.build_id == built.build_id)
    with nights.warehouse.engine.connect() as connection:
        rows = connection.execute(query).all()
        measures = {(r.mart, r.batch, r.measure, r.column_name): (r.old, r.new) for r in rows}
        live = builds.live(connection)
    assert live is not None
    assert measures["fct_trips", "d 2019-02", "rows", ""] == (2, 3)
    assert measures["fct_trips", "d 2019-02", "keys added", ""] == (None, 1)
    assert measures["fct_trips", "d 2019-03", "rows", ""] == (None, 1)
    assert measures["fct_trips", "d 2019-02", "null share", "tip_usd"] == (0, 0)
    assert measures["dim_days", "", "keys removed", ""] == (None, 0)
    assert not any(batch == "d 2019-01" for _, batch, _, _ in measures)  # the same load, not read

    # a column retyped and another gone: told as far as old and new can be compared
    nights.write(
        "models/marts/dim_days.sql", "{{ config(materialized='table') }}\nselect '1' as day, '6' as length_hours"
    )
    built = nights.night()
    assert "dim_days: 1 row before, 1 now" in map(str, built.compared), "no key can be compared"


SOURCES = """
sources:
  - name: raw
    schema: public
    tables:
      - name: d
        identifier: delivered
        config: {loaded_at_field: at, freshness: {warn_after: {count: 1, period: day}}}
      - name: never_loaded
        identifier: empty
        config: {loaded_at_field: at, freshness: {error_after: {count: 1, period: day}}}
"""


def test_a_stale_source_is_told_with_its_age_kept_and_stops_nothing(nights: Nights) -> None:
    nights.write("models/sources.yml", SOURCES)
    with nights.warehouse.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE public.delivered AS SELECT now() - interval '50 hours' AS at"))
        connection.execute(sa.text("CREATE TABLE public.empty (at timestamptz)"))
    nights.load("2019-01", [1])
    (told,) = freshness.stale(nights.warehouse, "a run")
    assert (told.dataset_id, told.late) == ("d", "warn")
    assert "50.0 hours old, past the contract's warn_after" in str(told)
    with nights.warehouse.engine.connect() as connection:
        kept = connection.execute(sa.text("SELECT unique_id, status, message FROM ops.dbt_results")).all()
    ages = {row.unique_id: row for row in kept if row.unique_id.startswith("source.")}
    assert ages["source.sluice.raw.d"].status == "warn"
    assert ages["source.sluice.raw.never_loaded"][1:] == ("skipped", "no rows have been loaded")
    nights.night()


def test_a_source_that_has_data_and_that_dbt_skips_is_not_taken_for_a_fresh_one(nights: Nights) -> None:
    nights.write("models/sources.yml", SOURCES)
    nights.load("2019-01", [1])
    with nights.warehouse.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE public.delivered (at timestamptz)"))
        connection.execute(sa.text("CREATE TABLE public.empty (at timestamptz)"))
    with pytest.raises(ToolError, match="dbt skipped d; see "):
        freshness.stale(nights.warehouse, "a run")
