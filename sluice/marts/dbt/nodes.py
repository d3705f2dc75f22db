"""Run one dbt command in this process, every node a Prefect task run; end only when they all have ended.

The only module that imports prefect_dbt and dbt. That takes 2 s, so sluice/marts/dbt/run.py imports it late, when it is
about to run dbt. Knows nothing of sides or files; of dbt's connections, only how to cancel what they run.

prefect-dbt's runner starts a daemon thread per node and joins none: a process that ends meanwhile aborts
(docs/decisions/0005-dbt-runner.md). `NodeRunner` replaces how a node's task run is made, and joins them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache
from io import StringIO, TextIOBase
from pathlib import Path
from typing import Any, TextIO

import psycopg2
from dbt.adapters.contracts.connection import ConnectionState
from dbt.adapters.factory import FACTORY
from dbt.cli.exceptions import DbtUsageException
from dbt_common.behavior_flags import BehaviorFlagRendered
from dbt_common.events.base_types import EventLevel
from dbt_common.invocation import get_invocation_id
from prefect.client.schemas.objects import State
from prefect_dbt import PrefectDbtRunner, PrefectDbtSettings  # type: ignore[import-untyped]

from sluice.ledger import session_right
from sluice.marts.dbt import node_tasks, side_sessions
from sluice.marts.dbt.environment import DbtPlace
from sluice.marts.dbt.results import COMMANDS_WITH_NODES, node_result
from sluice.marts.dbt.runner import BEGAN, DbtOutcome, Problem, Progress
from sluice.marts.dbt.signals import signals_interrupt_dbt

# What dbt says of an exception that ends it, and of the nodes that it takes down
STOPPED_LINES = (
    *("MainEncounteredError", "MainStackTrace", "GenericExceptionOnRun"),
    *("RunResultFailure", "RunResultError", "RunResultErrorNoMessage"),
)
CONNECT_TIMEOUT = 3  # s, whole ones, to reach the server with a cancel


class Stopped(Exception):
    """A signal came before this node was begun. dbt takes it for the node's error."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a dbt command ended: its result object, or the exception that stopped it."""

    result: Any
    error: BaseException | None
    invocation_id: str


class UntilStopped(TextIOBase):
    """Standard error, until a signal has come: what dbt prints then is a traceback."""

    def __init__(self, stream: TextIO, stopped: Callable[[], bool]) -> None:
        self.stream, self.stopped = stream, stopped

    def isatty(self) -> bool:
        return self.stream.isatty()

    def write(self, text: str) -> int:
        return len(text) if self.stopped() else self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()


class InProcess:
    """The runner that runs dbt in this process."""

    def run(self, args: Sequence[str], command: str, place: DbtPlace, progress: Progress | None) -> DbtOutcome:
        """As Runner.run."""
        side_sessions.install(session_right)
        _look_once()
        # Prefect's logs and dbt's own file hold what dbt says; the console shows it once
        quiet = ["--quiet", "--no-use-colors", "--no-send-anonymous-usage-stats", "--log-path", str(place.logs)]
        with_nodes = command in (*COMMANDS_WITH_NODES, "source freshness")
        dbt = NodeRunner(place.project, place.profiles, place.target_path, progress)
        # Even so, dbt prints errors, and what `ls` lists; standard output is for the JSON of our own commands
        with redirect_stdout(StringIO() if command == "ls" else UntilStopped(sys.stderr, lambda: bool(dbt.signals))):
            ended = dbt.run([*args, "--target", place.target, *quiet], task_runs=with_nodes)
        if ended.error is not None:
            words = str(ended.error).strip() or type(ended.error).__name__
            usage = isinstance(ended.error, DbtUsageException)
            return DbtOutcome(ended.invocation_id, problem=Problem(words, usage, began=with_nodes and dbt.began))
        results = getattr(ended.result, "results", None) if with_nodes else None
        nodes = tuple(node_result(result, place.secrets) for result in results or ())
        return DbtOutcome(ended.invocation_id, nodes, tuple(ended.result or ()) if command == "ls" else ())


def _look_once() -> None:
    """Let dbt look through the stack and all modules once, and not for each of its 18 flags in each command.

    That takes up to half a second a command, for the name of a module, and also where the flag brings it: read in
    dbt-common 1.39, `BehaviorFlagRendered.__init__`.
    """
    look = getattr(BehaviorFlagRendered, "_default_source", None)
    if look is not None and not hasattr(look, "cache_info"):
        BehaviorFlagRendered._default_source = staticmethod(cache(look))  # type: ignore[method-assign]


class _Settings(PrefectDbtSettings):
    """Takes profiles.yml as it is. prefect-dbt asks the Prefect API for blocks that it might name: ours names none."""

    @contextmanager
    def resolve_profiles_yml(self) -> Iterator[str]:
        yield str(self.profiles_dir)


