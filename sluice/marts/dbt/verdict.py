"""What a finished dbt run deserves: nothing, or an error that names each failed node and says how to see its rows."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from sluice.contract.errors import ConfigError, DataError, SluiceError, ToolError
from sluice.marts.dbt.results import BROKEN, MODELS, TESTS, DbtRun, NodeResult

MAX_LISTED = 10  # failed nodes in one message; the rest are counted, the log has them all


class DbtDidNotRun(ToolError):
    """dbt ran no node: the project does not parse, or the database does not answer. Nothing was changed."""


class DbtBrokeOff(ToolError):
    """dbt ended without a result after a node or a hook may have run: the side may have been changed."""


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


def judge(run: DbtRun, *, whole: bool = True) -> SluiceError | None:
    """The error that a finished run deserves, or None.

    Stale sources (`source freshness`) are a finding, not an error of the run: they are left to the caller.
    """
    if run.command == "build" and whole:
        for kind, types in (("models", MODELS), ("tests", TESTS)):
            if not run.counts(*types):
                return ConfigError(
                    f"dbt build: 0 {kind} selected, so nothing was tested. Check the selection and the "
                    f"models' YAML, or list what there is: dbt ls --resource-type {types[0]}"
                )
    broken = [node for node in run.failed if node.status in BROKEN]
    if run.command == "source freshness":
        broken = [node for node in broken if node.status == "runtime error"]
    elif run.skipped and not run.failed:  # an ephemeral model did not compile: dbt lists only what it skips for that
        broken = list(run.skipped)
        return DbtNodesBroke(describe(run, broken), run)
    elif run.failed and not broken:
        return DbtTestsFailed(describe(run, run.failed), run)
    return DbtNodesBroke(describe(run, run.failed), run) if broken else None


def describe(run: DbtRun, failed: Iterable[NodeResult], *, stays: bool = True) -> str:
    """What failed, one node after the other.

    Args:
        stays: whether what was built can still be read after the message, so that it says how.
    """
    failed = tuple(failed)
    head = f"dbt {run.command}: {len(failed)} of {len(run.nodes)} nodes failed"
    head += f", {len(run.skipped)} skipped because of them" if run.skipped else ""
    lines = [head, *(line for node in failed[:MAX_LISTED] for line in _describe_node(node, stays))]
    if len(failed) > MAX_LISTED:
        lines.append(f"  and {len(failed) - MAX_LISTED} more")
    return "\n".join([*lines, f"dbt's log: {_shown(run.log)}"])


def _describe_node(node: NodeResult, stays: bool) -> list[str]:
    kind = node.resource_type.replace("_", " ")
    message = "\n      ".join(line.strip() for line in node.message.splitlines() if line.strip())
    lines = [f"  {kind} {node.name}: {message or node.status}"]
    if node.sql is not None and node.sql.exists() and (node.resource_type, node.status) == ("test", "fail"):
        lines += [f"    see them: {rows_command(node.sql)}"] if stays else []
    elif node.sql is not None and node.sql.exists():
        lines.append(f"    its SQL: {_shown(node.sql)}")
    return lines


def rows_command(path: Path) -> str:
    """What to type to see the rows that a test found: `path` is its compiled SQL."""
    return f'sluice sql "$(cat {shlex.quote(_shown(path))})" --as-owner'  # a reader sees the marts only


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
