"""The view of a model, its tests and column trails."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from markupsafe import Markup

from sluice.marts.dbt.verdict import rows_command
from sluice.site.facts.ledger import Snapshot
from sluice.site.facts.lineage import LAYERS, LineageGraph, Node, Test
from sluice.site.pages import plots
from sluice.site.pages.plots import Point

NodeColumn = tuple[str, str]  # (node's unique id, column)
BAD = ("fail", "error", "runtime error", "partial success")
AGES = {"pass": "fresh", "warn": "late", "error": "stale", "skipped": "no row yet"}  # of a source, dbt's words in ours


@dataclass(frozen=True, slots=True)
class TestView:
    """A test as declared, its newest result, if it ever ran, and what to type to see the rows it found."""

    test: Test
    result: sa.Row | None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """A column on a trail. `how` it is built from what comes before it; `here` if the trail is its own."""

    node: Node
    column: str
    how: str
    here: bool = False


@dataclass(frozen=True, slots=True)
class Trail:
    """All columns that one column is built from, and all that are built from it, by layer."""

    column: str
    layers: tuple[tuple[str, tuple[tuple[Node, tuple[Stop, ...]], ...]], ...]
    marts: int  # columns of marts that need it
    sources: int  # raw columns that it needs
    direct: tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class ModelView:
    """One source, seed or model. `result` is of its newest build."""

    node: Node
    result: sa.Row | None
    tests: tuple[TestView, ...]
    trails: Mapping[str, Trail]
    plot: Markup
    rows: int | None
    live: bool  # readers have it, as its newest build made it or an older one
    newest_live: bool

    @property
    def verdict(self) -> str:
        """dbt's word for its newest build, ours for a source's age; none for what dbt does neither build nor ask."""
        word = str(self.result.status) if self.result is not None else ""
        return AGES.get(word, word) if self.node.kind == "source" else word

    @property
    def standing(self) -> str:
        """What became of its newest build for readers of the marts."""
        if self.verdict != "success":
            return self.verdict or "not built"
        return "published" if self.newest_live else "not published"

    def counts(self) -> dict[str, int]:
        """Tests by status; those that never ran under `not run`."""
        found: dict[str, int] = defaultdict(int)
        for test in self.tests:
            found[test.result.status if test.result is not None else "not run"] += 1
        return dict(sorted(found.items(), key=lambda item: item[0] not in (*BAD, "warn")))


def views(graph: LineageGraph, facts: Snapshot, commands: Mapping[str, str]) -> list[ModelView]:
    """Every node, in the order the data takes.

    Args:
        commands: what to type to see the rows of a failed test, by its unique id.
    """
    children = _children(graph)
    models = set(facts.publication.models) if facts.publication is not None else set()
    return [_view(node, graph, children, facts, models, commands) for node in graph.nodes.values()]


def _view(
    node: Node,
    graph: LineageGraph,
    children: Mapping[NodeColumn, list[tuple[str, str, str]]],
    facts: Snapshot,
    live: set[str],
    commands: Mapping[str, str],
) -> ModelView:
    history = facts.dbt.get(node.unique_id, [])
    points = [Point(f"{row.recorded_at:%Y-%m-%d}", float(row.rows or 0)) for row in reversed(history)]
    in_marts = node.layer == "marts" and node.name in live
    result = history[0] if history else None
    publication = facts.publication
    return ModelView(
        node=node,
        result=result,
        tests=_tests(node, facts, commands),
        trails={name: _trail(graph, children, node, name) for name, _, _ in node.columns},
        plot=plots.rows(points, f"Rows that each build wrote to {node.name}, by day"),
        rows=facts.mart_rows.get(node.name) if in_marts else None,
        live=in_marts,
        newest_live=in_marts and publication is not None and result is not None and result.side == publication.side,
    )


def _tests(node: Node, facts: Snapshot, commands: Mapping[str, str]) -> tuple[TestView, ...]:
    """What failed comes first, then what warned."""
    found = [
        TestView(test, next(iter(facts.dbt.get(test.unique_id, [])), None), commands.get(test.unique_id, ""))
        for test in node.tests
    ]
    urgency = [*BAD, "warn"]
    return tuple(sorted(found, key=lambda test: test.result is None or test.result.status not in urgency))


def _children(graph: LineageGraph) -> dict[NodeColumn, list[tuple[str, str, str]]]:
    found: dict[NodeColumn, list[tuple[str, str, str]]] = defaultdict(list)
    for node in graph.nodes.values():
        for column, parents in node.parents.items():
            for parent, name, how in parents:
                found[parent, name].append((node.unique_id, column, how))
    return dict(found)


def _trail(
    graph: LineageGraph, children: Mapping[NodeColumn, list[tuple[str, str, str]]], node: Node, column: str
) -> Trail:
    start = (node.unique_id, column)
    above = _reached(start, lambda place: _parents(graph, place))
    below = _reached(start, lambda place: children.get(place, ()))
    stops = [_stop(graph, place, _how(graph, place)) for place in (*above, *below)]
    stops.append(Stop(node, column, _how(graph, start), here=True))
    known = [stop for stop in stops if stop is not None]
    order = {unique_id: place for place, unique_id in enumerate(graph.nodes)}
    known.sort(key=lambda stop: (order[stop.node.unique_id], stop.column))
    layers = dict.fromkeys([*LAYERS, *(stop.node.layer for stop in known)])
    ends = [stop for stop in known if stop.node.layer == LAYERS[-1] and not stop.here]
    starts = [stop for stop in known if stop.node.layer == LAYERS[0] and not stop.here]
    direct = [_stop(graph, (parent, name), how) for parent, name, how in _parents(graph, start)]
    return Trail(
        column,
        tuple((layer, _by_node(stop for stop in known if stop.node.layer == layer)) for layer in layers),
        len(ends),
        len(starts),
        tuple(stop for stop in direct if stop is not None),
    )


def _by_node(stops: Iterable[Stop]) -> tuple[tuple[Node, tuple[Stop, ...]], ...]:
    return tuple((next(iter(found)).node, tuple(found)) for _, group in groupby(stops, _node_id) if (found := [*group]))


def _node_id(stop: Stop) -> str:
    return stop.node.unique_id


def _parents(graph: LineageGraph, place: NodeColumn) -> Iterable[tuple[str, str, str]]:
    node = graph.nodes.get(place[0])
    return node.parents.get(place[1], ()) if node else ()


def _reached(start: NodeColumn, onwards: Callable[[NodeColumn], Iterable[tuple[str, str, str]]]) -> list[NodeColumn]:
    """Every place that can be reached, without the start, each once."""
    seen, waiting = {start}, [start]
    for place in waiting:
        for node, column, _ in onwards(place):
            if (node, column) not in seen:
                seen.add((node, column))
                waiting.append((node, column))
    return waiting[1:]


def _how(graph: LineageGraph, place: NodeColumn) -> str:
    """The most that was done to get it: computed, before renamed, before as it is."""
    done = {how for _, _, how in _parents(graph, place)}
    return next((how for how in ("computed", "renamed", "as it is") if how in done), "")


def _stop(graph: LineageGraph, place: NodeColumn, how: str) -> Stop | None:
    node = graph.nodes.get(place[0])
    return Stop(node, place[1], how) if node else None


def commands(home: Path, results: Iterable[sa.Row]) -> dict[str, str]:
    """By the test's unique id.

    Args:
        results: the newest of each dbt node. One whose build left nothing here any more, or was made elsewhere, has
            no command.
    """
    found = {}
    of_side = cache(lambda side: _manifest(home, side))
    for row in results:
        manifest = of_side(row.side) if row.status == "fail" and row.resource_type == "test" else {}
        if manifest.get("metadata", {}).get("invocation_id") != row.invocation_id:
            continue  # of another build
        path = manifest["nodes"].get(row.unique_id, {}).get("compiled_path")
        if path and Path(path).exists():
            found[row.unique_id] = rows_command(Path(path))
    return found


def _manifest(home: Path, side: str) -> Mapping[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((home / "dbt" / side / "target" / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return manifest
