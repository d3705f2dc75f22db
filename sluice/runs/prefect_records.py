"""What Prefect keeps of a run: artifacts; wait until the temporary server has stored them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL
from prefect.states import Crashed

from sluice.contract.formatting import percent
from sluice.contract.gate import AuditReport
from sluice.project.paths import is_temporary
from sluice.runs.outcomes import Outcome, Summary, rows_of
from sluice.warehouse.batch import Batch

TIMEOUT = 60.0  # s; 200 events took 5 s on two very busy cores
QUIET = 1.0  # s without a change after which nothing more is under way; an event takes some 10 ms
PAGE = 200  # task runs in one answer, Prefect's own limit


def wait_until_recorded(flow: Any, flow_run: FlowRun, state: Any) -> None:  # noqa: ARG001 - the names are Prefect's
    """Return when all task runs of the flow run are recorded as ended, or after TIMEOUT with a warning."""
    if not is_temporary(PREFECT_API_URL.value()):
        return
    deadline = time.monotonic() + TIMEOUT
    sender = threading.Thread(target=EventsWorker.instance().wait_until_empty, daemon=True)
    sender.start()
    sender.join(TIMEOUT)
    before, since = _seen(flow_run), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(0.25)
        now = _seen(flow_run)
        if now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since >= QUIET and all(ended for _, _, ended in now):
            return
    get_logger("sluice.recorded").warning("Prefect's temporary server did not record the end of every task run")


def end_lost(run_id: str) -> None:
    """Let Prefect show the flow run of a killed process as crashed. One that its server does not know stays unknown."""
    try:
        with get_client(sync_client=True) as client:
            found = client.read_flow_run(UUID(run_id))
            if found.state is None or not found.state.is_final():
                client.set_flow_run_state(found.id, Crashed(message="its process was killed"), force=True)
    except ObjectNotFound:
        return
    except Exception as error:  # noqa: BLE001 - the run that looks for lost ones must not fail because of them
        get_logger("sluice.recorded").warning("flow run %s stays as it is in Prefect: %s", run_id, type(error).__name__)


def _seen(run: FlowRun) -> set[tuple[Any, Any, bool]]:
    """Every recorded task run: its id, when it last changed, whether it has ended."""
    of_flow = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    seen: set[tuple[Any, Any, bool]] = set()
    with get_client(sync_client=True) as client:
        while True:
            page = client.read_task_runs(flow_run_filter=of_flow, limit=PAGE, offset=len(seen))
            seen |= {(task.id, task.updated, bool(task.state and task.state.is_final())) for task in page}
            if len(page) < PAGE:
                return seen


OF_RUN = "sluice-run"  # key of the artifact that says what a run did


def keep(summary: Summary) -> None:
    """Keep the run's summary with the flow run, where Prefect's UI shows it."""
    rows = rows_of(summary)
    lines = ["| dataset | batch | verdict | read | accepted | rejected |", "|---|---|---|--:|--:|--:|"]
    lines += ["| " + " | ".join(_cell(v) for v in list(row.values())[:6]) + " |" for row in rows]
    lines += ["", f"Marts: {summary.marts.verdict.shown}"]
    lines += [f"- {_cell(compared)}" for compared in summary.marts.compared]
    lines += [f"- {_cell(reason)}" for o in summary.outcomes for reason in (*o.reasons, *o.warnings)]
    lines += [f"- {_cell(reason)}" for reason in (*summary.marts.reasons, *summary.marts.warnings)]
    lines += [f"- {_cell(warning)}" for warning in (*summary.warnings, *summary.stale)]
    create_markdown_artifact("\n".join(lines), key=OF_RUN, description=str(summary))


def keep_audit(batch: Batch, audit: AuditReport) -> None:
    """Keep every check's result of one batch with its task run, where Prefect's UI shows it."""
    rows = [
        {
            "check": result.name,
            "outcome": result.outcome,
            "failing": f"{result.failing:,}",
            "share": percent(result.share),
            "tolerance": percent(result.tolerance),
        }
        for result in sorted(audit.results, key=lambda result: -result.failing)
    ]
    key = f"audit-{batch.dataset_id}-{batch.batch}".replace("_", "-").lower()
    create_table_artifact(
        rows, key=key, description=f"Checks of {batch}: {audit.rejected:,} of {audit.rows:,} rejected"
    )


def keep_group(what: str, outcomes: Sequence[Outcome]) -> None:
    """Keep what became of each batch of a group with its task run."""
    names = ("batch", "verdict", "rows", "accepted", "rejected")
    rows = [{name: str(getattr(outcome, name)) for name in names} for outcome in outcomes]
    key = re.sub(r"[^a-z0-9]+", "-", f"batches-{what}".lower()).strip("-")
    create_table_artifact(rows, key=key, description=f"What became of {what}")


def _cell(text: str) -> str:
    """Text that Markdown shows as it is, on one line of a table."""
    escaped = "".join(f"\\{c}" if c in "\\`*{}[]<>|#!" else c for c in text)
    return " ".join(escaped.split())
