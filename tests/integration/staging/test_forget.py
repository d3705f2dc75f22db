"""A dataset whose contract was removed is forgotten when somebody says so, wholly, and no other dataset is touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.alerts import incidents
from sluice.alerts.incidents import Cause, Owner
from sluice.alerts.messages import Facts
from sluice.ledger import loads, tables
from sluice.project import datasets
from sluice.warehouse.warehouse import Warehouse
from tests.support.documented import json_fields
from tests.support.parcels import GOOD, HEADER, PARCELS, parcels
from tests.support.repository import ROOT

OTHER = "post__letters"  # another dataset without a contract
FACTS = Facts(reasons=["15% of rows fail"], readers_see="nothing yet", next_command="sluice status")


@pytest.fixture
def warehouse_url(database: sa.URL) -> sa.URL:
    """The warehouse is the one that the command line uses."""
    return database


@pytest.fixture
def loaded(warehouse: Warehouse, deliver, tmp_path: Path) -> Warehouse:
    """Two batches of parcels, one held with a rejected row, and open incidents about it."""
    for batch, bad in (("2024-01", ""), ("2024-02", "2,not a time,2024-01-09,1.5,12.30,true,x\n")):
        file = tmp_path / f"{batch}.csv"
        file.write_text(f"{HEADER}\n{GOOD.replace('2024-01', batch)}\n" + bad)
        deliver(parcels(), batch, file)
    with warehouse.engine.begin() as connection:
        for name in (PARCELS.dataset_id, OTHER):
            cause = Cause("gate_closed", f"batch {name} 2024-02", name, "2024-02")
            incidents.saw(connection, cause, FACTS, [Owner("tests", None)], datetime.now(UTC))
    return warehouse


def relations(rows: Callable[..., Sequence[sa.Row]]) -> list[str]:
    query = (
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('staging', 'quarantine') ORDER BY 1"
    )
    return [row[0] for row in rows(query)]


def test_a_dry_run_shows_what_would_go_and_changes_nothing(loaded: Warehouse, sluice, rows) -> None:
    before = relations(rows)
    shown = sluice("forget", PARCELS.dataset_id)
    assert shown.code == 0, shown.err
    for expected in (*before, "sluice forget post__parcels --yes", "Nothing was changed", "2 incidents"):
        assert expected in shown.out
    planned = json.loads(sluice("forget", PARCELS.dataset_id, "--json").out)
    assert set(planned) == json_fields()["forget"]
    assert planned["removed"] is False
    assert sorted(planned["tables"]) == before
    assert (planned["rejected"], planned["loads"]) == (1, 2)
    assert relations(rows) == before


def test_forgetting_removes_tables_quarantine_and_incidents_and_keeps_the_ledger(
    loaded: Warehouse, sluice, rows, tmp_path: Path
) -> None:
    checks = rows("SELECT count(*) FROM ops.checks")
    assert "post__parcels" in sluice("status").out
    done = sluice("forget", PARCELS.dataset_id, "--yes", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["removed"] is True
    assert relations(rows) == []
    assert [row[0] for row in rows("SELECT dataset FROM ops.incidents")] == [OTHER]
    assert {row[0] for row in rows("SELECT dataset FROM ops.outbox")} == {OTHER}
    assert [tuple(row) for row in rows("SELECT batch, status FROM ops.batches ORDER BY 1")] == [
        ("2024-01", "superseded"),
        ("2024-02", "superseded"),
    ]
    assert rows("SELECT count(*) FROM ops.checks") == checks
    assert "post__parcels" not in sluice("status").out
    site = list((tmp_path / "home").rglob("*.html"))
    assert site
    assert not [page for page in site if "post__parcels" in page.read_text()]
    again = sluice("forget", PARCELS.dataset_id, "--yes")
    assert (again.code, "nothing is left to remove" in again.out) == (0, True)


def test_a_forgotten_dataset_loads_again_when_its_contract_comes_back(
    loaded: Warehouse, sluice, deliver, rows, tmp_path: Path
) -> None:
    assert sluice("forget", PARCELS.dataset_id, "--yes").code == 0
    with loaded.engine.begin() as connection:
        assert loads.published(connection, PARCELS.dataset_id, "2024-01") is None
    deliver(parcels(), "2024-01", tmp_path / "2024-01.csv")
    assert rows("SELECT count(*) FROM staging.post__parcels")[0][0] == 1


def test_a_dataset_with_a_contract_is_refused_and_an_unknown_one_too(loaded: Warehouse, sluice, deliver, rows) -> None:
    zones = datasets.contract_for("tlc__zones")
    deliver(zones, "all", ROOT / "tests/data/tlc__zones/good.csv")
    refused = sluice("forget", "tlc__zones", "--yes")
    assert refused.code == 5
    assert "tlc__zones has a contract" in refused.err
    assert rows("SELECT count(*) FROM staging.tlc__zones")[0][0] > 0
    unknown = sluice("forget", "post__parcel", "--yes")
    assert unknown.code == 5
    assert "datasets without a contract are post__parcels" in unknown.err


def test_a_view_that_dbt_left_on_a_side_goes_along_and_one_of_readers_is_named(loaded: Warehouse, sluice, rows) -> None:
    with loaded.engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS marts__b"))
        connection.execute(sa.text("CREATE VIEW marts__b.stg_parcels AS SELECT * FROM staging.post__parcels"))
        connection.execute(sa.text("CREATE VIEW public.mine AS SELECT count(*) FROM marts__b.stg_parcels"))
    before = relations(rows)
    refused = sluice("forget", PARCELS.dataset_id, "--yes")
    assert refused.code == 5
    assert "public.mine" in refused.err
    assert relations(rows) == before
    with loaded.engine.begin() as connection:
        connection.execute(sa.text("DROP VIEW public.mine"))
    assert "marts__b.stg_parcels" in sluice("forget", PARCELS.dataset_id).out
    assert sluice("forget", PARCELS.dataset_id, "--yes").code == 0
    assert rows("SELECT to_regclass('marts__b.stg_parcels')")[0][0] is None


def test_it_waits_for_no_run_and_says_so(loaded: Warehouse, sluice, rows) -> None:
    before = relations(rows)
    for what in (PARCELS.dataset_id, "dbt"):
        with loaded.lock(what):
            assert sluice("forget", PARCELS.dataset_id, "--yes").code == 4
    assert relations(rows) == before
    with loaded.engine.begin() as connection:
        held = tables.batches.update().values(status="held")
        connection.execute(held.where(tables.batches.c.batch == "2024-02"))
    assert sluice("forget", PARCELS.dataset_id, "--yes").code == 0
    assert {row[0] for row in rows("SELECT status FROM ops.batches")} == {"superseded"}
