"""Nodes, columns and column lineage of the dbt project."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.contract.derive.schemas import OPS
from sluice.project.dbt_manifest import tests_of

HOW = {"pass-through": "as it is", "rename": "renamed", "transformation": "computed"}
ROWS = {"__colibri_filter__": "chooses rows", "__colibri_join__": "joins rows"}
LAYERS = ("raw", "staging", "intermediate", "marts")
UNREAD = 20  # problems of the parser that the site lists
KINDS = ("source", "seed", "model", "snapshot")


@dataclass(frozen=True, slots=True)
class Test:
    """One test of a node, as declared."""

    unique_id: str
    name: str
    column: str | None
    severity: str


@dataclass(frozen=True, slots=True)
class Node:
    """A source, seed or model.

    Attributes:
        page: its file's name, without ending; unique in the project.
        columns: (name, type, description).
        parents: for each column, (node, column, how) it is built from.
        rows_by: (node, column, how) that decide which rows there are.
    """

    unique_id: str
    name: str
    page: str
    kind: str
    layer: str
    description: str
    materialized: str
    columns: tuple[tuple[str, str, str], ...]
    tests: tuple[Test, ...] = ()
    parents: Mapping[str, tuple[tuple[str, str, str], ...]] = field(default_factory=dict)
    rows_by: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """The nodes by dbt's unique id, in the order the data takes."""

    nodes: Mapping[str, Node]
    unread: tuple[str, ...] = ()  # what the parser could not follow, in its words


def extract(manifest: Path, catalog: Path, side: str, shown_as: str) -> dict[str, Any]:
    """The project as JSON can hold it; the side that was documented goes by the name readers know."""
    from dbt_colibri.lineage_extractor.extractor import DbtColumnLineageExtractor  # sqlglot: 0.4 s

    with _heard() as unread:
        found = DbtColumnLineageExtractor(str(manifest), str(catalog))
        lineage = found.extract_project_lineage()
    nodes = {**found.manifest["sources"], **found.manifest["nodes"]}
    described = {**found.catalog["sources"], **found.catalog["nodes"]}
    tests = tests_of(found.manifest)
    kept = {
        unique_id: {
            "name": node["name"],
            "page": f"{node['source_name']}.{node['name']}" if node["resource_type"] == "source" else node["name"],
            "kind": node["resource_type"],
            "layer": _layer(node, shown_as),
            "description": node.get("description", "").replace(side, shown_as),
            "materialized": node["config"].get("materialized") or node["resource_type"],
            "columns": _columns(node, described.get(unique_id, {})),
            "tests": tests.get(unique_id, []),
            "parents": lineage["lineage"]["parents"].get(unique_id, {}),
        }
        for unique_id, node in nodes.items()
        if node["resource_type"] in KINDS
    }
    return {"nodes": kept, "unread": unread[:UNREAD]}


@contextmanager
def _heard() -> Iterator[list[str]]:
    """The parser's errors, kept off the console; it continues after each, and some appear only in its log."""
    heard: list[str] = []
    log, handler = logging.getLogger("colibri"), logging.Handler(logging.ERROR)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    propagate, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield heard
    finally:
        log.removeHandler(handler)
        log.propagate = propagate


def _layer(node: Mapping[str, Any], marts: str) -> str:
    if node["resource_type"] in ("source", "seed"):
        return "raw"
    folders = node["fqn"][1:-1]
    return marts if marts in folders else folders[0] if folders else "models"


def _columns(node: Mapping[str, Any], described: Mapping[str, Any]) -> list[list[str]]:
    """As the database has them, in its order; as declared, if it was not asked."""
    there = sorted(described.get("columns", {}).values(), key=lambda column: column["index"])
    declared = {name.lower(): column for name, column in node.get("columns", {}).items()}
    if not there:
        return [[c["name"], c.get("data_type") or "", c.get("description", "")] for c in declared.values()]
    return [
        [c["name"], c["type"], declared.get(c["name"].lower(), {}).get("description") or c.get("comment") or ""]
        for c in there
    ]


def load(path: Path) -> Project:
    """What `extract` kept; an empty project if dbt was never documented."""
    if not path.exists():
        return Project({})
    kept = json.loads(path.read_text(encoding="utf-8"))
    nodes = [_node(unique_id, facts) for unique_id, facts in kept["nodes"].items()]
    by_id = {node.unique_id: node for node in nodes}
    ours = f"{OPS}."  # Sluice's own records, of which some models read: after the data
    nodes.sort(key=lambda n: (_place(n.layer), _steps(n, by_id), n.page.startswith(ours), n.name))
    return Project({node.unique_id: node for node in nodes}, tuple(kept["unread"]))


def _steps(node: Node, nodes: Mapping[str, Node]) -> int:
    """How many models lie between a node and the raw data, on the longest way."""
    above = {parent for parents in (*node.parents.values(), node.rows_by) for parent, _, _ in parents}
    return max((1 + _steps(nodes[parent], nodes) for parent in above if parent in nodes), default=0)


def _place(layer: str) -> int:
    return LAYERS.index(layer) if layer in LAYERS else LAYERS.index("intermediate")


def _node(unique_id: str, facts: Mapping[str, Any]) -> Node:
    edges = {
        column: tuple((p["dbt_node"], p["column"], HOW.get(p["lineage_type"], "computed")) for p in parents)
        for column, parents in facts["parents"].items()
        if column not in ROWS
    }
    rows_by = [(p["dbt_node"], p["column"], ROWS[key]) for key in ROWS for p in facts["parents"].get(key, [])]
    return Node(
        unique_id,
        **{key: facts[key] for key in ("name", "page", "kind", "layer", "description", "materialized")},
        columns=tuple((name, kind, text) for name, kind, text in facts["columns"]),
        tests=tuple(Test(*test) for test in facts["tests"]),
        parents=edges,
        rows_by=tuple(rows_by),
    )
