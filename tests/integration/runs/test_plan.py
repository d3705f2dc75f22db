"""`sluice plan`: what a run would do, told without doing any of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.marts.dbt import run
from sluice.marts.dbt.environment import DbtPlace
from sluice.project import dbt_size, paths
from tests.support import taxi


def told(sluice, *arguments: str) -> dict[str, dict]:
    """The plan's batches by their names."""
    said = sluice("plan", "tlc__yellow_trips", *arguments, "--json")
    assert said.code == 0, said.err
    return {batch["batch"]: batch for batch in json.loads(said.out)["batches"]}


def written(engine: sa.Engine) -> dict[str, object]:
    """Everything in the database that Sluice could write: the ledger's rows, and the names of all tables."""
    with engine.connect() as connection:
        tables = "select schemaname, relname from pg_stat_user_tables order by 1, 2"
        names = [f"{schema}.{name}" for schema, name in connection.execute(sa.text(tables))]
        schemas = connection.scalars(sa.text("select nspname from pg_namespace order by 1")).all()
        ops = [name for name in names if name.startswith("ops.")]
        rows = {name: connection.execute(sa.text(f"select * from {name}")).all() for name in ops}
    return {"tables": names, "schemas": [s for s in schemas if not s.startswith("pg_")], **rows}


@pytest.mark.long
def test_a_plan_says_why_each_batch_would_be_loaded_and_writes_nothing(sluice, engine, tmp_path) -> None:
    files = ("--url", str(tmp_path / "{batch}.csv"))
    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01", 40))
    taxi.csv(tmp_path / "2019-02.csv", [*taxi.trips("2019-02", 20), *taxi.trips("2019-02", 10, passengers=0)])
    never_used = written(engine)
    first = told(sluice, *files)
    assert written(engine) == never_used
    assert [first[batch]["why"] for batch in ("2019-01", "2019-02")] == [["never loaded"]] * 2
    assert "passenger_count >= 1" in first["2019-01"]["checks"]

    assert sluice("run", "tlc__yellow_trips", *files).code == 2
    before = written(engine)
    second = told(sluice, *files)
    assert (second["2019-01"]["would"], second["2019-01"]["why"]) == ("unchanged", [])
    assert second["2019-02"]["would"] == "load"
    assert "held before: 33.33% of rows fail passenger_count >= 1" in second["2019-02"]["why"][0]
    missing = told(sluice, *files, "-b", "2019-03")
    assert missing["2019-03"]["would"] == "missing"

    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01", 41))
    [why] = told(sluice, *files, "-b", "2019-01")["2019-01"]["why"]
    assert why.startswith("file changed: size")
    shown = sluice("plan", "tlc__yellow_trips", *files)
    assert "held before" in shown.out
    assert "dbt would build" in shown.out
    assert written(engine) == before


def test_files_that_are_not_there_yet_are_no_error_and_a_dead_source_is(sluice, httpserver) -> None:
    for batch, status in (("2019-01", 404), ("2019-02", 500)):
        httpserver.expect_request(f"/{batch}.csv").respond_with_data("", status=status)
    url = httpserver.url_for("/{batch}.csv")
    assert told(sluice, "-b", "2019-01", "--url", url)["2019-01"]["would"] == "missing"
    said = sluice("plan", "tlc__yellow_trips", "-b", "2019-01", "-b", "2019-02", "--url", url)
    assert said.code == 3
    assert "tlc__yellow_trips 2019-02" in said.err
    assert "Traceback" not in said.err


def test_an_embedded_warehouse_that_was_never_used_is_not_made(sluice, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("SLUICE_WAREHOUSE")
    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01"))
    assert told(sluice, "--url", str(tmp_path / "{batch}.csv"))["2019-01"]["why"] == ["never loaded"]
    assert not (tmp_path / "home").exists()


def test_the_counted_size_of_the_dbt_project_is_the_one_in_its_manifest(postgres_url: sa.URL, tmp_path: Path) -> None:
    counted = dbt_size.of_project(tmp_path)
    assert counted.counted
    run.run_dbt(["parse"], DbtPlace(postgres_url, "dev", "postgres", tmp_path, paths.dbt_project(), paths.profiles()))
    parsed = dbt_size.of_project(tmp_path)
    assert not parsed.counted
    assert (counted.models, counted.tests) == pytest.approx((parsed.models, parsed.tests), rel=0.1)
