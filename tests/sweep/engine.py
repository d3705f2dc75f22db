"""A night in a process of its own, without Prefect: the steps of a flow, whose tasks are the plain functions they call.

Everything else is real: PostgreSQL, dbt, files. The process is a fork of one that has imported all of it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ["PYTHON_DOTENV_DISABLED"] = "1"  # as runs set it before they import dbt

import sqlalchemy as sa
from prefect import Task

from sluice.alerts import channels
from sluice.alerts.incidents import EVENTS
from sluice.contract.errors import SluiceError, ToolError
from sluice.marts.dbt import nodes  # noqa: F401 - imported before the fork
from sluice.runs import tasks
from sluice.steps import deliver, transform
from sluice.steps.run import CURRENT, Run
from sluice.warehouse import connection, embedded
from sluice.warehouse.postgres.session import DATABASE_ERRORS
from sluice.warehouse.warehouse import utc_now
from tests.integration.conftest import connector_for
from tests.sweep import planted
from tests.sweep.report import Report

TRIES = 2  # of a task that may be tried again


class Plain:
    """A task as the function that it is, tried again as Prefect would, but at once."""

    def __init__(self, task: Task[..., Any]) -> None:
        self._function: Callable[..., Any] = task.fn
        self._tries = TRIES if task.retries else 1

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        for left in reversed(range(self._tries)):
            try:
                return self._function(*arguments, **options)
            except ToolError as error:
                if not left or not isinstance(error.__context__, DATABASE_ERRORS):
                    raise
        raise AssertionError

    def with_options(self, **_: Any) -> Plain:
        return self


def without_prefect(url: sa.URL, home: Path, project: Path, later: timedelta) -> None:
    """Let this process, which runs one night, use the warehouse of this address, and send alerts into a file."""
    users = {"sweep": url, "sweep-dbt": url.set(username=embedded.TRANSFORMER)}
    named = {"SLUICE_WAREHOUSE": "sweep", "SLUICE_TRANSFORMER": "sweep-dbt"}
    os.environ.update(named, SLUICE_HOME=str(home), SLUICE_PROJECT=str(project))
    connection._load_block = lambda block: connector_for(users[block])
    connection.Warehouse = partial(connection.Warehouse, now=lambda: utc_now() + later)  # type: ignore[misc]
    for name, value in vars(tasks).copy().items():
        if isinstance(value, Task):
            setattr(tasks, name, Plain(value))
    tasks.get_run_logger = lambda: logging.getLogger("sweep")
    tasks.keep_audit = lambda *_: None
    transform.documented = lambda _: ()
    deliver.missed_nights.find = lambda _: None  # a schedule is Prefect's

    def sent(alert: Any, channel: object = EVENTS, **_: Any) -> str:
        facts = [alert.kind, alert.stage, alert.dataset_id or "", alert.batch or ""]
        with (home / "sent.jsonl").open("a") as file:
            file.write(json.dumps([*facts, channel]) + "\n")
        return ""

    channels.emit = lambda alert, _=None: sent(alert)
    channels.notify = sent


def night(files: Path) -> Report:
    """Deliver what is new in a folder, and refresh the marts."""
    report, run = Report(), Run("sweep: night()")
    CURRENT.set(run)
    try:
        with run.held:
            for outcome in deliver.deliver(url=f"{files}/{{entity}}_{{batch}}.csv"):
                report.batches[f"{outcome.dataset_id} {outcome.batch}"] = (outcome.verdict, "; ".join(outcome.reasons))
            marts = transform.transform()
            report.marts = (marts.verdict, "; ".join(marts.reasons))
    except (SluiceError, *DATABASE_ERRORS) as error:  # as exit_codes.end takes them
        report.error = (type(error).__name__, str(error), getattr(error, "exit_code", 3))
    except Exception:  # noqa: BLE001 - what no command expects is what is looked for
        report.crash = traceback.format_exc()
    return report


def main(said: Connection, address: str, home: Path, project: Path, files: Path, later: timedelta, bug: str) -> None:
    """A whole process: what the night said goes into the pipe.

    Args:
        later: how much later than now it is, for this night.
        bug: one of `planted.BUGS`, or none.
    """
    log = os.open(home / "night.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    without_prefect(sa.make_url(address), home, project, later)
    if bug:
        planted.BUGS[bug].plant()
    said.send(night(files))
    said.close()
    sys.stdout.flush()
    os._exit(0)  # nothing of the fork is to be ended in order
