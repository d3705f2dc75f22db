"""What a run of a flow left behind: processes that outlive it, and what Prefect's database recorded of it.

Reads the database's file and the process table; ends the orphans it finds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil  # type: ignore[import-untyped]

MARKER = "SLUICE_FIFTY_RUNS"  # environment variable by which a run's processes are known
TERMINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
ORPHAN_GRACE = 20.0  # s for what may end after the run: the embedded PostgreSQL, when nobody uses it any more

Row = tuple[str, str, str]


def orphans(marker: str) -> tuple[str, ...]:
    """Processes of the run that outlive it by more than the grace; they are ended here."""
    deadline = time.monotonic() + ORPHAN_GRACE
    while (left := list(_marked(marker))) and time.monotonic() < deadline:
        time.sleep(0.2)
    names = []
    for process in left:
        try:
            names.append(" ".join(process.cmdline())[:120])
            process.kill()
        except psutil.Error:
            continue
    return tuple(names)


def _marked(marker: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == marker and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:  # gone meanwhile, or another user's
            continue


def recorded(database: Path, known: set[str], at_least: int, patience: float) -> tuple[list[Row], list[Row]]:
    """The run's flow runs (id, name, state) and task runs (key, name, state), as Prefect recorded them."""
    deadline = time.monotonic() + patience
    while True:
        flows = [row for row in flow_runs(database) if row[0] not in known]
        tasks = [row for flow in flows for row in _task_runs(database, flow[0])]
        complete = nodes(tasks) >= at_least and all(state in TERMINAL for _, _, state in [*flows, *tasks])
        if complete or time.monotonic() >= deadline:
            return flows, tasks
        time.sleep(0.5)


def nodes(tasks: list[Row]) -> int:
    return sum(key.startswith("dbt_node") for key, _, _ in tasks)


def flow_runs(database: Path) -> list[Row]:
    return _query(database, "select id, name, coalesce(state_type, 'none') from flow_run")


def _task_runs(database: Path, flow_run: str) -> list[Row]:
    columns = "task_key, name, coalesce(state_type, 'none')"
    return _query(database, f"select {columns} from task_run where flow_run_id = ?", flow_run)


def _query(database: Path, query: str, *values: str) -> list[Row]:
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(query, values).fetchall()
