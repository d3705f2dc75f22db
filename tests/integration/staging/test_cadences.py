"""Batches of every cadence in the database: their partitions, and when the newest ended, as dbt's freshness asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest
import sqlalchemy as sa
import yaml

from sluice.cli.output.status import _status_rows
from sluice.contract.batches import CALENDARS, Calendar, Daily, EachFile, Hourly, Monthly, Single
from sluice.contract.columns import Int, Text, Timestamp, column
from sluice.contract.contract import Contract, Files, Freshness, Gate
from sluice.contract.derive.dbt_sources import sources_yaml
from sluice.site.facts import ledger
from sluice.staging import forget
from sluice.warehouse.postgres.rows.tables import BUCKETS
from sluice.warehouse.warehouse import Warehouse


class Events(pa.DataFrameModel):
    at: Timestamp = column("When.")
    number: Int = column("A number.", ge=0)


def contract(batches: Calendar, schema: type[pa.DataFrameModel] = Events, **parts: Any) -> Contract:
    return Contract("t", "events", "me@example.com", schema, Files("e_{batch}.csv", batches), **parts)


def test_an_hour_is_loaded_corrected_and_dated_like_any_batch(
    deliver: Callable[..., Any], rows: Callable[..., Any], tmp_path: Path
) -> None:
    hours = contract(Hourly(start="2024-10-27T00", by="at", timezone="Europe/Berlin"), gate=Gate(max_rejected=0.5))
    file = tmp_path / "e.csv"
    for hour, number in (("02", 1), ("03", 2), ("02", 3)):
        lines = [f"2024-10-27 {hour}:30:00,{number}", f"2024-10-27 {hour}:59:59,{number}", "2024-10-27 04:00:00,9"]
        file.write_text("\n".join(["at,number", *lines]) + "\n", encoding="utf-8")
        done = deliver(hours, f"2024-10-27T{hour}", file)
        assert (done.report.accepted, done.report.rejected) == (2, 1)
    found = rows("select _batch, number, count(*) from staging.t__events group by 1, 2 order by 1")
    assert [tuple(row) for row in found] == [("2024-10-27T02", 3, 2), ("2024-10-27T03", 2, 2)]
    [row] = rows("select distinct _reasons from quarantine.t__events")
    assert row[0] == ["at in batch"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("kind", CALENDARS)
def test_freshness_counts_from_the_end_of_the_newest_batch(
    warehouse: Warehouse, kind: type[Calendar], zone: str
) -> None:
    batches = kind(start=kind.example, timezone=zone)
    fresh = contract(batches, freshness=Freshness(timedelta(days=1), timedelta(days=2)))
    [source] = yaml.safe_load(sources_yaml([fresh]))["sources"]
    query = source["tables"][0]["config"]["loaded_at_query"]
    newest, earlier = batches.after(kind.example), kind.example
    others = ("all", "zz", *(other.example for other in CALENDARS if other is not kind))
    with warehouse.engine.begin() as connection:
        for batch in (newest, earlier, *others):
            connection.execute(
                sa.text(
                    "insert into ops.batches (dataset, batch, status, address, bytes, sha256, contract_version, "
                    "rows_read, rows_accepted, rows_rejected) "
                    "values ('t__events', :batch, 'published', '', 0, '', '', 0, 0, 0)"
                ),
                {"batch": batch},
            )
        [[ends]] = connection.exec_driver_sql(query)
        connection.rollback()
    assert (ends if ends.tzinfo else ends.replace(tzinfo=UTC)) == batches.instants(newest)[1]


DAYS = contract(Daily(start="2024-01-01"))
ROWS = "select _batch, number, _row_number, _dataset, _load_id from staging.t__events order by _batch, _row_number"


def written(path: Path, *numbers: int) -> Path:
    path.write_text("at,number\n" + "".join(f"2024-01-01 10:00:00,{n}\n" for n in numbers), encoding="utf-8")
    return path


def test_days_share_a_fixed_number_of_partitions_and_each_is_replaced_alone(
    deliver: Callable[..., Any], rows: Callable[..., Any], tmp_path: Path
) -> None:
    file, loads = tmp_path / "e.csv", {}
    for day in range(1, 6):
        loads[f"2024-01-{day:02}"] = deliver(DAYS, f"2024-01-{day:02}", written(file, day)).batch.load_id
    before = rows(ROWS)
    assert [(row._batch, row._load_id) for row in before] == list(loads.items())
    leaves = "select count(*) from pg_partition_tree('staging.t__events') where isleaf"
    assert rows(leaves) == [(BUCKETS,)]
    locks = "select (select count(*) from staging.t__events) * 0 + count(*) from pg_locks where pid = pg_backend_pid()"
    assert rows(locks)[0][0] < 3 * BUCKETS  # of 6,400 that a server has by default
    again = deliver(DAYS, "2024-01-03", written(file, 7, 8)).batch.load_id
    after = rows(ROWS)
    assert [tuple(row) for row in after if row._batch == "2024-01-03"] == [
        ("2024-01-03", 7, 1, "t__events", again),
        ("2024-01-03", 8, 2, "t__events", again),
    ]
    assert [row for row in after if row._batch != "2024-01-03"] == [row for row in before if row._batch != "2024-01-03"]
    assert rows("select count(*) from staging.t__events where _loaded_at > now() - interval '1 hour'") == [(6,)]
    assert rows("select count(*) from pg_class where relname like 't\\_\\_events%incoming%'") == [(0,)]


def test_a_reader_of_a_shared_partition_delays_no_publish_and_sees_one_moment(
    warehouse: Warehouse, deliver: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "e.csv"
    deliver(DAYS, "2024-01-01", written(file, 1))
    old = warehouse.engine.execution_options(isolation_level="REPEATABLE READ")
    with old.begin() as reader:
        seen = reader.execute(sa.text(ROWS)).all()
        deliver(DAYS, "2024-01-01", written(file, 2))  # ends while the reader holds its lock
        assert reader.execute(sa.text(ROWS)).all() == seen
    with warehouse.engine.connect() as reader:
        assert [row.number for row in reader.execute(sa.text(ROWS))] == [2]


def test_the_age_of_a_dataset_that_was_one_file_is_that_of_its_newest_day(
    warehouse: Warehouse, deliver: Callable[..., Any], tmp_path: Path
) -> None:
    file = written(tmp_path / "e.csv", 1)
    days = contract(Daily(start="2024-01-01"), freshness=Freshness(timedelta(days=1), timedelta(days=2)))
    deliver(replace(days, files=Files("e.csv", Single()), freshness=None), "all", file)
    deliver(days, "2024-01-01", file)
    with warehouse.engine.connect() as connection:
        shown = {row["batch"]: row["freshness"] for row in _status_rows(connection, days, [])}
    assert shown == {"2024-01-01": "stale", "all": None}


def test_a_dataset_that_becomes_daily_keeps_its_months_and_may_gain_columns(
    deliver: Callable[..., Any], rows: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "e.csv"
    deliver(contract(Monthly(start="2024-01")), "2024-01", written(file, 1))
    deliver(DAYS, "2024-01-01", written(file, 2))

    class Wider(Events):
        note: Text = column("More.", nullable=True)

    file.write_text("at,number,note\n2024-01-01 10:00:00,3,more\n", encoding="utf-8")
    deliver(replace(DAYS, schema=Wider), "2024-01-02", file)
    file.write_text("at,number,note\n2024-01-01 10:00:00,4,month\n", encoding="utf-8")
    deliver(contract(Monthly(start="2024-01"), schema=Wider), "2024-01", file)  # and back: the month is replaced
    found = rows("select _batch, number, note from staging.t__events order by 1")
    assert [tuple(row) for row in found] == [
        ("2024-01", 4, "month"),
        ("2024-01-01", 2, None),
        ("2024-01-02", 3, "more"),
    ]


def test_a_dataset_with_shared_partitions_is_forgotten_whole(
    warehouse: Warehouse, deliver: Callable[..., Any], rows: Callable[..., Any], tmp_path: Path
) -> None:
    deliver(DAYS, "2024-01-01", written(tmp_path / "e.csv", 1))
    found = forget.remains(warehouse, "t__events")
    assert found.rows == 1
    assert found.bytes > 0
    forget.forget(warehouse, "t__events")
    assert rows("select count(*) from pg_class where relname like 't\\_\\_events%'") == [(0,)]


def test_a_day_is_compared_with_the_same_weekday(deliver: Callable[..., Any], tmp_path: Path) -> None:
    gate = Gate(rows_vs_last=(0.5, 2.0), rows_vs="weekday")
    days = contract(Daily(start="2024-01-01"), gate=gate)

    def put(day: str, rows: int) -> tuple[str, ...]:
        reasons: tuple[str, ...] = deliver(days, day, written(tmp_path / f"{day}.csv", *range(rows))).decision.reasons
        return reasons

    assert put("2024-01-06", 20) == ()  # a Saturday
    assert put("2024-01-07", 1) == ()  # no Sunday before
    assert put("2024-01-20", 19) == ()  # the Saturday between is missing
    assert put("2024-01-21", 18) == ("18 rows are 18.00 times the 1 of the same weekday before (0.5 to 2.0 allowed)",)


@pytest.mark.parametrize("warehouse_url", ["postgres15"], indirect=True)  # the embedded one knows one order only
def test_batches_are_shown_in_the_order_of_their_letters_whatever_the_servers_language(
    warehouse: Warehouse, deliver: Callable[..., Any], tmp_path: Path
) -> None:
    each = replace(DAYS, files=Files("in/", EachFile(r"(.+)\.csv")), gate=Gate(same_bytes="accept"))
    with warehouse.engine.begin() as connection:  # as on a server whose databases are in English
        connection.exec_driver_sql('alter table ops.batches alter batch type text collate "en-x-icu"')
    for name in ("a", "B", "c"):
        deliver(each, name, written(tmp_path / "e.csv", 1))
    seen = ledger.read(warehouse, {"t__events": each})
    assert [row.batch for row in seen.batches["t__events"]] == ["B", "a", "c"]
    assert seen.published["t__events"].batch == "c"
