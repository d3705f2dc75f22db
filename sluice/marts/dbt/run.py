"""Run one dbt command on one side; keep every node's result in `ops.dbt_results`."""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from sluice import memory
from sluice.contract.errors import ConfigError
from sluice.ledger.tables import dbt_results
from sluice.marts.dbt.environment import DbtPlace
from sluice.marts.dbt.results import COMMANDS_WITH_NODES, DbtRun, NodeResult
from sluice.marts.dbt.runner import DbtOutcome, Problem, Progress, Runner
from sluice.marts.dbt.verdict import DbtBrokeOff, DbtDidNotRun, judge
from sluice.project import paths
from sluice.warehouse.warehouse import Warehouse

_one_at_a_time = threading.Lock()  # dbt keeps its adapter, flags and events in globals, its state in one folder


def on_side(warehouse: Warehouse, side: str, build_id: int | None = None) -> DbtPlace:
    """Where dbt builds a side of the warehouse, or only reads it: without a build it may not write."""
    places = paths.home(), paths.dbt_project(), paths.profiles()
    target = paths.project().settings.dbt_target or warehouse.target
    return DbtPlace(warehouse.dbt.url, side, target, *places, build_id, warehouse.schemas.ops)


def run_dbt(
    args: Sequence[str],
    place: DbtPlace,
    progress: Progress | None = None,
    carried: Sequence[NodeResult] = (),
    *,
    whole: bool = True,
) -> DbtRun:
    """Run one dbt command (`["build", "--select", ...]`) and return its nodes' results.

    Args:
        progress: called with (nodes done, nodes in all, node) from dbt's threads; must be quick, not raise.
        carried: results of nodes that are left as they are; they count as if they were run.
        whole: whether a build must have models and tests; one of a few models may have neither.

    Raises:
        DataError: tests of severity error found rows (as DbtTestsFailed, which carries the run).
        ToolError: dbt or one of its nodes broke (as DbtNodesBroke, which carries the run, where nodes ran).
        ConfigError: dbt does not know the arguments, or a build selects no model or no test.
    """
    command = _command(args)
    started = time.monotonic()
    outcome = _invoke(args, command, place, progress)
    run = DbtRun(
        command=command,
        invocation_id=outcome.invocation_id,
        nodes=(*outcome.nodes, *carried),
        seconds=time.monotonic() - started,
        target_path=place.target_path,
        log=place.log,
        carried=len(carried),
    )
    if problem := judge(run, whole=whole):
        raise problem
    if command in COMMANDS_WITH_NODES:
        run.artifact("run_results")
    return run


def nothing_to_build(place: DbtPlace, carried: Sequence[NodeResult]) -> DbtRun:
    """A build of which every node is left as it is: the project is read, so that there is a manifest of this run.

    Raises:
        ToolError: the project does not parse.
    """
    parsed = run_dbt(["parse"], place)
    return replace(parsed, command="build", nodes=tuple(carried), carried=len(carried))


def list_nodes(args: Sequence[str], keys: Sequence[str], place: DbtPlace) -> list[str]:
    """`dbt ls`: its lines, which may be none. Opens no connection. No option may come twice: prefect-dbt drops one.

    Raises:
        ToolError: the project, or the state it is compared with, cannot be read.
        ConfigError: dbt does not know the arguments.
    """
    # That nothing is selected is an answer here, where in a build it is a mistake
    lenient = ["--warn-error-options", '{"silence": ["NoNodesForSelectionCriteria"]}']
    return list(_invoke(["ls", *args, *lenient, "--output-keys", *keys], "ls", place).lines)


def _invoke(args: Sequence[str], command: str, place: DbtPlace, progress: Progress | None = None) -> DbtOutcome:
    """Run dbt by the project's runner; raise what kept it from running any node."""
    place.logs.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time, place.environment():  # which dbt must find when it is imported, too
        outcome = chosen().run(args, command, place, progress)
    memory.give_back()
    if outcome.problem is not None:
        raise _why_it_did_not_run(outcome.problem, command, args, place)
    return outcome


def chosen() -> Runner:
    """The runner that the project's sluice.toml names.

    Raises:
        ConfigError: it names a dbt that cannot be run.
    """
    settings = paths.project().settings
    if settings.runner == "process":
        from sluice.marts.dbt import child  # and Prefect, which a command that only shows does without

        return child.ChildProcess(child.python_of(settings.dbt_executable))
    from sluice.marts.dbt.nodes import InProcess  # imports dbt, 2 s: only for who runs it

    return InProcess()


def _command(args: Sequence[str]) -> str:
    """The command's name: the leading words, "docs generate" of `docs generate --no-compile`."""
    words: list[str] = []
    for arg in args:
        if arg.startswith("-"):
            break
        words.append(arg)
    if not words:
        raise ConfigError(f"dbt {shlex.join(args)}: put the command first: build, test, docs generate, ...")
    return " ".join(words[:2]) if words[0] in ("docs", "source") else words[0]


def _why_it_did_not_run(
    problem: Problem, command: str, args: Sequence[str], place: DbtPlace
) -> ConfigError | DbtBrokeOff | DbtDidNotRun:
    """dbt's own words for why it has no result: usage, parsing, compiling, connecting, or an end half-way."""
    words = place.secrets.mask(problem.words)
    if problem.usage:
        return ConfigError(f"dbt {place.secrets.mask(shlex.join(args))}: {words}")
    log = f"dbt's log: {os.path.relpath(place.log)}"
    if problem.began:
        return DbtBrokeOff(f"dbt {command} did not finish: {words}\n{log}")
    return DbtDidNotRun(f"dbt {command} could not run: {words}\n{log}")


def keep(connection: sa.Connection, side: str, run: DbtRun, run_id: str | None) -> None:
    """Write every node's status, rows, failing count and time. A run with no node writes nothing."""
    rows = [
        {
            "invocation_id": run.invocation_id,
            "unique_id": node.unique_id,
            "side": side,
            "resource_type": node.resource_type,
            "status": node.status,
            "rows": node.rows,
            "failures": node.failures,
            "seconds": node.seconds,
            "message": node.message or "",
            "run_id": run_id,
            "measured_at": node.measured_at,
        }
        for node in run.nodes
    ]
    if rows:
        connection.execute(dbt_results.insert(), rows)
