"""`sluice run` as a user calls it: through a connector block, a Prefect server, dbt, to the marts."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from pytest_httpserver import HTTPServer

from sluice.contract.gate import Decision
from sluice.ledger import loads, schema
from sluice.project.datasets import contract_for
from sluice.project.paths import project
from sluice.runs import logs, progress
from sluice.warehouse.connection import open_warehouse
from tests.integration.conftest import connector_for
from tests.support import taxi
from tests.support.repository import ROOT

LOCK = sa.text("select pg_advisory_lock(hashtextextended(:name, 0))")


def everything(engine: sa.Engine) -> dict[str, int]:
    """Rows of every table a reader or an auditor looks at."""
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        schemas = [s for s in ("staging", "quarantine", "marts") if s in inspector.get_schema_names()]
        tables = [(s, t) for s in schemas for t in [*inspector.get_table_names(s), *inspector.get_view_names(s)]]
        return {
            f"{s}.{t}": connection.scalar(sa.select(sa.func.count()).select_from(sa.table(t, schema=s)))
            for s, t in tables
        }


def test_a_month_goes_from_file_to_published_marts_and_again_finds_nothing_new(sluice, engine, tmp_path) -> None:
    taxi.csv(tmp_path / "2019-01.csv.gz", [*taxi.trips("2019-01", 50), *taxi.trips("2019-01", 1, passengers=0)])
    arguments = ("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv.gz"))

    first = sluice(*arguments)
    assert first.code == 0, first.err
    assert "published" in first.out
    assert "fct_trips in tlc__yellow_trips 2019-01: new mart, 50 now" in first.out
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from marts.fct_trips")) == 50
        ledger = connection.execute(sa.text("select * from ops.batches")).all()
        nodes = connection.scalar(sa.text("select count(*) from ops.dbt_results"))
        uncounted = "select unique_id from ops.dbt_results where resource_type = 'test' and failures is null"
        assert connection.scalars(sa.text(uncounted)).all() == []
        publications = connection.scalar(sa.text("select count(*) from ops.publications"))

    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "2019-01.csv.gz").write_bytes((tmp_path / "2019-01.csv.gz").read_bytes())
    again = sluice(*arguments)
    the_same_bytes = sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "copy" / "{batch}.csv.gz"))
    for second in (again, the_same_bytes):
        assert second.code == 0, second.err
        assert "Nothing new: 1 batch checked" in second.out
    with engine.connect() as connection:
        assert connection.execute(sa.text("select * from ops.batches")).all() == ledger
        assert connection.scalar(sa.text("select count(*) from ops.dbt_results")) == nodes
        assert connection.scalar(sa.text("select count(*) from ops.publications")) == publications


def test_a_closed_gate_is_exit_code_2_and_the_message_says_why_and_what_next(sluice, engine, tmp_path) -> None:
    lines = [*taxi.trips("2019-02", 16), *taxi.trips("2019-02", 4, passengers=0)]
    taxi.csv(tmp_path / "2019-02.csv", lines)
    said = sluice("run", "tlc__yellow_trips", "--batch", "2019-02", "--url", str(tmp_path / "{batch}.csv"))
    assert said.code == 2
    assert (
        "sluice: tlc__yellow_trips 2019-02: gate closed: 20% of rows fail passenger_count >= 1 (tolerance 5%); "
        "20% of rows are rejected (at most 5%). See them: sluice quarantine show tlc__yellow_trips 2019-02"
    ) in said.err
    assert "Traceback" not in said.err
    assert everything(engine)["staging.tlc__yellow_trips"] == 0

    shown = sluice("quarantine", "show", "tlc__yellow_trips", "2019-02", "--json")
    [reason] = json.loads(shown.out)
    assert (reason["reason"], reason["rows"]) == ("passenger_count >= 1", 4)


def test_a_column_of_text_that_changed_its_type_is_told_with_a_patch(sluice, engine, tmp_path) -> None:
    taxi.csv(tmp_path / "2019-01.csv", [line.replace(",N,", ",N,zone-", 1) for line in taxi.trips("2019-01")])
    said = sluice("run", "tlc__yellow_trips", "--batch", "2019-01", "--url", str(tmp_path / "{batch}.csv"))
    assert said.code == 2
    assert (
        "100% of rows are rejected (at most 5%), most often for pu_location_id is integer (20 rows); pu_location_id is "
        "no integer in 100% of rows: if the source has changed for good, this patch of contracts/"
        "tlc_yellow_trips.py accepts them: pu_location_id: Text = column(...)  # was Int; or another type that holds "
        "them. See them: sluice quarantine show tlc__yellow_trips 2019-01"
    ) in said.err
    assert everything(engine)["staging.tlc__yellow_trips"] == 0


BAD_FILES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "no such file": (lambda _: None, 3, "no such file"),
    "a web page": (lambda path: path.write_text("<!DOCTYPE html><html></html>"), 2, "HTML"),
    "an empty file": (lambda path: path.write_bytes(b""), 2, "empty"),
    "a header without rows": (lambda path: taxi.csv(path, []), 2, "no row"),
    "a truncated gzip": (
        lambda path: path.write_bytes(taxi.csv(path.with_suffix(".gz"), taxi.trips("2019-01", 500)).read_bytes()[:-40]),
        2,
        "2019-01",
    ),
    "a renamed column": (
        lambda path: taxi.csv(path, taxi.trips("2019-01"), taxi.HEADER.replace("trip_distance", "distance")),
        2,
        "trip_distance",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_clear_message_and_changes_nothing(sluice, engine, tmp_path, case: str) -> None:
    make, code, words = BAD_FILES[case]
    path = tmp_path / "2019-01.csv"
    make(path)
    said = sluice("run", "tlc__yellow_trips", "-b", "2019-01", "--url", str(tmp_path / "{batch}.csv"))
    assert said.code == code, said.err
    assert words in said.err
    assert "Traceback" not in said.err
    assert not any(everything(engine).values())


def test_a_file_that_the_server_does_not_have_says_so(sluice, engine, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/2019-01.csv").respond_with_data("gone", status=404)
    said = sluice("run", "tlc__yellow_trips", "-b", "2019-01", "--url", httpserver.url_for("/{batch}.csv"))
    assert said.code == 3
    assert "404" in said.err
    assert "Traceback" not in said.err
    assert not any(everything(engine).values())


def test_an_unknown_dataset_names_the_one_that_was_meant(sluice) -> None:
    said = sluice("run", "tlc__yelow_trips")
    assert said.code == 5
    assert "did you mean tlc__yellow_trips?" in said.err


def test_a_batch_that_is_none_says_how_to_write_one(sluice) -> None:
    said = sluice("run", "tlc__yellow_trips", "--batch", "January")
    assert said.code == 5
    assert "write it as 2021-01" in said.err


def test_a_block_that_does_not_exist_says_how_to_make_it(sluice, monkeypatch) -> None:
    monkeypatch.setenv("SLUICE_WAREHOUSE", "no-such-block")
    said = sluice("run", "tlc__yellow_trips", "--batch", "2019-01")
    assert said.code == 5
    assert "no-such-block" in said.err
    assert "prefect block" in said.err
    assert "Traceback" not in said.err


def test_a_database_that_does_not_answer_is_named_without_its_password(sluice, database, monkeypatch) -> None:
    away = sa.URL.create(
        "postgresql+psycopg2", username="me", password="s3cret-pass", host="127.0.0.1", port=1, database="none"
    )
    connector_for(away).save("away", overwrite=True)
    monkeypatch.setenv("SLUICE_WAREHOUSE", "away")
    said = sluice("run", "tlc__yellow_trips", "--batch", "2019-01")
    assert said.code == 3
    assert "'away'" in said.err
    assert "s3cret-pass" not in said.out + said.err
    assert "Traceback" not in said.err


def test_a_second_run_of_a_dataset_leaves_with_exit_code_4(sluice, engine, tmp_path) -> None:
    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01"))
    with engine.connect() as other:
        other.execute(LOCK, {"name": f"sluice:{project().settings.id}:tlc__yellow_trips"})
        said = sluice("run", "tlc__yellow_trips", "-b", "2019-01", "--url", str(tmp_path / "{batch}.csv"))
    assert said.code == 4, said.err
    assert "another run is in progress" in said.err


@pytest.mark.long
def test_while_another_run_builds_the_marts_a_batch_is_published_and_the_marts_wait(sluice, engine, tmp_path) -> None:
    taxi.csv(tmp_path / "2019-01.csv", taxi.trips("2019-01"))
    call = ("run", "tlc__yellow_trips", "-b", "2019-01", "--url", str(tmp_path / "{batch}.csv"))
    with engine.connect() as other:
        other.execute(LOCK, {"name": f"sluice:{project().settings.id}:dbt"})
        said = sluice(*call)
        assert said.code == 4, said.err
        assert "dbt: another run is in progress" in said.err
        assert {table for table in everything(engine) if table.startswith("marts.")} == set()
        assert everything(engine)["staging.tlc__yellow_trips"] == 20
    said = sluice(*call)
    assert said.code == 0, said.err
    assert everything(engine)["marts.fct_trips"] == 20


def test_sql_prints_a_table_json_or_csv_and_writes_nothing(sluice, engine) -> None:
    assert json.loads(sluice("sql", "select 1 as a, 'x%y' as b", "--json").out) == [{"a": 1, "b": "x%y"}]
    assert sluice("sql", "select 1 as a, null as b", "--csv").out.splitlines() == ["a,b", "1,"]
    assert "(1 row)" in sluice("sql", "select 1 as a").out
    assert "(1 row)" in sluice("sql", "-- The first line of a dbt test: a = 1.\nselect 1 as a").out
    twice = ("select count(a), count(*), 3 as count_2 from (values (1), (null)) as v (a)", "--csv")
    assert sluice("sql", *twice).out.splitlines() == ["count,count_3,count_2", "1,2,3"]
    refused = sluice("sql", "create table staging.mine (a int)")
    assert refused.code == 3
    assert "read-only" in refused.err


def test_sql_writes_when_it_is_told_to(sluice) -> None:
    assert sluice("sql", "--write", "create table mine (a int); insert into mine values (7)").out == "Done.\n"
    assert sluice("sql", "select a from mine", "--csv").out.splitlines() == ["a", "7"]


@pytest.mark.long
def test_a_held_batch_is_listed_exported_and_released_on_a_persons_word(sluice, engine, tmp_path) -> None:
    lines = [*taxi.trips("2019-02", 20), *taxi.trips("2019-02", 10, passengers=0)]
    taxi.csv(tmp_path / "2019-02.csv", lines)
    assert sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv")).code == 2

    [listed] = json.loads(sluice("quarantine", "list", "--json").out)
    assert (listed["batch"], listed["status"], listed["rejected"]) == ("2019-02", "held", 10)
    assert listed["most_fail"] == "passenger_count >= 1"
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.batches set rows_dropped_at = '2020-02-03 12:00Z'"))
    assert "rows dropped on 2020-02-03" in " ".join(sluice("quarantine", "list").out.replace("│", " ").split())
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.batches set rows_dropped_at = null"))
    exported = sluice("quarantine", "export", "tlc__yellow_trips", "2019-02", "--to", str(tmp_path / "bad.csv"))
    assert "10 rows into" in exported.out
    assert (tmp_path / "bad.csv").read_text().count("passenger_count >= 1") == 10
    assert sluice("quarantine", "release", "tlc__yellow_trips", "2019-02", "--why", " ").code == 5

    told = ("--why", "meters were set to 0, the vendor says", "--who", "ada")
    released = sluice("quarantine", "release", "tlc__yellow_trips", "2019-02", *told)
    assert released.code == 0, released.err
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from marts.fct_trips")) == 20
        assert connection.scalar(sa.text("select released_by from ops.batches")) == "ada"
    again = sluice("quarantine", "release", "tlc__yellow_trips", "2019-02", *told)
    assert again.code == 2
    assert "nothing to release" in again.err

    replayed = sluice("quarantine", "replay", "tlc__yellow_trips", "2019-02", "--json")
    assert replayed.code == 2, replayed.err
    assert json.loads(replayed.out)["batches"][0]["verdict"] == "held"


def test_status_tells_a_load_whose_run_is_gone_from_one_at_work(sluice, engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("ops"))
        schema.create(connection)
    file = loads.Fingerprint("zones.csv", 1, "0", None, None)
    with engine.begin() as connection:
        loads.begin(connection, contract_for("tlc__zones"), "all", file, "a run that was killed")
    [zones] = [row for row in json.loads(sluice("status", "--json").out) if row["dataset"] == "tlc__zones"]
    assert (zones["verdict"], zones["why"].split(";")[0]) == ("started", "its run stopped without reporting a result")


def test_status_tells_what_readers_have_while_a_later_load_of_the_batch_is_cut_off(sluice, engine) -> None:
    with open_warehouse().engine.begin() as connection:
        schema.create(connection)
    file = loads.Fingerprint("zones.csv", 1, "0", None, None)
    zones = contract_for("tlc__zones")
    with engine.begin() as connection:
        load = loads.begin(connection, zones, "all", file, "the night's")
        counts = {"rows_read": 1263, "rows_accepted": 1260, "rows_rejected": 3}
        loads.finish(connection, load, "published", Decision(True), **counts)
    [shown] = [row for row in json.loads(sluice("status", "--json").out) if row["dataset"] == "tlc__zones"]
    assert (shown["verdict"], shown["why"]) == ("published", "")
    with engine.begin() as connection:
        loads.begin(connection, zones, "all", file, "a run that was killed")
    [shown] = [row for row in json.loads(sluice("status", "--json").out) if row["dataset"] == "tlc__zones"]
    assert shown["verdict"] == "started"
    assert "; readers have the 1,260 rows published at " in shown["why"]


def test_for_machines_a_run_prints_one_documented_object_and_lines_of_json(sluice, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SLUICE_LOG_FORMAT", "json")
    root, listener = logging.getLogger(), progress._listener
    bad = tmp_path / "zones.csv"
    bad.write_text("LocationID,Borough,Zone,service_zone\n266,EWR,Newark Airport,EWR\n")
    try:
        said = sluice("run", "tlc__zones", "--url", str(bad), "--json")
    finally:
        progress.listen(listener)
        for handler in list(root.handlers):
            handler.removeFilter(logs._nothing)
            if isinstance(handler, logs._Handler):
                root.removeHandler(handler)
    assert said.code == 2
    summary = json.loads(said.out)
    assert summary["batches"][0]["verdict"] == "held"
    documented = (ROOT / "docs" / "json.md").read_text()
    fields = {*summary, *(f"batches[].{name}" for name in summary["batches"][0])}
    fields |= {f"marts.{name}" for name in summary["marts"]}
    assert [name for name in sorted(fields) if f"`{name}`" not in documented] == []

    lines = [json.loads(line) for line in said.err.splitlines()]
    assert lines[-1]["message"].startswith("tlc__zones all: gate closed")
    steps = {line["step"].split(" ")[0]: line for line in lines if "step" in line}
    assert {"load", "audit", "site"} <= set(steps)
    assert (steps["audit"]["dataset"], steps["audit"]["batch"]) == ("tlc__zones", "all")
    assert steps["site"]["dataset"] is None
    runs = {line["run"] for line in lines if line["run"]}
    assert len(runs) == 1
    assert all(line["run"] for line in lines if "step" in line), "every step knows its run"
