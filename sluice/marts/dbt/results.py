"""What a dbt run gave, as frozen values. Runs nothing, and judges nothing: that is sluice/marts/dbt/verdict.py."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sluice.contract.errors import ToolError
from sluice.contract.formatting import counted, percent

BROKEN = ("error", "runtime error", "partial success")  # dbt could not do it: a tool's failure
TESTS = ("test", "unit_test")
MODELS = ("model", "snapshot")
COMMANDS_WITH_NODES = ("build", "run", "test", "seed", "snapshot")
# What of a manifest can have a result
WITH_RESULTS = (
    "nodes",
    "sources",
    "unit_tests",
    "exposures",
    "metrics",
    "saved_queries",
    "semantic_models",
    "functions",
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class NodeResult:
    """One node of a dbt run, with dbt's own verdict.

    Attributes:
        status: dbt's word: success, pass, warn, fail, error, skipped, no-op, runtime error. A source that never had a
            row is skipped: dbt takes it for one of the year 1.
        failures: rows that a test found; None for other nodes.
        rows: rows that dbt says it wrote; None where the database does not report it.
        sql: the compiled SQL, if dbt wrote it.
        layer: folder under models/ that declares it (staging, intermediate, marts), or models itself; seeds, tests,
            hooks.
        measured_at: when dbt ran it, if that was in an earlier build whose result still holds.
    """

    unique_id: str
    name: str
    resource_type: str
    status: str
    message: str
    failures: int | None
    rows: int | None
    seconds: float
    sql: Path | None = None
    layer: str = ""
    measured_at: datetime | None = None

    @property
    def failed(self) -> bool:
        return self.status == "fail" or self.status in BROKEN

    def __str__(self) -> str:
        return f"{self.resource_type.replace('_', ' ')} {self.name}: {self.status}"


@dataclass(frozen=True, slots=True)
class DbtRun:
    """One dbt command that ran to its end, whether its nodes passed or not.

    Attributes:
        command: "build", "docs generate", ...
        target_path: where this run wrote its artifacts.
        log: dbt's own log file.
        carried: how many of the nodes were not run, as the side has them already.
    """

    command: str
    invocation_id: str
    nodes: tuple[NodeResult, ...]
    seconds: float
    target_path: Path
    log: Path
    carried: int = 0

    @property
    def failed(self) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.failed)

    @property
    def warned(self) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.status == "warn")

    @property
    def skipped(self) -> tuple[NodeResult, ...]:
        return tuple(node for node in self.nodes if node.status == "skipped")

    def counts(self, *resource_types: str) -> dict[str, int]:
        """Nodes by status, of the given resource types or of all: {"pass": 20, "warn": 1}."""
        found: dict[str, int] = {}
        for node in self.nodes:
            if not resource_types or node.resource_type in resource_types:
                found[node.status] = found.get(node.status, 0) + 1
        return found

    def artifact(self, name: str) -> dict[str, Any]:
        """The artifact `name` ("manifest", "run_results", "catalog", "sources") that this very run wrote.

        Raises ToolError when it is missing or is left over from another run.
        """
        path = self.target_path / f"{name}.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            written_by = content["metadata"]["invocation_id"]
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise ToolError(f"dbt {self.command}: cannot read {path} ({problem}). Run it again") from problem
        if written_by != self.invocation_id:
            raise ToolError(
                f"dbt {self.command}: {path} is stale: run {written_by} wrote it, not {self.invocation_id}. "
                f"Delete {self.target_path} and run again"
            )
        return content


@dataclass(frozen=True, slots=True)
class Secrets:
    """Words that no message may show."""

    words: tuple[str, ...] = field(repr=False, default=())

    def mask(self, text: str) -> str:
        for word in filter(None, self.words):
            text = text.replace(word, "*****")
        return _COLOURS.sub("", text)


def of_artifacts(target_path: Path, invocation_id: str) -> list[Any]:
    """The results that a run wrote, in the shape of dbt's result objects: for `node_result`. Empty if it wrote none."""
    nodes = _of_run(target_path, "manifest", invocation_id)
    known = {unique_id: node for kind in WITH_RESULTS for unique_id, node in nodes.get(kind, {}).items()}
    written = (_of_run(target_path, name, invocation_id).get("results", ()) for name in ("run_results", "sources"))
    return [_as_object(result, known[result["unique_id"]], target_path) for results in written for result in results]


