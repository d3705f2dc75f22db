"""Folders that cannot be written, locks that others could hold, cells that a spreadsheet would run."""

from __future__ import annotations

import csv
import ctypes
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sluice.staging.quarantine_export import export
from sluice.warehouse import embedded
from sluice.warehouse.embedded import root_user
from tests.support import shops

OVERRIDE, SEARCH, DROP = 1, 2, 24  # Linux: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP


def obey_rights() -> None:
    """Take from root what lets it write where it has no right to, as from any other user."""
    for capability in (OVERRIDE, SEARCH):
        ctypes.CDLL(None).prctl(DROP, capability, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="takes capabilities of Linux from a process")
@pytest.mark.parametrize(
    ("command", "code", "named"),
    [("sql select", 5, "SLUICE_HOME"), ("up --port 0", 5, "SLUICE_HOME"),
     ("docs --no-open", 3, "Permission denied"), ("run", 5, "PREFECT_HOME"), ("heartbeat", 3, "no nightly run"),
     ("demo --folder {}/demo", 3, "Permission denied")],
)  # fmt: skip
def test_a_home_that_cannot_be_written_is_one_message(tmp_path: Path, command: str, code: int, named: str) -> None:
    tmp_path.chmod(0o555)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLUICE", "PREFECT"))}
    environment |= {"HOME": str(tmp_path), "SLUICE_HOME": str(tmp_path / "home")}
    called = [sys.executable, "-m", "sluice", *command.format(tmp_path).split()]
    try:
        said = subprocess.run(
            called, env=environment, preexec_fn=obey_rights, capture_output=True, text=True, check=False
        )
    finally:
        tmp_path.chmod(0o755)
    assert said.returncode == code, said.stderr
    assert len(said.stderr.splitlines()) == 1
    assert said.stderr.startswith("sluice: ")
    assert named in said.stderr


def test_no_other_user_can_open_a_lock_and_so_hold_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "postgres.lock").touch(mode=0o644)  # as an older version made it
    before = os.umask(0)
    try:
        embedded.start(home)
        locks = [home / "postgres.lock", *(home / "postgres").resolve().glob("*.lock")]
        if os.geteuid() == 0:
            locks += [base / "lock" for base in root_user.FOLDERS if (base / "lock").exists()]
        assert len(locks) >= 3
        for lock in locks:
            assert stat.S_IMODE(lock.stat().st_mode) == 0o600, lock
    finally:
        os.umask(before)
        embedded.remove(home)


def test_a_cell_of_an_export_is_no_formula_and_the_table_has_it_as_it_was(
    deliver: Callable, warehouse, rows, tmp_path: Path
) -> None:
    evil = ["=cmd()", "+1", "-2+3", "@SUM(A1)", "\ttab", "plain"]
    bad = [f'{n},2021-01-02 10:00:00,"{shop}",1,9.50,1.5,' for n, shop in enumerate(evil, 100)]
    deliver(shops.contract(max_rejected=1.0), "2021-01", shops.write(tmp_path / "1.csv", shops.good_lines(20) + bad))
    with warehouse.engine.connect() as connection:
        export(connection, shops.contract(), None, tmp_path / "out.csv")
        export(connection, shops.contract(), None, tmp_path / "out.jsonl")
    with (tmp_path / "out.csv").open(newline="") as file:
        cells = [row["shop"] for row in csv.DictReader(file)]
    assert cells == ["'=cmd()", "'+1", "'-2+3", "'@SUM(A1)", "'\ttab", "plain"]
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["shop"] for line in lines] == evil
    kept = rows("select _row ->> 'shop' from quarantine.shop__orders order by _row_number")
    assert [shop for (shop,) in kept] == evil


@pytest.mark.skipif(sys.platform != "linux", reason="takes capabilities of Linux from a process")
def test_the_status_needs_no_home_that_can_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLUICE", "PREFECT"))}
    environment |= {"HOME": str(tmp_path), "SLUICE_HOME": str(tmp_path / "home")}
    called = [sys.executable, "-m", "sluice", "status"]
    try:
        said = subprocess.run(
            called, env=environment, preexec_fn=obey_rights, capture_output=True, text=True, check=False
        )
    finally:
        tmp_path.chmod(0o755)
    assert (said.returncode, "Nothing was loaded or built yet" in said.stdout) == (0, True), said.stderr
