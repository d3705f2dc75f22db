"""Wait until Prefect's temporary server has recorded what a flow run reported. A state hook for flows.

Task runs report their states as events, which a server records one after the other. A standing server goes on after
the flow's process has ended. The temporary one ends with the process and drops what it has not recorded yet: on a busy
machine, two runs of eight kept task runs without an end. Does nothing when a server is configured.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.events.worker import EventsWorker
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL

TIMEOUT = 60.0  # s; 200 events took 5 s on two very busy cores
QUIET = 1.0  # s without a change after which nothing more is under way; an event takes some 10 ms
PAGE = 200  # task runs in one answer, Prefect's own limit


def wait_until_recorded(flow: Any, flow_run: FlowRun, state: Any) -> None:  # noqa: ARG001 - the names are Prefect's
    """Return when all task runs of the flow run are recorded as ended, or after TIMEOUT with a warning."""
    if PREFECT_API_URL.value() is not None:
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