def parents_of(target_path: Path, invocation_id: str) -> dict[str, list[str]]:
    """What each node depends on, by its id, from the manifest that a run wrote before its first node started."""
    return dict(_of_run(target_path, "manifest", invocation_id).get("parent_map", {}))


def _of_run(target_path: Path, name: str, invocation_id: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((target_path / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if content.get("metadata", {}).get("invocation_id") == invocation_id else {}


def _as_object(result: dict[str, Any], node: dict[str, Any], target_path: Path) -> Any:
    if node["resource_type"] == "unit_test":  # the manifest does not say where its SQL is
        folder = target_path / "compiled" / node["package_name"] / node["original_file_path"]
        node = {**node, "compiled_path": next(folder.rglob(f"{node['name']}.sql"), None)}
    config = SimpleNamespace(**{"meta": {}, "error_if": "", "warn_if": "", **(node.get("config") or {})})
    newest = result.get("max_loaded_at")
    given = {
        "message": result.get("message") or result.get("error"),
        "execution_time": result.get("execution_time"),
        "max_loaded_at": datetime.fromisoformat(newest) if newest else None,
        "age": result.get("max_loaded_at_time_ago_in_s"),
    }
    return SimpleNamespace(**{**result, **given, "node": SimpleNamespace(**{**node, "config": config})})


def node_result(result: Any, secrets: Secrets) -> NodeResult:
    """dbt's result object as a NodeResult. Takes run results and freshness results."""
    node = result.node
    response = getattr(result, "adapter_response", None) or {}
    rows = response.get("rows_affected") if isinstance(response, Mapping) else None
    rows = rows if isinstance(rows, int) and rows >= 0 else None
    failures = getattr(result, "failures", None)
    if str(node.resource_type) == "test":  # one within its tolerance passes, and dbt's own count is then lost
        of_a_count = str(response.get("_message")).endswith(" failing")  # by macros/tests/tolerance.sql
        failures, rows = rows if of_a_count else failures, None
    compiled = getattr(node, "compiled_path", None)
    name = node.name if node.resource_type != "source" else f"{node.source_name}.{node.name}"
    newest = getattr(result, "max_loaded_at", None)
    status = "skipped" if newest and newest.year == 1 else str(result.status)
    return NodeResult(
        unique_id=node.unique_id,
        name=name,
        resource_type=str(node.resource_type),
        status=status,
        message=secrets.mask(_found(node, status, failures) or str(result.message or _age(newest, result))),
        failures=failures,
        rows=rows,
        seconds=float(result.execution_time or 0.0),
        sql=Path(compiled) if compiled else None,
        layer=_layer(node),
    )


def _found(node: Any, status: str, failures: int | None) -> str:
    """What a test found, and its bound, if it has one. dbt's own words do not know of a tolerance."""
    if str(node.resource_type) != "test" or status not in ("fail", "warn") or failures is None:
        return ""
    rows = counted(failures, "failing row")
    tolerance = (node.config.meta or {}).get("tolerance")
    if tolerance is not None:
        return f"{rows} (tolerance {percent(float(tolerance))})"
    bound = node.config.error_if if status == "fail" else node.config.warn_if
    return rows if bound == "!= 0" else f"{rows} ({'fails' if status == 'fail' else 'warns'} if {bound})"


def _layer(node: Any) -> str:
    if str(node.resource_type) == "operation":
        return "hooks"
    folders = Path(getattr(node, "original_file_path", "") or "").parts[:-1]
    return folders[1] if len(folders) > 1 and folders[0] == "models" else "".join(folders[:1])


def _age(newest: datetime | None, result: Any) -> str:
    """A freshness result's facts; dbt gives it no message."""
    if not newest:
        return ""
    if newest.year == 1:
        return "no rows have been loaded"
    return age_in_words(newest, result.age)


def age_in_words(newest: datetime, seconds: float) -> str:
    """How old data is that goes up to a moment (UTC)."""
    hours = seconds / 3600
    age = f"{hours:.1f} hours" if hours < 72 else f"{hours // 24:.0f} days"
    return f"its data goes up to {newest:%Y-%m-%d %H:%M} UTC, {age} old"
