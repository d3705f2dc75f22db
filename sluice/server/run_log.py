"""Report on the console of `sluice up` when a run starts and how it ended. Asks only the Prefect server."""

from __future__ import annotations

from datetime import datetime

import httpx
import typer
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectException

from sluice.runs import prefect_records
from sluice.server.deployments import IN_POOL

ENDS = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
OF_PREFECT = "Flow run encountered an exception: "
WIDTH = 500  # characters of a reason
NEWEST = 50  # runs looked at; far more than can begin and end between two looks
REPORTED = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, *ENDS])))


class Runs:
    """The runs of the pool, each reported once when it starts and once when it has ended.

    Args:
        ui: address of the server's pages.
    """

    def __init__(self, ui: str) -> None:
        self._ui = ui
        with get_client(sync_client=True) as client:
            self._known = {run.id: _ended(run) for run in _newest(client)}  # earlier ones are not reported

    def report(self) -> None:
        """Print what is new. A server that does not answer in this moment is asked the next time."""
        try:
            with get_client(sync_client=True) as client:
                for run in reversed(_newest(client)):
                    self._tell(client, run)
        except (httpx.HTTPError, PrefectException):
            return

    def _tell(self, client: SyncPrefectClient, run: FlowRun) -> None:
        before = self._known.get(run.id)  # None: not seen; False: begun
        if before is None:
            given = ", ".join(f"{name}={value!r}" for name, value in run.parameters.items() if value is not None)
            self._say(run, run.start_time, f"began{f' with {given}' if given else ''}")
        if _ended(run) and not before:
            self._say(run, run.end_time, f"ended: {_how(client, run)}")
        self._known[run.id] = _ended(run)

    def _say(self, run: FlowRun, moment: datetime | None, what: str) -> None:
        at = f"{moment.astimezone():%H:%M:%S}" if moment else "        "
        first, *more = what.splitlines()
        typer.echo("\n".join([f"{at}  {run.name}: {first}  {self._ui}/runs/flow-run/{run.id}", *more]))


def _newest(client: SyncPrefectClient) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_run_filter=REPORTED, work_pool_filter=IN_POOL, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=NEWEST
    )


def _ended(run: FlowRun) -> bool:
    return run.state_type in ENDS


def _how(client: SyncPrefectClient, run: FlowRun) -> str:
    """The run's own result; without one, Prefect's state."""
    of_run = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]), key=ArtifactFilterKey(any_=[prefect_records.OF_RUN])
    )
    kept = client.read_artifacts(artifact_filter=of_run, limit=1)
    said = (run.state.message or "").strip().removeprefix(OF_PREFECT) if run.state else ""
    if kept and kept[0].description:
        why = said.removeprefix("RunFailed: ") if run.state_type == StateType.FAILED else ""
        return "\n".join([kept[0].description, *(f"          {line}" for line in why.splitlines())])
    return " ".join([(run.state_name or "").lower(), *(f"({line[:WIDTH]})" for line in said.splitlines()[:1])])
