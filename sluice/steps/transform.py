"""The second step: dbt builds and tests the side that no reader sees; when all passes, readers get it."""

from __future__ import annotations

from prefect.runtime import flow_run

from sluice.marts import build, restore_views, rollback
from sluice.runs import tasks
from sluice.runs.outcomes import EXPECTED, Marts, in_short
from sluice.site import tasks as site_tasks
from sluice.steps.run import current, events
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.warehouse import Warehouse


def transform() -> Marts:
    """Build, test and publish the marts, unless they already show every published load.

    Returns:
        What became of them; a failed build or test is a verdict here, and `finish` raises it.
    """
    run = current()
    run.begin()
    run.marts = refresh_marts()
    return run.marts


def refresh_marts() -> Marts:
    """Build the candidate side and publish it, under the lock on dbt."""
    warehouse = open_warehouse()
    try:
        damage = _views_put_back(warehouse)
        if not build.due(warehouse):
            build.report_up_to_date(warehouse)
            return Marts.unchanged((*damage, *rollback.in_effect(warehouse)))
        with warehouse.lock("dbt"):
            run_id = flow_run.get_id()
            built = tasks.build_marts(run_id)
            with events().nodes(open_warehouse, built.run):
                tasks.publish_marts(built, run_id)
                return Marts.published(built, documented(built.side))
    except EXPECTED as error:
        with events().nodes(open_warehouse, getattr(error, "run", None)):
            return Marts.failed(error)


def _views_put_back(warehouse: Warehouse) -> tuple[str, ...]:
    """Put back the views that somebody dropped or changed since the last publish. Returns a warning for each."""
    if not restore_views.damaged(warehouse):
        return ()
    with warehouse.lock("dbt"):
        return tuple(f"{what}: put back" for what in restore_views.put_back(warehouse))


def documented(side: str) -> tuple[str, ...]:
    """Write dbt's docs of the marts just published. Returns warnings, also if that fails: readers have their marts."""
    try:
        return site_tasks.write_docs(side)
    except Exception as error:  # noqa: BLE001 - with any error, readers have their marts
        return (f"dbt's docs and the lineage were not written, the last ones stay: {in_short(error)}",)
