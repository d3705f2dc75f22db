"""Real taxi months through `sluice run`: the gate counts what an independent script counts, row for row.

SLUICE_REAL_DATA names the folder that holds tlc/*.csv.gz.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.warehouse import embedded
from tests.support.repository import ROOT

REAL_DATA = os.environ.get("SLUICE_REAL_DATA")
TLC = Path(REAL_DATA or "does-not-exist") / "tlc"
SECOND_OPINION = ROOT / "tests/support/independent_counts.py"
GATE_CLOSED = 2  # exit code

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.long,
    pytest.mark.skipif(not TLC.is_dir(), reason="SLUICE_REAL_DATA does not name a folder with tlc/*.csv.gz"),
]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One real file, as the batch that it is."""

    dataset: str
    batch: str
    path: Path

    def __str__(self) -> str:
        return f"{self.dataset} {self.batch}"


def deliveries() -> list[Delivery]:
    found = []
    for path in sorted(TLC.glob("*_tripdata_*.csv.gz")):
        colour, batch = re.fullmatch(r"(\w+)_tripdata_(\d{4}-\d\d)\.csv\.gz", path.name).groups()
        found.append(Delivery(f"tlc__{colour}_trips", batch, path))
    zones = TLC / "taxi_zone_lookup.csv"
    return [*found, Delivery("tlc__zones", "all", zones)] if zones.exists() else found


def sluice_run(home: Path, inbox: Path) -> subprocess.CompletedProcess[str]:
    """`sluice run` over every real file, as a user calls it; the names there say dataset and batch."""
    inbox.mkdir()
    for delivery in deliveries():
        (inbox / f"{delivery.dataset}_{delivery.batch}").symlink_to(delivery.path.resolve())
    command = [sys.executable, "-m", "sluice", "run", "--url", str(inbox / "{dataset}_{batch}")]
    env = {**os.environ, "SLUICE_HOME": str(home)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=1200)


@dataclass(frozen=True)
class Warehouse:
    """What the run said and left behind."""

    engine: sa.Engine
    run: subprocess.CompletedProcess[str]

    @property
    def said(self) -> str:
        return self.run.stdout + self.run.stderr

    def rows(self, query: str, **values: object) -> list[sa.Row]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(query), values))

    def load(self, delivery: Delivery) -> sa.Row:
        query = "select * from ops.batches where dataset = :dataset and batch = :batch"
        loads = self.rows(query, dataset=delivery.dataset, batch=delivery.batch)
        assert len(loads) == 1, self.said
        return loads[0]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[Warehouse]:
    """A warehouse of its own, into which one run has loaded every real file."""
    folder = tmp_path_factory.mktemp("real")
    home = folder / ".sluice"
    try:
        run = sluice_run(home, folder / "inbox")
        yield Warehouse(sa.create_engine(embedded.start(home), poolclass=sa.NullPool), run)
    finally:
        embedded.remove(home)


def second_opinion(delivery: Delivery) -> dict:
    command = [sys.executable, str(SECOND_OPINION), str(delivery.path), delivery.batch]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


@pytest.mark.parametrize("delivery", deliveries(), ids=str)
def test_a_real_month_has_the_counts_that_an_independent_script_finds(warehouse: Warehouse, delivery: Delivery) -> None:
    expected = second_opinion(delivery)
    load = warehouse.load(delivery)
    assert (load.rows_read, load.rows_accepted, load.rows_rejected) == (
        expected["read"],
        expected["accepted"],
        expected["rejected"],
    ), warehouse.said
    query = "select check_name, failing from ops.checks where load_id = :load"
    found = dict(tuple(row) for row in warehouse.rows(query, load=load.load_id))
    assert {name: found.get(name) for name in expected["checks"]} == expected["checks"]
    assert not [name for name, failing in found.items() if failing and name not in expected["checks"]]


@pytest.mark.parametrize("delivery", deliveries(), ids=str)
def test_the_quarantine_holds_every_rejected_row_once(warehouse: Warehouse, delivery: Delivery) -> None:
    table = f'quarantine."{delivery.dataset}"'
    query = f"select count(*), count(distinct _row_number) from {table} where _batch = :batch"
    rejected = warehouse.load(delivery).rows_rejected
    assert [tuple(row) for row in warehouse.rows(query, batch=delivery.batch)] == [(rejected, rejected)]


@pytest.mark.parametrize("delivery", deliveries(), ids=str)
def test_a_month_is_visible_if_its_gate_is_open(warehouse: Warehouse, delivery: Delivery) -> None:
    query = f'select count(*) from staging."{delivery.dataset}" where _batch = :batch'
    load = warehouse.load(delivery)
    is_bad = (delivery.dataset, delivery.batch) == ("tlc__yellow_trips", "2019-02")
    assert load.status == ("held" if is_bad else "published")
    visible = 0 if is_bad else load.rows_accepted
    assert [tuple(row) for row in warehouse.rows(query, batch=delivery.batch)] == [(visible,)]


def test_the_bad_february_closes_the_gate_and_says_why_while_january_stays(warehouse: Warehouse) -> None:
    assert warehouse.run.returncode == GATE_CLOSED, warehouse.said
    assert "2019-02" in warehouse.said
    reasons = warehouse.rows("select reasons from ops.batches where batch = '2019-02'")[0].reasons
    assert "15.79% of rows fail passenger_count >= 1 (tolerance 5%)" in reasons
    months = [row[0] for row in warehouse.rows("select distinct _batch from staging.tlc__yellow_trips")]
    assert "2019-01" in months
    assert "2019-02" not in months
