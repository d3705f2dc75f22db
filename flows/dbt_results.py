"""What a dbt run gave, as frozen values, and the words for what went wrong. Runs nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.errors import ConfigError, DataError, SluiceError, ToolError

BROKEN = ("error", "runtime error", "partial success")  # dbt could not do it: a tool's failure
TESTS = ("test", "unit_test")
MODELS = ("model", "snapshot")
COMMANDS_WITH_NODES = ("build", "run", "test", "seed", "snapshot")
MAX_LISTED = 10  # failed nodes in one message; the rest are counted, the log has them all
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class NodeResult:
    """One node of a dbt run, with dbt's own verdict.

    Attributes:
        status: dbt's word: success, pass, warn, fail, error, skipped, no-op, runtime error.
        failures: rows that a test found; None for other nodes.
        rows: rows that dbt says it wrote; None where the database does not tell.
        sql: the compiled SQL, if dbt wrote it.
        layer: folder under models/ that declares it (staging, intermediate, marts), or seeds, tests.
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
    """

    command: str
    invocation_id: str
    nodes: tuple[NodeResult, ...]
    seconds: float
    target_path: Path
    log: Path

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


class DbtDidNotRun(ToolError):
    """dbt ran no node: the project does not parse, or the database does not answer. Nothing was changed."""


class DbtNodesBroke(ToolError):
    """A model, seed, or test of a dbt run could not be executed. Carries the run."""

    def __init__(self, message: str, run: DbtRun) -> None:
        super().__init__(message)
        self.run = run


class DbtTestsFailed(DataError):
    """Every node ran, and tests of severity error found rows. Carries the run."""

    def __init__(self, message: str, run: DbtRun) -> None:
        super().__init__(message)
        self.run = run


@dataclass(frozen=True, slots=True)
class Secrets:
    """Words that no message may show."""

    words: tuple[str, ...] = field(repr=False, default=())

    def mask(self, text: str) -> str:
        for word in filter(None, self.words):
            text = text.replace(word, "*****")
        return _COLOURS.sub("", text)


def node_result(result: Any, secrets: Secrets) -> NodeResult:
    """dbt's result object as a NodeResult. Takes run results and freshness results."""
    node = result.node
    response = getattr(result, "adapter_response", None) or {}
    rows = response.get("rows_affected") if isinstance(response, Mapping) else None
    rows = rows if isinstance(rows, int) and rows >= 0 else None
    failures = getattr(result, "failures", None)
    if str(node.resource_type) == "test":  # one within its tolerance passes, and dbt's own count is then lost
        counted = str(response.get("_message")).endswith(" failing")  # by macros/tests/tolerance.sql
        failures, rows = rows if counted else failures, None
    compiled = getattr(node, "compiled_path", None)
    name = node.name if node.resource_type != "source" else f"{node.source_name}.{node.name}"
    return NodeResult(
        unique_id=node.unique_id,
        name=name,
        resource_type=str(node.resource_type),
        status=str(result.status),
        message=secrets.mask(str(result.message or _age(result))),
        failures=failures,
        rows=rows,
        seconds=float(result.execution_time or 0.0),
        sql=Path(compiled) if compiled else None,
        layer=_layer(getattr(node, "original_file_path", "") or ""),
    )


def _layer(path: str) -> str:
    folders = Path(path).parts[:-1]
    return folders[1] if len(folders) > 1 and folders[0] == "models" else "".join(folders[:1])


def judge(run: DbtRun) -> SluiceError | None:
    """The error that a finished run deserves, or None.

    Stale sources (`source freshness`) are a finding, not an error of the run: they are left to the caller.
    """
    if run.command == "build":
        for kind, types in (("models", MODELS), ("tests", TESTS)):
            if not run.counts(*types):
                return ConfigError(
                    f"dbt build: 0 {kind} selected, so nothing is proven. Look at the selection and at the "
                    f"models' YAML, or list what there is: dbt ls --resource-type {types[0]}"
                )
    broken = [node for node in run.failed if node.status in BROKEN]
    if run.command == "source freshness":
        broken = [node for node in broken if node.status == "runtime error"]
    elif run.failed and not broken:
        return DbtTestsFailed(_describe(run, run.failed), run)
    return DbtNodesBroke(_describe(run, run.failed), run) if broken else None


def _describe(run: DbtRun, failed: Iterable[NodeResult]) -> str:
    failed = tuple(failed)
    head = f"dbt {run.command}: {len(failed)} of {len(run.nodes)} nodes failed"
    head += f", {len(run.skipped)} skipped because of them" if run.skipped else ""
    lines = [head, *(line for node in failed[:MAX_LISTED] for line in _describe_node(node))]
    if len(failed) > MAX_LISTED:
        lines.append(f"  and {len(failed) - MAX_LISTED} more")
    return "\n".join([*lines, f"dbt's log: {_shown(run.log)}"])


def _describe_node(node: NodeResult) -> list[str]:
    kind = node.resource_type.replace("_", " ")
    message = "\n      ".join(line.strip() for line in node.message.splitlines() if line.strip())
    if node.status == "fail" and node.resource_type == "test":
        lines = [f"  {kind} {node.name}: {node.failures} failing rows ({message})"]
    else:
        lines = [f"  {kind} {node.name}: {message or node.status}"]
    if node.sql is not None and node.sql.exists() and node.resource_type == "test":
        lines.append(f'    see them: sluice sql "$(cat {shlex.quote(_shown(node.sql))})"')
    elif node.sql is not None and node.sql.exists():
        lines.append(f"    its SQL: {_shown(node.sql)}")
    return lines


def _age(result: Any) -> str:
    """A freshness result's facts; dbt gives it no message."""
    newest = getattr(result, "max_loaded_at", None)
    return f"newest row {newest}, {result.age / 3600:.1f} hours old" if newest else ""


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
