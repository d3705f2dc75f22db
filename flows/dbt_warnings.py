"""What owners are told of dbt's tests that only warn: how many rows against what is tolerated, and a few of them."""

from __future__ import annotations

from flows import downstream, failing_rows
from flows.dbt_results import DbtRun, NodeResult
from flows.dbt_verdict import rows_command
from flows.messages import Facts
from flows.warehouse import Warehouse


def told(warehouse: Warehouse, run: DbtRun) -> dict[str, Facts]:
    """A message for each test that warned, by its name. Reads the candidate side, which is about to be published."""
    rows = failing_rows.samples(warehouse, run, run.warned)
    with warehouse.engine.connect() as connection:
        below = {node.name: downstream.of_nodes(connection, [node.unique_id]) for node in run.warned}
    return {node.name: _facts(node, rows.get(node.name, []), below[node.name]) for node in run.warned}


def _facts(node: NodeResult, rows: list[dict[str, object]], below: str) -> Facts:
    return Facts(
        reasons=[f"dbt's test {node.name} warns: {node.message}; the marts are published"],
        numbers={"failing": node.failures or 0},
        samples=rows,
        readers_see="the new marts, with what the test found in them",
        downstream=below,
        next_command=rows_command(node.sql) if node.sql is not None else "sluice docs",
    )
