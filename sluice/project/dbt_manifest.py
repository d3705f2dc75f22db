"""What dbt's manifest says: keys, tests, what is downstream of a node. Pure; imports no dbt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def tests_of(manifest: Mapping[str, Any]) -> dict[str, list[list[str | None]]]:
    """Data tests by what they test, and unit tests by their model."""
    tests: dict[str, list[list[str | None]]] = {}
    for unique_id, node in manifest.get("unit_tests", {}).items():
        for tested in node["depends_on"]["nodes"][:1]:
            tests.setdefault(tested, []).append([unique_id, node["name"], None, "error"])
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] != "test":
            continue
        severity = str(node["config"].get("severity", "error")).lower()
        entry = [unique_id, node["name"], node.get("column_name"), severity]
        of = [node["attached_node"]] if node.get("attached_node") else node["depends_on"]["nodes"]
        for tested in of:
            tests.setdefault(tested, []).append(entry)
    return tests


def below(manifest: Mapping[str, Any], kind: str, wanted: Callable[[Mapping[str, Any]], bool]) -> set[str]:
    """The ids of the nodes of a kind that are wanted, and of everything downstream of them."""
    start = [node for node in manifest.get(kind, {}).values() if wanted(node)]
    tests = [node for node in start if node["resource_type"] in ("test", "unit_test")]
    todo = [name for node in tests for name in node["depends_on"]["nodes"]]
    todo += [node["unique_id"] for node in start if node not in tests]
    met: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in met:
            met.add(name)
            todo += manifest["child_map"].get(name, [])
    return met
