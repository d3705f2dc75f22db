"""The nightly flow. Read this first: raw files are loaded, audited and published, then dbt's marts likewise.

`python -m flows.nightly` runs it as `sluice run` does.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from prefect import flow
from prefect.runtime import deployment, flow_run

from sluice.alerts import missed_nights
from sluice.marts import build
from sluice.project.paths import home
from sluice.runs import heartbeat, lifecycle, logs, new_files, plan, prefect_records, tasks
from sluice.runs import outcomes as report
from sluice.runs.new_files import Bring
from sluice.runs.outcomes import Outcome, Summary
from sluice.runs.plan import Delivery
from sluice.runs.prefect_records import wait_until_recorded
from sluice.site import tasks as site_tasks
from sluice.staging import publish
from sluice.warehouse.connection import open_warehouse, register_embedded
from sluice.warehouse.postgres import schema_evolution
from sluice.warehouse.warehouse import Batch


@flow(
    name="nightly",
    flow_run_name=report.run_name,
    log_prints=True,
    on_completion=[wait_until_recorded],
    on_crashed=[lifecycle.crashed, wait_until_recorded],
    on_failure=[lifecycle.crashed, wait_until_recorded],
)
def nightly(datasets: list[str] | None = None, batches: list[str] | None = None, url: str | None = None) -> Summary:
    """Load what is new, audit it, publish what passes; then build, test and publish the marts.

    Args:
        datasets: Dataset ids, such as tlc__yellow_trips; all of them if none.
        batches: Batches, such as 2021-01; those that are due if none.
        url: Path or address to load from, not the contract's own; {batch}, {dataset} and {entity} are filled in.

    Raises:
        SluiceError: at the end, for the worst thing that happened; what could be published was.
    """
    logs.begin(flow_run.get_id())
    register_embedded()
    warehouse = open_warehouse()
    deliveries = plan.deliveries(datasets, batches, url)
    lifecycle.ensure_tables(warehouse)
    missed_nights.look(warehouse)
    asked = bool(datasets or batches or url)  # then the age of what there is was not the question
    of_the_night = not asked or bool(deployment.get_id())  # a run by hand of this or that is not the night's
    with lifecycle.at_work(warehouse, report.run_name(), nightly=of_the_night, run_id=flow_run.get_id()):
        outcomes = [outcome for group in plan.by_dataset(deliveries) for outcome in deliver_dataset(group)]
        lifecycle.expire(warehouse)
        marts = refresh_marts()
        summary = browsable(Summary(tuple(outcomes), marts, stale=() if asked else stale_sources()))
        prefect_records.keep(summary)
    if of_the_night:
        with suppress(OSError):  # then the monitor rings, as it should
            heartbeat.beat(home())
    summary.raise_worst()
    return summary


def deliver_dataset(deliveries: list[Delivery], bring: Bring = new_files.new_file) -> list[Outcome]:
    """Every delivery of one dataset, one after the other, under the dataset's lock."""
    try:
        warehouse, contract = open_warehouse(), deliveries[0].contract
        with warehouse.lock(contract.dataset_id):
            schema_evolution.verify(warehouse, contract)
            return [deliver(delivery, bring) for delivery in deliveries]
    except report.EXPECTED as error:
        return [lifecycle.undelivered(delivery, error) for delivery in deliveries]


def deliver(delivery: Delivery, bring: Bring = new_files.new_file) -> Outcome:
    """One delivery's way: looked at, fetched if it is new, then judged."""
    with logs.about(delivery.contract.dataset_id, delivery.batch):
        try:
            file = bring(delivery)
            if file is None:
                return lifecycle.nothing_new(delivery)
            batch = new_files.begin_load(delivery, file, flow_run.get_id())
        except report.EXPECTED as error:
            return lifecycle.undelivered(delivery, error)
        return judge(delivery, batch, lambda: tasks.load_batch(batch, file))


def judge(delivery: Delivery, batch: Batch, load: Callable[[], Batch]) -> Outcome:
    """A batch's way from its first row on: load, audit, gate; then publish or hold."""
    try:
        batch = load()
        audit = tasks.audit_batch(batch)
        decision = tasks.decide_batch(batch, audit)
        if decision.open:
            tasks.publish_batch(batch, audit, decision)
            return Outcome.published(delivery, audit, decision)
        tasks.hold_batch(batch, audit, decision)
        return Outcome.held(delivery, audit, decision)
    except report.EXPECTED as error:
        publish.fail(open_warehouse(), delivery.contract, batch, error)
        return Outcome.broken(delivery, error)
    except BaseException as error:  # stopped, or a bug: the ledger says so, and the run ends
        publish.fail(open_warehouse(), delivery.contract, batch, f"stopped: {type(error).__name__}")
        raise


def refresh_marts() -> report.Marts:
    """Build the candidate side and make it live, unless the marts already show every published load."""
    warehouse = open_warehouse()
    if not build.due(warehouse):
        return report.Marts.nothing_new()
    try:
        with warehouse.lock("dbt"):
            run_id = flow_run.get_id()
            built = tasks.build_marts(run_id)
            tasks.publish_marts(built, run_id)
            return report.Marts.published(built, documented(built.side))
    except report.EXPECTED as error:
        return report.Marts.failed(error)


def documented(side: str) -> tuple[str, ...]:
    """Write dbt's docs of the marts just published. Gives a warning if that fails: the marts are as good without."""
    try:
        site_tasks.write_docs(side)
    except Exception as error:  # noqa: BLE001 - whatever broke, readers have their marts
        return (f"dbt's docs and the lineage were not written, the last ones stay: {report.in_short(error)}",)
    return ()


def browsable(summary: Summary) -> Summary:
    """The summary with the site that tells it, or with a warning: what was published stays published without one."""
    try:
        return replace(summary, site=site_tasks.write_site(summary, flow_run.get_id()))
    except Exception as error:  # noqa: BLE001 - whatever broke, the data is where it belongs
        warning = f"the site was not made, the last one stays: {report.in_short(error)}"
        return replace(summary, warnings=(warning,))


def stale_sources() -> tuple[str, ...]:
    """The sources whose data is too old, one sentence each; their owners are told. Stops nothing."""
    try:
        with open_warehouse().lock("dbt"):
            return tuple(map(str, tasks.check_freshness(flow_run.get_id())))
    except report.EXPECTED as error:
        return (f"the age of the sources is not known: {error}",)


if __name__ == "__main__":
    import sys

    from sluice.cli.app import main

    main(["run", *sys.argv[1:]])
