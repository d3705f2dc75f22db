"""Run one dbt command in a child process: its structured log as it runs, its artifacts at the end.

The child is this environment's interpreter, or the one beside another dbt. Either runs side_sessions.py by its path, so
that each session of dbt holds the right to write to its side (docs/decisions/0020), and ends when this process does.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sluice.contract.errors import ConfigError
from sluice.ledger import session_right
from sluice.marts.dbt import side_sessions
from sluice.marts.dbt.environment import DbtPlace
from sluice.marts.dbt.node_tasks import NodeTasks, run_name
from sluice.marts.dbt.results import COMMANDS_WITH_NODES, node_result, of_artifacts, parents_of
from sluice.marts.dbt.runner import BEGAN, DbtOutcome, Problem, Progress
from sluice.marts.dbt.signals import signals_interrupt_dbt

STOP_SECONDS = 5.0  # for dbt to cancel its queries; then the server ends them, once the client is gone
LEVELS = {"info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
ENDED_BADLY = ("MainEncounteredError", "MainStackTrace", "GenericExceptionOnRun")
OF_A_STOP = (*ENDED_BADLY, "RunResultFailure", "RunResultError", "RunResultErrorNoMessage")
# Everything on standard output as JSON, and dbt's own file as it always is
LOG = (
    *("--log-format", "json", "--log-level", "debug", "--log-format-file", "debug", "--log-level-file", "debug"),
    *("--no-use-colors", "--no-send-anonymous-usage-stats"),
)


def python_of(executable: Path | None) -> Path:
    """The interpreter of a dbt: this one, or the one beside the executable.

    Raises:
        ConfigError: there is no such file, or no interpreter beside it, so that its sessions could not be held.
    """
    if executable is None:
        return Path(sys.executable)
    if not executable.is_file():
        raise ConfigError(f"sluice.toml: [dbt] executable: there is no file {executable}")
    folder = executable.resolve().parent
    for name in ("python3", "python"):
        if os.access(folder / name, os.X_OK):
            return folder / name
    raise ConfigError(
        f"sluice.toml: [dbt] executable: {executable} has no Python interpreter beside it. Sluice must hold each "
        "session of dbt, so that a run that was overtaken cannot write any more; it can do so only in a dbt with "
        "dbt-postgres that is installed in a virtual environment: name its bin/dbt"
    )


class ChildProcess:
    """The runner that starts a child process for each command."""

    def __init__(self, python: Path) -> None:
        self.python = python

    def run(self, args: Sequence[str], command: str, place: DbtPlace, progress: Progress | None) -> DbtOutcome:
        """As Runner.run."""
        folders = ("--project-dir", place.project, "--profiles-dir", place.profiles)
        written = ("--target-path", place.target_path, "--log-path", place.logs, "--target", place.target)
        program = (self.python, side_sessions.__file__, session_right.__file__)
        with tempfile.TemporaryFile() as errors:
            with_nodes = command in (*COMMANDS_WITH_NODES, "source freshness")
            run = _Run(place, progress if with_nodes else None, with_nodes)
            code = run.follow([str(each) for each in (*program, *args, *folders, *written, *LOG)], errors)
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
        problem = self._problem(code, run, said)
        if problem is not None:
            return DbtOutcome(run.invocation_id, problem=problem)
        return DbtOutcome(run.invocation_id, run.results, tuple(run.lines))

    def _problem(self, code: int, run: _Run, said: str) -> Problem | None:
        if run.error is not None:
            return Problem(run.error, began=run.began)
        if code == side_sessions.NO_DBT:
            return Problem(f"{said}. dbt-core and dbt-postgres must be installed for this interpreter")
        if code == side_sessions.USAGE:
            return Problem(said, usage=True)
        if code in (0, 1) and run.invocation_id:
            return None
        ended = f"dbt was ended by signal {-code}" if code < 0 else f"dbt ended with code {code}"
        began = run.began or (code < 0 and run.with_nodes)  # what it said last may not have arrived
        return Problem(f"{ended}: {said.splitlines()[-1]}" if said else ended, began=began)


class _Run:
    """One command: what its events say, as they come."""

    def __init__(self, place: DbtPlace, progress: Progress | None, with_nodes: bool) -> None:
        self.place, self.progress, self.with_nodes = place, progress, with_nodes
        self.invocation_id, self.began = "", False
        self.error: str | None = None
        self.lines: list[str] = []
        self.results: tuple[Any, ...] = ()
        self._done, self._total = 0, 0
        self._stopped: Sequence[BaseException] = ()
        self._broke: Exception | None = None  # a fault of ours
        self._parents: dict[str, list[str]] | None = None
        self._tasks = NodeTasks(lambda: bool(self._stopped))

    def follow(self, command: list[str], errors: IO[bytes]) -> int:
        """Start the child, read what it says, and return its exit code once every node's task run has ended."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        child = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
        reader = threading.Thread(target=self._read, args=(child.stdout,), name="dbt's log", daemon=True)
        try:
            with signals_interrupt_dbt(lambda: None) as self._stopped:
                reader.start()
                try:
                    child.wait()
                except KeyboardInterrupt:
                    _interrupt(child)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # and all that it left
            child.wait()
            if child.stdin is not None:
                child.stdin.close()
            reader.join()
            self._end_nodes()
        return child.returncode

    def _end_nodes(self) -> None:
        """A task run for what dbt skipped, and an end for what never came to one."""
        try:
            if self.with_nodes and self.invocation_id and self.error is None and not self._stopped:
                found = of_artifacts(self.place.target_path, self.invocation_id)
                self.results = tuple(node_result(result, self.place.secrets) for result in found)
                for node in self.results:
                    if node.unique_id not in self._tasks and node.resource_type != "source":
                        self._begin(node.unique_id, node.resource_type, node.name)
                    self._tasks.end(node.unique_id, node.status, node.message)
        finally:
            self._tasks.close()
        if self._broke is not None:
            raise self._broke

    def _read(self, output: IO[bytes]) -> None:
        for line in output:
            try:
                event = json.loads(line)
                info, data = event["info"], event.get("data", {})
            except (ValueError, KeyError, TypeError):
                continue  # something printed by a library
            try:
                self._event(info, data)
            except Exception as error:  # noqa: BLE001 - raised in the end: dbt would wait for ever if nobody read
                self._broke = self._broke or error

    def _event(self, info: dict[str, Any], data: dict[str, Any]) -> None:
        self.invocation_id = info.get("invocation_id") or self.invocation_id
        name, node = info["name"], data.get("node_info") or {}
        self.began = self.began or (name in BEGAN and self.with_nodes)
        if name == "LogStartLine":  # as "52 of 72": what dbt says at first leaves out unit tests
            self._total = int(data["total"])
        elif name == "NodeStart" and self.with_nodes:
            self._begin(node["unique_id"], node["resource_type"], node["node_name"])
        elif name == "NodeFinished":
            self._finished(node, data.get("run_result") or {})
        elif name == "MainEncounteredError":
            self.error = str(data.get("exc") or info["msg"]).strip()
        elif name in ("ListCmdOut", "PrintEvent"):
            self.lines.append(info["msg"])
        elif (level := LEVELS.get(info["level"])) is not None and not (self._stopped and name in OF_A_STOP):
            unique_id = node.get("unique_id", "")
            if name not in ENDED_BADLY and (unique_id in self._tasks or level > logging.INFO):
                self._tasks.say(unique_id, level, self.place.secrets.mask(info["msg"]))

    def _begin(self, unique_id: str, resource_type: str, name: str) -> None:
        if self._parents is None:  # dbt writes its manifest before the first node starts
            self._parents = parents_of(self.place.target_path, self.invocation_id)
        self._tasks.begin(unique_id, run_name(resource_type, name), self._parents.get(unique_id, ()))

    def _finished(self, node: dict[str, Any], result: dict[str, Any]) -> None:
        message = self.place.secrets.mask(str(result.get("message") or ""))
        self._tasks.end(node["unique_id"], node["node_status"], message)
        if self.progress is not None:
            self._done += 1
            self.progress(self._done, self._total, node["node_name"])


def _interrupt(child: subprocess.Popen[bytes]) -> None:
    """Let dbt cancel its queries. It is killed afterwards if it does not end; its sessions end with it."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(child.pid, signal.SIGINT)
        child.wait(STOP_SECONDS)