class NodeRunner(PrefectDbtRunner):
    """PrefectDbtRunner whose node task runs are joined, hold dbt's message, and exist for skipped nodes.

    It has its own `_queue_callback`, `_create_unified_callback` and `_call_task`, which are not public (read in
    prefect-dbt 0.7; docs/decisions/0005-dbt-runner.md).
    """

    def __init__(self, project: Path, profiles: Path, target_path: Path, progress: Progress | None) -> None:
        settings = _Settings(
            project_dir=project,
            profiles_dir=profiles,
            target_path=target_path,
            log_level=EventLevel.INFO,  # the default is Prefect's own, and "warning" is not a level of dbt's
        )
        unused: Any = object()  # outside a flow, asking for a client would start a temporary server
        super().__init__(settings=settings, client=unused, raise_on_failure=False, disable_assets=True)
        self._threads: dict[str, threading.Thread] = {}
        self._tracker: Any = None
        self._task_runs = False
        self._run_context = copy_context()
        self._progress = progress
        self._done, self._total, self.began = 0, 0, False
        self._stopped_by: BaseException | None = None
        self.signals: Sequence[BaseException] = ()
        self.on_run_end(self._note_error)

    def run(self, args: list[str], *, task_runs: bool) -> Ended:
        """Run dbt with `args`; with `task_runs` and inside a flow or task, a task run per node.

        Raises what stopped it from outside (KeyboardInterrupt, Prefect's TerminationSignal), after dbt has
        cancelled its queries; every other problem is in the outcome.
        """
        self._disable_callbacks = not task_runs
        self._run_context = copy_context()
        result = None
        try:
            with signals_interrupt_dbt(_cancel_queries) as self.signals:
                try:
                    result = self.invoke(args)
                except ValueError:  # how the runner wraps any error of dbt; the hook has the original
                    if self._stopped_by is None:
                        raise
                if isinstance(self._stopped_by, KeyboardInterrupt | SystemExit):
                    raise self._stopped_by
        finally:
            self._end_task_runs(getattr(getattr(result, "result", None), "results", None) or ())
        return Ended(getattr(result, "result", None), self._stopped_by, get_invocation_id())

    def _note_error(self, ended: Any) -> None:
        self._stopped_by = ended.error

    # What follows replaces parts of prefect-dbt's runner; the names are its own.

    def _queue_callback(self, callback_func: Any, event: Any, priority: int | None = None) -> None:  # noqa: ARG002
        # One priority for all: in order of arrival, a failed parent is known before its children start.
        super()._queue_callback(callback_func, event, priority=0)

    def _create_unified_callback(self, task_state: Any, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        self._tracker, self._task_runs = task_state, kwargs["create_tasks_for_nodes"]
        forward = super()._create_unified_callback(task_state, *args, **kwargs)

        def on_event(event: Any) -> None:
            self.began = self.began or event.info.name in BEGAN
            if self.signals and event.info.name in STOPPED_LINES:
                return  # after Ctrl-C dbt's traceback helps nobody
            # A line of no node makes the runner rebuild Prefect's context (0.1-0.3 s): warnings only
            if hasattr(event.data, "node_info") or event.info.level in (EventLevel.WARN, EventLevel.ERROR):
                forward(event)
            if event.info.name == "LogStartLine":  # as "52 of 72": what dbt says at first leaves out unit tests
                self._total = event.data.total
                if self.signals:  # any code that ran when the signal came may have caught it
                    raise Stopped("stopped before it started")
            elif event.info.name == "NodeFinished" and self._progress is not None:
                self._done += 1
                self._progress(self._done, self._total, event.data.node_info.node_name)

        return on_event

    def _call_task(self, task_state: Any, manifest_node: Any, *_: Any) -> None:
        """Start the node's task run in a separate thread, in the caller's Prefect context."""
        node_id: str = manifest_node.unique_id

        def until_ended(node_id: str) -> State[Any]:
            task_state.wait_for_node_completion(node_id)
            finished = task_state.get_node_status(node_id)["event_data"]
            status = finished.get("node_info", {}).get("node_status", "error")
            message = finished.get("run_result", {}).get("message") or ""
            return node_tasks.state(status, message, stopped=bool(self.signals))

        run_name = node_tasks.run_name(manifest_node.resource_type, manifest_node.name)
        task, task_run_id = node_tasks.task(run_name, until_ended), node_tasks.uuid7()
        known = (task_state.get_task_run_id(parent) for parent in manifest_node.depends_on_nodes)
        parents = [parent for parent in known if parent]
        task_state.start_task(node_id, task)
        task_state.set_task_run_id(node_id, task_run_id)
        task_state.set_task_run_name(node_id, run_name)
        self._threads[node_id] = node_tasks.start(task, task_run_id, node_id, parents, self._run_context)

    def _end_task_runs(self, results: Any) -> None:
        """Give every node of the run a task run with an end, and wait for those ends."""
        if self._tracker is None:
            return
        for result in results if self._task_runs else ():
            if result.node.unique_id not in self._threads:  # skipped: dbt never started it
                self._call_task(self._tracker, result.node)
                self._end(result.node.unique_id, str(result.status), str(result.message or ""))
        for node_id in list(self._threads):
            if not self._tracker.is_node_complete(node_id):
                self._end(node_id, "error", "dbt ended before this node did")
        node_tasks.join(self._threads.values())

    def _end(self, node_id: str, status: str, message: str) -> None:
        end = {"node_info": {"node_status": status}, "run_result": {"message": message}}
        self._tracker.set_node_status(node_id, end, message)


def _cancel_queries() -> None:
    """Cancel what dbt's nodes are running. Not what its main thread does: that is how dbt itself cancels."""
    for adapter in list(FACTORY.adapters.values()):
        for (_, thread), connection in list(adapter.connections.thread_connections.items()):
            if thread != threading.main_thread().ident and connection.state == ConnectionState.OPEN:
                with suppress(psycopg2.Error):  # it has just been closed
                    _cancel(connection.handle.info)


def _cancel(query_of: Any) -> None:
    """Cancel what a connection runs, by another one: psycopg2's own cancel() stops all threads while it waits."""
    place = {**query_of.dsn_parameters, "password": query_of.password, "connect_timeout": CONNECT_TIMEOUT}
    with closing(psycopg2.connect(**place)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_cancel_backend(%s)", [query_of.backend_pid])
