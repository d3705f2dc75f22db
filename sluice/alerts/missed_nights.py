"""Notice a night in which no nightly run began: the schedules on the Prefect server against the runs in `ops.runs`.

Found by `sluice up`, `sluice alerts send`, or the next run. When nothing of this machine is
left, a Prefect automation on a server elsewhere can, or a monitor that asks `sluice heartbeat`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL
from prefect.utilities.asyncutils import run_coro_as_sync

from sluice.alerts import incidents, rules
from sluice.alerts.incidents import Cause
from sluice.alerts.messages import Facts
from sluice.ledger.tables import runs
from sluice.project.paths import is_temporary
from sluice.warehouse.postgres.transactions import brief
from sluice.warehouse.warehouse import Warehouse

FLOW = "nightly"
GRACE = timedelta(hours=1)  # a run may wait for the one before it, or for a worker that is being started


def find(warehouse: Warehouse) -> None:
    """Open the incident if a night was missed. Without a Prefect server there is no schedule to go by."""
    if is_temporary(PREFECT_API_URL.value()):
        return
    try:
        schedules = _schedules()
    except Exception as error:  # noqa: BLE001 - an error of the server must not stop the caller
        get_logger("sluice.alerts").warning("cannot check for missed runs: %s", type(error).__name__)
        return
    judge(warehouse, schedules)


def judge(warehouse: Warehouse, schedules: Iterable[Any]) -> None:
    """Open the incident if one of Prefect's schedules had a time, an hour ago or more, and no night began since."""
    now = warehouse.now()
    with brief(warehouse.engine) as connection:
        began = connection.scalar(sa.select(sa.func.max(runs.c.began_at)).where(runs.c.nightly))
        due = [_newest(schedule, began, now - GRACE) for schedule in schedules] if began else []
        missed = max(filter(None, due), default=None)
        known = next((row for row in incidents.open_now(connection) if row.subject == rules.NIGHT), None)
        if began is None or missed is None or (known is not None and known.last_seen_at >= missed):
            return
        facts = Facts(
            reasons=[
                f"no nightly run has started since {began:%Y-%m-%d %H:%M} UTC; "
                f"one was due at {missed:%Y-%m-%d %H:%M} UTC"
            ],
            readers_see="the data of the last run",
            next_command="sluice doctor",
        )
        incidents.saw(connection, Cause("run_missed", rules.NIGHT), facts, rules.everyone(), now)


def _schedules() -> list[Any]:
    """The active schedules of every deployment of the nightly flow."""
    with get_client(sync_client=True) as client:
        deployments = client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])))
    return [each.schedule for found in deployments if not found.paused for each in found.schedules if each.active]


def _newest(schedule: Any, after: datetime, until: datetime) -> datetime | None:
    """The last time that a schedule had after one moment, and not after another."""
    from prefect.server.schemas import schedules as dated  # only the server's classes know dates; slow to import

    known: dict[str, Any] = {
        "cron": dated.CronSchedule,
        "interval": dated.IntervalSchedule,
        "rrule": dated.RRuleSchedule,
    }
    fields = schedule.model_dump()
    made = next(kind.model_validate(fields) for name, kind in known.items() if name in fields)
    dates = run_coro_as_sync(made.get_dates(start=after + timedelta(seconds=1), end=until)) if until > after else []
    return max(dates).astimezone(UTC) if dates else None
