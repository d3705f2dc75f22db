"""What owners are told of dbt's tests that only warn: how many rows against what is tolerated, and a few of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.gate import percent
from flows import downstream, failing_rows
from flows.dbt_results import DbtRun, NodeResult
from flows.dbt_verdict import rows_command
from flows.messages import Facts
from flows.warehouse import Warehouse


def told(warehouse: Warehouse, run: DbtRun) -> dict[str, Facts]:
    """A message for each test that warned, by its name. Reads the candidate side, which is about to be published."""
    if not run.warned:
        return {}
    nodes = run.artifact("manifest")["nodes"]
    rows = failing_rows.samples(warehouse, run, run.warned)
    with warehouse.engine.connect() as connection:
        below = {node.name: downstream.of_nodes(connection, [node.unique_id]) for node in run.warned}
    return {
        node.name: _facts(node, nodes[node.unique_id], rows.get(node.name, []), below[node.name]) for node in run.warned
    }


def _facts(node: NodeResult, known: Mapping[str, Any], rows: list[dict[str, object]], below: str) -> Facts:
    tolerated = _tolerated(known["config"])
    return Facts(
        reasons=[
            f"dbt's test {node.name} warns: {node.failures or 0:,} failing ({tolerated}); the marts are published"
        ],
        numbers={"failing": node.failures or 0},
        samples=rows,
        readers_see="the new marts, with what the test found in them",
        downstream=below,
        next_command=rows_command(node.sql) if node.sql is not None else "sluice docs",
    )


def _tolerated(config: Mapping[str, Any]) -> str:
    share = (config.get("meta") or {}).get("tolerance")
    if share is not None:
        return f"tolerance {percent(float(share))} of the rows"
    return f"it warns if {config.get('warn_if', '!= 0')}"
