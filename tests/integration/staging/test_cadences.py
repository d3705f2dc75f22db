"""Batches of every cadence in the database: their tables, and when the newest ended, as dbt's freshness asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest
import sqlalchemy as sa
import yaml

from sluice.contract.batches import CALENDARS, Calendar, Hourly
from sluice.contract.columns import Int, Timestamp, column
from sluice.contract.contract import Contract, Files, Freshness, Gate
from sluice.contract.derive.dbt_sources import sources_yaml
from sluice.warehouse.warehouse import Warehouse


class Events(pa.DataFrameModel):
    at: Timestamp = column("When.")
    number: Int = column("A number.", ge=0)


def contract(batches: Calendar, **parts: Any) -> Contract:
    return Contract("t", "events", "me@example.com", Events, Files("e_{batch}.csv", batches), **parts)


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
    with warehouse.engine.begin() as connection:
        for batch in (newest, earlier):
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
