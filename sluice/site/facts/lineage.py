"""Nodes, columns and column lineage of the dbt project."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.contract.derive.schemas import OPS
from sluice.contract.formatting import counted
from sluice.project.dbt_manifest import tests_of
from sluice.project.marts.chosen import marts_in
from sluice.site.facts import column_lineage

LAYERS = ("raw", "staging", "intermediate", "marts")
UNREAD = 20  # problems of the parser that the site lists
NAMED = 5  # columns that a warning names
KINDS = ("source", "seed", "model", "snapshot")
SNAPSHOT = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "dbt_is_deleted")  # columns of dbt's own
# What a file has that an earlier version wrote
EARLIER_HOW, EARLIER_ROWS = {"pass-through": "as it is", "rename": "renamed"}, "__colibri_"

Edge = tuple[str, str, str]  # dbt's unique id of a node, its column, and how


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
    parents: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    rows_by: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """The nodes by dbt's unique id, in the order the data takes."""

    nodes: Mapping[str, Node]
    unread: tuple[str, ...] = ()  # what the parser could not follow, in its words


def extract(manifest: Path, catalog: Path, side: str, shown_as: str) -> dict[str, Any]:
    """The project as JSON can hold it; the side that was documented goes by the name readers know."""
    project, asked = (json.loads(path.read_text(encoding="utf-8")) for path in (manifest, catalog))
    nodes = {**project["sources"], **project["nodes"]}
    nodes = {unique_id: node for unique_id, node in nodes.items() if node["resource_type"] in KINDS}
    described = {**asked["sources"], **asked["nodes"]}
    tests, published = tests_of(project), marts_in(project)
    kept: dict[str, dict[str, Any]] = {
        unique_id: {
            "name": node["name"],
            "page": f"{node['source_name']}.{node['name']}" if node["resource_type"] == "source" else node["name"],
            "kind": node["resource_type"],
            "layer": _layer(node, unique_id in published),
            "description": node.get("description", "").replace(side, shown_as),
            "materialized": node["config"].get("materialized") or node["resource_type"],
            "columns": _columns(node, described.get(unique_id, {})),
            "tests": tests.get(unique_id, []),
        }
        for unique_id, node in nodes.items()
    }
    unread: list[str] = []
    for unique_id, parents, rows_by, problems in _lineage(nodes, kept):
        unread += [f"{kept[unique_id]['name']}: {problem}" for problem in problems]
        kept[unique_id] |= {"parents": parents, "rows_by": rows_by}
    return {"nodes": kept, "unread": unread[:UNREAD]}


def _lineage(
    nodes: Mapping[str, Mapping[str, Any]], kept: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Mapping[str, Sequence[Edge]], Sequence[Edge], Sequence[str]]]:
    """(unique id, parents of its columns, what its rows depend on, what could not be followed) of each node."""
    tables = {_table(node): unique_id for unique_id, node in nodes.items()}
    columns = {table: [name for name, _, _ in kept[unique_id]["columns"]] for table, unique_id in tables.items()}

    def known(origins: Iterable[column_lineage.Origin], of: str) -> tuple[Edge, ...]:
        named = ((tables.get(table), column, how) for table, column, how in origins)
        return tuple((parent, column, how) for parent, column, how in named if parent is not None and parent != of)

    for unique_id, node in nodes.items():
        query = node.get("compiled_code")
        if not query or node.get("language") == "python":
            yield unique_id, {}, (), ()
            continue
        added = SNAPSHOT if node["resource_type"] == "snapshot" else ()
        asked = [name for name, _, _ in kept[unique_id]["columns"] if name not in added]
        of = column_lineage.read(query, asked, columns)
        parents = {column: known(found, unique_id) for column, found in of.origins.items()}
        yield unique_id, parents, known(of.rows_by, unique_id), of.problems


def _table(node: Mapping[str, Any]) -> column_lineage.Table:
    """How a query names it."""
    if node["config"].get("materialized") == "ephemeral":
        return "", str(node["name"])
    return str(node["schema"]), str(node.get("alias") or node.get("identifier") or node["name"])


def lost(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """A warning, if columns have no lineage in `now` that had some in `before`; both are of `extract`."""
    gone = [
        f"{node['name']}.{column}"
        for unique_id, node in now["nodes"].items()
        for column, parents in node["parents"].items()
        if not parents and before["nodes"].get(unique_id, {}).get("parents", {}).get(column)
    ]
    if not gone:
        return ()
    names = ", ".join(gone[:NAMED]) + (", ..." if len(gone) > NAMED else "")
    return (
        f"{counted(len(gone), 'column')} had a lineage and now {'has' if len(gone) == 1 else 'have'} none: {names}. "
        "What could not be read is on the site's lineage page",
    )


def _layer(node: Mapping[str, Any], is_mart: bool) -> str:
    """The folder that it lies in; of a mart, which sluice.toml may find elsewhere, `marts`."""
    if node["resource_type"] in ("source", "seed"):
        return "raw"
    if is_mart:
        return LAYERS[-1]
    folders = [folder for folder in node["fqn"][1:-1] if folder != LAYERS[-1]]
    return folders[0] if folders else "models"


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


def load(path: Path) -> LineageGraph:
    """What `extract` kept; an empty project if dbt was never documented."""
    if not path.exists():
        return LineageGraph({})
    kept = json.loads(path.read_text(encoding="utf-8"))
    nodes = [_node(unique_id, facts) for unique_id, facts in kept["nodes"].items()]
    by_id = {node.unique_id: node for node in nodes}
    ours = f"{OPS}."  # Sluice's own records, of which some models read: after the data
    nodes.sort(key=lambda n: (_place(n.layer), _steps(n, by_id), n.page.startswith(ours), n.name))
    return LineageGraph({node.unique_id: node for node in nodes}, tuple(kept["unread"]))


def _steps(node: Node, nodes: Mapping[str, Node]) -> int:
    """How many models lie between a node and the raw data, on the longest way."""
    above = {parent for parents in (*node.parents.values(), node.rows_by) for parent, _, _ in parents}
    return max((1 + _steps(nodes[parent], nodes) for parent in above if parent in nodes), default=0)


def _place(layer: str) -> int:
    return LAYERS.index(layer) if layer in LAYERS else LAYERS.index("intermediate")


def _node(unique_id: str, facts: Mapping[str, Any]) -> Node:
    kept = {column: parents for column, parents in facts["parents"].items() if not column.startswith(EARLIER_ROWS)}
    edges = {column: tuple(_edge(p) for p in parents) for column, parents in kept.items()}
    return Node(
        unique_id,
        **{key: facts[key] for key in ("name", "page", "kind", "layer", "description", "materialized")},
        columns=tuple((name, kind, text) for name, kind, text in facts["columns"]),
        tests=tuple(Test(*test) for test in facts["tests"]),
        parents=edges,
        rows_by=tuple(map(_edge, facts.get("rows_by", ()))),
    )


def _edge(kept: Any) -> Edge:
    """As `extract` keeps it, or as an earlier version of Sluice did."""
    if isinstance(kept, Mapping):
        return kept["dbt_node"], kept["column"], EARLIER_HOW.get(kept["lineage_type"], "computed")
    node, column, how = kept
    return node, column, how
