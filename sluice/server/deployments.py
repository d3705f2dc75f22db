"""The deployments of prefect.yaml on a Prefect server: pool, deployments, schedules, interrupted runs.

Talks to the server that the current settings name; starts nothing that stays.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Crashed
from prefect.workers.process import ProcessWorker

from sluice.contract.errors import ToolError

POOL = "sluice"  # the work pool that prefect.yaml names
IN_POOL = WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL]))


def apply(
    project: Path, environment: Mapping[str, str], *, cron: str | None = None, alone: bool = False
) -> dict[str, str]:
    """Apply `project`'s prefect.yaml. Returns the ids of the deployments in the pool by their names.

    Args:
        cron: put this schedule (New York time) in the place of prefect.yaml's.
        alone: nothing else runs the pool's flows: what seems to be running there was cut off.
    """
    with get_client(sync_client=True) as client:
        _make_pool(client)
        if alone:
            _close_interrupted_runs(client)
        _deploy(project, environment)
        served = client.read_deployments(work_pool_filter=IN_POOL)
        if cron:
            for deployment in served:
                _reschedule(client, deployment, cron)
        flows = {each.flow_id: client.read_flow(each.flow_id).name for each in served}
    return {f"{flows[each.flow_id]}/{each.name}": str(each.id) for each in served}


def _make_pool(client: SyncPrefectClient) -> None:
    template = ProcessWorker.get_default_base_job_template()
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))


def _close_interrupted_runs(client: SyncPrefectClient) -> None:
    """A run whose process was killed says "running" for ever, and holds the one place the deployment has."""
    states = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    unfinished = FlowRunFilter(state=FlowRunFilterState(type=states))
    for run in client.read_flow_runs(flow_run_filter=unfinished, work_pool_filter=IN_POOL):
        message = "`sluice up` was stopped or killed during this run. The next run resumes its work."
        client.set_flow_run_state(run.id, Crashed(message=message), force=True)


def _deploy(project: Path, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(
        command, cwd=project, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise ToolError(
            f"`prefect deploy --all` failed in {project} with code {done.returncode}:\n"
            f"{(done.stdout + done.stderr).strip()[-2_000:]}"
        )


def _reschedule(client: SyncPrefectClient, deployment: DeploymentResponse, cron: str) -> None:
    for old in client.read_deployment_schedules(deployment.id):
        client.delete_deployment_schedule(deployment.id, old.id)
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron=cron, timezone="America/New_York"))
    client.create_deployment_schedules(deployment.id, [schedule])
