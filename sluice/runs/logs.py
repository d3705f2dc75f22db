"""Logs for machines: one JSON object a line on standard error, each with its run, dataset and batch.

Switched on by SLUICE_LOG_FORMAT=json (`sluice run --log-format json` sets it), so that scheduled runs have it too. What
goes to Prefect's API stays as it is. Imports nothing slow. docs/schedulers.md lists the fields.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from sluice.contract.errors import SluiceError

VARIABLE = "SLUICE_LOG_FORMAT"
UP = "SLUICE_UP"  # as sluice/server/orphans.py marks what `sluice up` starts
Subject = tuple[str | None, str | None]

_subject: ContextVar[Subject] = ContextVar("sluice_subject", default=(None, None))
_run: str | None = None  # a process has one run; threads that Prefect knows nothing of log for it too


def wanted() -> bool:
    """Whether lines are to be JSON."""
    return os.environ.get(VARIABLE, "").lower() == "json"


@contextmanager
def about(dataset: str, batch: str | None = None) -> Iterator[None]:
    """Everything logged while the block runs is about this dataset and batch."""
    before = _subject.set((dataset, batch))
    try:
        yield
    finally:
        _subject.reset(before)


def let_services_end_quietly() -> None:
    """Keep back what Prefect's senders warn of when a command ends while they still work: they do finish.

    They give up with other words, which stay.
    """
    for sender in ("EventsWorker", "APILogWorker"):  # as prefect._internal.concurrency.services names their loggers
        logging.getLogger(sender).addFilter(lambda record: not record.msg.startswith("Still processing items"))


def begin(run: str | None = None) -> bool:
    """From now on write JSON lines, if they are wanted, instead of those for people; neither with expected tracebacks.

    Returns whether JSON lines began with this call.

    Args:
        run: the flow run's id.
    """
    global _run
    _run = run or _run
    root = logging.getLogger()
    if any(isinstance(handler, _Handler) for handler in root.handlers):
        return False
    for handler in root.handlers:  # Prefect sets handlers' levels again at times, but leaves their filters
        handler.addFilter(_nothing if wanted() else _one_line)
    if not wanted():
        return False
    root.addHandler(_Handler())
    return True


def line(level: str, message: str, **more: object) -> str:
    """One line: time, level, message, run, dataset, batch, and what else there is to say."""
    dataset, batch = _subject.get()
    facts = {"time": datetime.now(UTC).isoformat(), "level": level, "message": message}
    return json.dumps({**facts, "run": _run, "dataset": dataset, "batch": batch, **more}, default=str)


def write(level: str, message: str, **more: object) -> None:
    """Write a line to standard error."""
    sys.stderr.write(line(level, message, **more) + "\n")
    sys.stderr.flush()


def _nothing(_: logging.LogRecord) -> bool:
    return False


def _one_line(record: logging.LogRecord) -> bool:
    """Prefect reports a SluiceError twice, with its traceback. Its message says all; the API keeps the rest.

    On the console of `sluice up`, the line that reports how the run ended has it, and counts dbt's warnings.
    """
    if UP in os.environ and (_of_dbt(record) or of_a_failed_task(record)):
        return False
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, SluiceError):
        return True
    if UP in os.environ:
        return False
    record.exc_info = record.exc_text = None
    return type(error).__name__ in record.getMessage()


def _of_dbt(record: logging.LogRecord) -> bool:
    return Path(record.pathname).parts[-3:] == ("prefect_dbt", "core", "runner.py")


def of_a_failed_task(record: logging.LogRecord) -> bool:
    """Whether it is Prefect's report that a task failed."""
    return record.name == "prefect.task_runs" and record.getMessage().startswith("Finished in state Failed(")


class ToldOnce(logging.Filter):
    """Keeps Prefect's reports of a failed task off the console, where the outcome has its message; the API has them.

    A traceback of anything but a SluiceError is shown: it is a bug's.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        # As JSON, it is the line that has the error with its dataset and batch.
        if of_a_failed_task(record) and not wanted():
            return False
        return not (record.exc_info and isinstance(record.exc_info[1], SluiceError))


class _Handler(logging.Handler):
    """Every record of every library, from INFO on."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            more: dict[str, object] = {"logger": record.name}
            if run := getattr(record, "flow_run_id", None) or _run:  # Prefect knows it before the flow's first line
                more["run"] = str(run)
            if task := getattr(record, "task_run_name", None):
                more["task"] = task
            if record.exc_info and record.exc_info[0] is not None:
                more["error"] = record.exc_info[0].__name__
            write(record.levelname.lower(), record.getMessage(), **more)
        except Exception:  # noqa: BLE001 - a line that cannot be written must not end a run
            self.handleError(record)
