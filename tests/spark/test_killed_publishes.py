"""A run that is killed while it publishes: the next one finds out what it did; readers have the old or the new."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.staging import separate
from sluice.warehouse.warehouse import Warehouse
from tests.integration.conftest import delivered
from tests.spark.lakes import ledger, left_in_lake, quarantine, staging
from tests.support import every_kind, shops
from tests.support.repository import ROOT
from tests.support.shops import good_lines, write

pytestmark = pytest.mark.spark

ORDERS = shops.contract(max_rejected=0.2)


def killed(warehouse: Warehouse, folder: Path, file: str, point: str) -> None:
    """Do it in a process that is killed."""
    address = warehouse.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.spark.killed", address, str(folder / "lake"), file, point]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


def in_quarantine(warehouse: Warehouse, load: int) -> list[dict[str, object]]:
    return [row for row in quarantine(warehouse, ORDERS) if row["_load_id"] == load]


def loads_of(warehouse: Warehouse) -> list[tuple[int, str, int | None]]:
    return [(row["load_id"], row["status"], row["rows_accepted"]) for row in ledger(warehouse, ORDERS)]


@pytest.mark.long
def test_a_batch_is_replaced_whole_or_not_at_all(in_lake: Warehouse, tmp_path: Path) -> None:
    old = write(tmp_path / "orders_2021-01.csv", [*good_lines(10), every_kind.BAD[4]])
    delivered(in_lake, ORDERS, "2021-01", old, tmp_path / "downloads")
    before = staging(in_lake, ORDERS), quarantine(in_lake, ORDERS)
    new = str(write(tmp_path / "new.csv", [*good_lines(12, first=50), every_kind.BAD[5]]))
    for point in ("written", "announced"):
        killed(in_lake, tmp_path, new, point)
        assert (staging(in_lake, ORDERS), in_quarantine(in_lake, 1)) == before
        separate.settle(in_lake, ORDERS)
        assert (staging(in_lake, ORDERS), quarantine(in_lake, ORDERS), left_in_lake(in_lake, ORDERS)) == (
            *before,
            set(),
        )
    assert loads_of(in_lake) == [(1, "published", 10), (2, "abandoned", None), (3, "abandoned", 12)]
    killed(in_lake, tmp_path, new, "published")
    for _ in range(2):  # readers have it already, and the ledger learns of it
        assert {row["order_id"] for row in staging(in_lake, ORDERS)} == {*range(50, 62)}
        separate.settle(in_lake, ORDERS)
    assert loads_of(in_lake)[0::3] == [(1, "superseded", 10), (4, "published", 12)]
    assert [(row["_load_id"], row["_row_number"]) for row in quarantine(in_lake, ORDERS)] == [(4, 13)]
    assert left_in_lake(in_lake, ORDERS) == set()
    delivered(in_lake, ORDERS, "2021-01", old, tmp_path / "downloads")  # and the next load is as any other
    assert [row["order_id"] for row in staging(in_lake, ORDERS)] == [row["order_id"] for row in before[0]]


def test_a_held_batch_is_released_or_still_held(in_lake: Warehouse, tmp_path: Path) -> None:
    path = write(tmp_path / "orders_2021-01.csv", [*good_lines(4), *every_kind.BAD])
    assert not delivered(in_lake, ORDERS, "2021-01", path, tmp_path / "downloads").decision.open
    rejected = quarantine(in_lake, ORDERS)
    after = {"announced": ("held", None, 0, {"load_1"}), "published": ("published", "Ann", 3, set())}
    for point, expected in after.items():
        killed(in_lake, tmp_path, "release", point)
        separate.settle(in_lake, ORDERS)
        [load] = ledger(in_lake, ORDERS)
        rows = len(staging(in_lake, ORDERS))
        assert (load["status"], load["released_by"], rows, left_in_lake(in_lake, ORDERS)) == expected
        assert quarantine(in_lake, ORDERS) == rejected
