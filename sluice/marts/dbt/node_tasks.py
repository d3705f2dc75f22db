"""dbt's nodes as Prefect task runs: how one is made, started in a thread, given its end, and waited for.

Used by both runners. Knows Prefect and nothing of dbt but the words for a node's status.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import Any
from uuid import UUID

from prefect import Task
from prefect._internal.uuid7 import uuid7  # not public (read in Prefect 3.9): ids that sort by time, as its own do
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRunResult
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging import get_logger, get_run_logger
from prefect.states import Cancelled, Completed, Failed
from prefect.task_engine import run_task_sync

FAILED = ("error", "fail", "runtime error", "partial success")
END_TIMEOUT = 120.0  # s for the task runs to end once dbt has ended; it takes less than 1 s
logger = get_logger("sluice.dbt")


def _without_no_error(record: logging.LogRecord) -> bool:
    """Prefect logs a state that says Failed together with the error that was raised, where none was."""
    if record.exc_info and record.exc_info[0] is None:
        record.exc_info = None
    return True


def run_name(resource_type: object, name: str) -> str:
    """How a node's task run is called."""
    return f"{str(resource_type).replace('_', ' ')} {name}"


def task(name: str, until_ended: Callable[[str], State[Any]]) -> Any:
    """A task that waits for a node's end and returns its state."""

    def dbt_node(node_id: str) -> State[Any]:
        return until_ended(node_id)

    return Task(fn=dbt_node, name="dbt node", task_run_name=name, cache_policy=NO_CACHE)


def start(task: Any, task_run_id: UUID, node_id: str, parents: Iterable[UUID], context: Context) -> threading.Thread:
    """Start a node's task run in a thread, in a copy of the Prefect context of who runs dbt."""
    logging.getLogger("prefect.task_runs").addFilter(_without_no_error)  # again and again changes nothing more
    thread = threading.Thread(
        target=context.copy().run,
        args=(run_task_sync,),
        kwargs={
            "task": task,
            "task_run_id": task_run_id,
            "parameters": {"node_id": node_id},
            # Lineage only: as `wait_for`, a failed parent would leave this run pending, "NotReady"
            "dependencies": {"node_id": {TaskRunResult(id=parent) for parent in parents}},
            "return_type": "state",
        },
        name=f"dbt node {node_id}",
        daemon=True,
    )
    thread.start()
    return thread


def state(status: str, message: str, *, stopped: bool) -> State[Any]:
    """The task run's final state; in a run that was stopped, no node has failed."""
    message = message or status
    if status in FAILED:
        return Cancelled(message="the run was stopped") if stopped else Failed(message=message)
    return Completed(message=message, name="Skipped" if status == "skipped" else None)


def join(threads: Iterable[threading.Thread]) -> None:
    """Wait until Prefect has recorded the end of each."""
    deadline, threads = time.monotonic() + END_TIMEOUT, list(threads)
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if alive := [thread.name for thread in threads if thread.is_alive()]:
        logger.warning("Prefect did not record the end of %s within %.0f s", ", ".join(alive), END_TIMEOUT)


class NodeTasks:
    """The task runs of one dbt command that runs elsewhere. Outside a flow or task, there are none.

    Args:
        stopped: whether somebody has stopped the run.
    """

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self._inside = FlowRunContext.get() is not None or TaskRunContext.get() is not None
        self._context = copy_context()
        self._ids: dict[str, UUID] = {}
        self._lines: dict[str, queue.SimpleQueue[tuple[str, Any, str]]] = {}  # what is said of each node, then its end
        self._open: set[str] = set()
        self._threads: list[threading.Thread] = []

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._ids

    def begin(self, node_id: str, name: str, parents: Iterable[str]) -> None:
        """A node's task run starts."""
        if not self._inside or node_id in self._ids:
            return
        self._ids[node_id], self._lines[node_id] = uuid7(), queue.SimpleQueue()
        self._open.add(node_id)
        ids = [self._ids[parent] for parent in parents if parent in self._ids]
        made = task(name, self._until_ended)
        self._threads.append(start(made, self._ids[node_id], node_id, ids, self._context))

    def say(self, node_id: str, level: int, line: str) -> None:
        """A line of the node's task run, or a general one. What dbt repeats of a node that has ended is left out."""
        if node_id in self._open:
            self._lines[node_id].put(("line", level, line))
        elif node_id not in self._ids:
            logger.log(level, line)

    def end(self, node_id: str, status: str, message: str) -> None:
        """A node has ended."""
        if node_id in self._open:
            self._open.discard(node_id)
            self._lines[node_id].put(("end", status, message))

    def close(self) -> None:
        """End every node that is still open, and wait until Prefect knows all ends."""
        for node_id in list(self._open):
            self.end(node_id, "error", "dbt ended before this node did")
        join(self._threads)

    def _until_ended(self, node_id: str) -> State[Any]:
        said = get_run_logger()
        while True:
            kind, value, text = self._lines[node_id].get()
            if kind == "end":
                return state(value, text, stopped=self._stopped())
            said.log(value, text)
