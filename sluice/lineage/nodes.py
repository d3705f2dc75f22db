"""The events of dbt's nodes, after a build, from its artifacts; columns and their lineage as dbt's docs keep them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice.lineage import facets, names
from sluice.lineage.facets import Origin
from sluice.lineage.names import Database, EventEmitter, Name
from sluice.marts.dbt.results import DbtRun, NodeResult
from sluice.project import paths
from sluice.site import dbt_docs
from sluice.warehouse.warehouse import Warehouse

WRITTEN = ("model", "seed", "snapshot")
TESTS = ("test", "unit_test")
KINDS = {"test": "TEST", "unit_test": "UNIT_TEST", "model": "MODEL", "seed": "SEED", "snapshot": "SNAPSHOT"}


def say(
    of: EventEmitter, warehouse: Warehouse, run: DbtRun, manifest: Mapping[str, Any], results: Mapping[str, Any]
) -> None:
    """START and COMPLETE or FAIL of every node that dbt ran, with the times at which it did.

    Args:
        manifest: as the run wrote it, like `results`, its run_results.
    """
    timed = {result["unique_id"]: result for result in results["results"]}
    database = Database(warehouse.url, warehouse.block, warehouse.schemas)
    project = _Project(manifest, _documented(), database)
    for node in run.nodes:
        when = _times(timed.get(node.unique_id, {}))
        if node.resource_type in KINDS and node.status != "skipped" and when is not None:
            _say(of, project, run, node, when)


def _say(of: EventEmitter, project: _Project, run: DbtRun, node: NodeResult, when: tuple[datetime, datetime]) -> None:
    declared = project.node(node.unique_id)
    run_id = names.run_id(of.run_id, run.invocation_id, node.unique_id)
    job, parent = (of.job[0], f"dbt.{node.unique_id}"), (of.run_id, of.job)
    about = facets.job(
        KINDS[node.resource_type], project.path(declared), project.owners(declared), declared.get("compiled_code")
    )
    inputs, outputs = project.inputs(node), project.outputs(node)
    error = node.message or node.status if node.failed else None
    of.say("START", run_id, job, about, facets.run(parent), inputs, outputs, at=when[0])
    state = "FAIL" if node.failed else "COMPLETE"
    of.say(state, run_id, job, about, facets.run(parent, error), inputs, outputs, at=when[1])


def _times(result: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """When it began and ended; None of one that dbt did not run."""
    stages = [stage for stage in result.get("timing", ()) if stage.get("started_at") and stage.get("completed_at")]
    if not stages:
        return None
    return _moment(stages[0]["started_at"]), _moment(stages[-1]["completed_at"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _documented() -> Mapping[str, Any]:
    """Columns and lineage of the nodes, as of the newest docs; nothing before there were any."""
    with suppress(OSError, ValueError):
        found: Mapping[str, Any] = json.loads((dbt_docs.folder() / "project.json").read_text(encoding="utf-8"))["nodes"]
        return found
    return {}


@dataclass(frozen=True, slots=True)
class _Project:
    """The nodes of a build as datasets."""

    manifest: Mapping[str, Any]
    documented: Mapping[str, Any]
    database: Database

    def node(self, unique_id: str) -> Mapping[str, Any]:
        """What the manifest says of it."""
        kinds = ("nodes", "sources", "unit_tests")
        return next((self.manifest[kind][unique_id] for kind in kinds if unique_id in self.manifest[kind]), {})

    def name(self, unique_id: str) -> Name:
        """Of the table that it is."""
        node = self.node(unique_id)
        return self.database.table(node["schema"], node.get("alias") or node.get("identifier") or node["name"])

    def path(self, node: Mapping[str, Any]) -> str | None:
        """Its file, relative to the project."""
        folder = os.path.relpath(paths.dbt_project(), paths.root())
        return f"{folder}/{node['original_file_path']}" if node.get("original_file_path") else None

    def owners(self, node: Mapping[str, Any]) -> list[str]:
        """Of its group."""
        group = (node.get("config") or {}).get("group") or node.get("group")
        for each in self.manifest.get("groups", {}).values():
            if group and each["name"] == group:
                owner = each.get("owner") or {}
                return [owner.get("email") or owner.get("name") or group]
        return []

    def outputs(self, node: NodeResult) -> list[Any]:
        """What it writes."""
        declared = self.node(node.unique_id)
        if node.resource_type not in WRITTEN or _is_ephemeral(declared):
            return []
        about = {
            **self._schema(node.unique_id),
            **facets.owners(self.owners(declared)),
            **self._lineage(node.unique_id),
        }
        return [facets.given(self.name(node.unique_id), about, facets.statistics(node.rows))]

    def inputs(self, node: NodeResult) -> list[Any]:
        """What it reads; with what a test found there."""
        found = facets.assertions([_assertion(self.node(node.unique_id), node)]) if node.resource_type == "test" else {}
        if node.resource_type == "unit_test":  # it reads made-up rows
            return []
        read = dict.fromkeys(self._tables_below(node.unique_id))
        return [facets.taken(self.name(each), self._schema(each), found) for each in read]

    def _tables_below(self, unique_id: str) -> Iterator[str]:
        """What it depends on, through models that are not tables."""
        for each in self.node(unique_id).get("depends_on", {}).get("nodes", ()):
            if _is_ephemeral(self.node(each)):
                yield from self._tables_below(each)
            elif self.node(each).get("resource_type") in (*WRITTEN, "source"):
                yield each

    def _schema(self, unique_id: str) -> dict[str, Any]:
        known = self.documented.get(unique_id)
        if known:
            return facets.schema((name, kind, text) for name, kind, text in known["columns"])
        columns = self.node(unique_id).get("columns", {}).values()
        return facets.schema(
            (each["name"], each.get("data_type") or "", each.get("description", "")) for each in columns
        )

    def _lineage(self, unique_id: str) -> dict[str, Any]:
        known = self.documented.get(unique_id) or {}
        columns = {name: [*self._origins(edges)] for name, edges in known.get("parents", {}).items()}
        return facets.column_lineage(columns, self._origins(known.get("rows_by", ())))

    def _origins(self, edges: Any) -> Iterator[Origin]:
        """Tables' columns of edges, through models that are not tables. What is gone from the project is left out."""
        for parent, column, how in (edge for edge in edges if not isinstance(edge, Mapping)):
            declared = self.node(parent)
            if _is_ephemeral(declared):
                further = self.documented.get(parent, {}).get("parents", {}).get(column, ())
                yield from (
                    (name, of, how if how != "as it is" else deeper) for name, of, deeper in self._origins(further)
                )
            elif declared:
                yield self.name(parent), column, how


def _is_ephemeral(node: Mapping[str, Any]) -> bool:
    return (node.get("config") or {}).get("materialized") == "ephemeral"


def _assertion(declared: Mapping[str, Any], node: NodeResult) -> facets.Assertion:
    config = declared.get("config") or {}
    tolerance = (config.get("meta") or {}).get("tolerance")
    return facets.Assertion(
        (declared.get("test_metadata") or {}).get("name") or node.name,
        node.status == "pass",
        str(config.get("severity", "error")).lower(),
        node.failures,
        tolerance=None if tolerance is None else float(tolerance),
        column=declared.get("column_name"),
        error=node.message if node.failed else None,
    )
