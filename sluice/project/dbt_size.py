"""How many models and tests the dbt project has, in milliseconds: from dbt's manifest, or counted in the files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sluice.project import paths
from sluice.project.fingerprints import project_files

TESTS = ("test", "unit_test")


@dataclass(frozen=True, slots=True)
class Size:
    """Models and tests (dbt's data tests and unit tests).

    Attributes:
        counted: whether they were counted in the project's files, where what is switched off counts too.
    """

    models: int
    tests: int
    counted: bool

    def __str__(self) -> str:
        return f"{'about ' if self.counted else ''}{self.models} models and {self.tests} tests"


def of_project(home: Path) -> Size:
    """The project's size, from the newest manifest under `home` unless a file of the project is newer."""
    manifests = sorted(home.glob("dbt/*/target/manifest.json"), key=_time)
    if manifests and _time(manifests[-1]) >= max(map(_time, project_files()), default=0):
        return _of_manifest(json.loads(manifests[-1].read_bytes()))
    return count()


def count() -> Size:
    """The size, counted in the project's files."""
    files = [path.relative_to(paths.dbt_project()) for path in project_files()]
    models = [path for path in files if path.parts[0] == "models" and path.suffix == ".sql"]
    singular = [path for path in files if path.parts[:1] == ("tests",) and path.suffix == ".sql"]
    singular = [path for path in singular if path.parts[1] != "generic"]
    described = [yaml.safe_load(path.read_bytes()) for path in project_files() if path.suffix == ".yml"]
    return Size(len(models), len(singular) + sum(map(_tests, described)), counted=True)


def _tests(node: Any) -> int:
    """The tests that a piece of YAML declares."""
    if isinstance(node, list):
        return sum(map(_tests, node))
    if not isinstance(node, dict):
        return 0
    declared = (value for name in ("data_tests", "tests", "unit_tests") for value in (node.get(name),))
    own = sum(len(value) for value in declared if isinstance(value, list))
    return own + sum(_tests(value) for name, value in node.items() if name != "unit_tests")


def _of_manifest(manifest: dict[str, Any]) -> Size:
    kinds = [node["resource_type"] for node in manifest["nodes"].values()]
    kinds += ["unit_test"] * len(manifest.get("unit_tests", {}))
    return Size(kinds.count("model"), sum(kind in TESTS for kind in kinds), counted=False)


def _time(path: Path) -> float:
    return path.stat().st_mtime
