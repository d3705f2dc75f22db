"""Rows that failing or warning dbt tests found, for messages; personal data masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluice.alerts import downstream
from sluice.alerts.messages import Facts, plain
from sluice.contract.contract import hide
from sluice.marts.dbt.results import DbtRun, NodeResult
from sluice.marts.dbt.verdict import rows_command
from sluice.project import personal_columns
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_rows_of
from sluice.warehouse.warehouse import Warehouse

TESTS, ROWS = 5, 3  # shown in one message; the rest are seen with the command that stands beside them
WIDTH = 300  # characters of a row
SECONDS = 30  # a test's query that takes longer is not worth a sample


def describe(warehouse: Warehouse, run: DbtRun) -> str:
    """The rows, one line each below the name of their test; personal data is masked. Empty if there are none."""
    failed = [node for node in run.failed if node.resource_type == "test" and node.sql is not None]
    lines: list[str] = []
    for name, rows in samples(warehouse, run, failed).items():
        lines += [f"  rows of {name}:"] if rows else []
        lines += [f"    {_line(row)}" for row in rows]
    return "\n".join(lines)


def samples(warehouse: Warehouse, run: DbtRun, nodes: Sequence[NodeResult]) -> dict[str, list[dict[str, object]]]:
    """Rows that the first few of these tests found, by the tests' names; personal data is masked."""
    nodes = [node for node in nodes[:TESTS] if node.sql is not None]
    if not nodes:
        return {}
    known = personal_columns.columns(run.artifact("manifest")["nodes"].values())
    found = {}
    for node in nodes:
        rows = list(_rows(warehouse, node))
        masked = personal_columns.made_of(known, _query(node)) if known and rows else set()
        found[node.name] = [_masked(row, masked) for row in rows]
    return found


def _rows(warehouse: Warehouse, node: NodeResult) -> Iterator[Mapping[str, Any]]:
    if node.sql is None or not node.sql.exists():
        return
    try:
        with warehouse.dbt.connect() as connection:
            yield from first_rows_of(connection, _query(node), ROWS, SECONDS)  # dbt's own text, which it has just run
    except (*DATABASE_ERRORS, OSError):
        return  # the message says how to see them, and why the test failed


def _query(node: NodeResult) -> str:
    return node.sql.read_text(encoding="utf-8").strip().rstrip(";") + "\n" if node.sql is not None else ""


def _masked(row: Mapping[str, Any], masked: set[str]) -> dict[str, object]:
    shown = {name: value for name, value in row.items() if not name.startswith("_") or len(row) <= 4}
    plainly = {name: None if value is None else plain(value) for name, value in shown.items()}
    return hide(plainly, {name for name in plainly if name.lower() in masked})


def _line(row: Mapping[str, object]) -> str:
    shown = ", ".join(f"{name}={'null' if value is None else value}" for name, value in row.items())
    return shown if len(shown) <= WIDTH else f"{shown[:WIDTH]}..."


def warned_tests(warehouse: Warehouse, run: DbtRun) -> dict[str, Facts]:
    """A message for each test that warned, by its name. Reads the candidate side, which is about to be published."""
    rows = samples(warehouse, run, run.warned)
    with warehouse.engine.connect() as connection:
        below = {node.name: downstream.of_nodes(connection, [node.unique_id]) for node in run.warned}
    return {node.name: _facts(node, rows.get(node.name, []), below[node.name]) for node in run.warned}


def _facts(node: NodeResult, rows: list[dict[str, object]], below: str) -> Facts:
    return Facts(
        reasons=[f"dbt's test {node.name} warns: {node.message}; the marts are published"],
        numbers={"failing": node.failures or 0},
        samples=rows,
        readers_see="the new marts, including what the test found",
        downstream=below,
        next_command=rows_command(node.sql) if node.sql is not None else "sluice docs",
    )
