"""A run that finds nothing new, without Prefect and dbt: looked at, recorded and shown as any other run.

Starting and ending Prefect's temporary server takes longer than all the rest of such a night. Nothing here loads or
builds: what is not certain to be an idle run is the flow's (docs/decisions/0042-an-idle-night.md).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from sluice.alerts import incidents
from sluice.contract.errors import SluiceError
from sluice.ledger import loads
from sluice.lineage import client as lineage
from sluice.marts import build, freshness, restore_views, rollback
from sluice.project.flows import is_shipped
from sluice.project.paths import home
from sluice.runs import heartbeat, lifecycle, plan, progress
from sluice.runs.outcomes import EXPECTED, Marts, Outcome, Summary, name_of
from sluice.runs.plan import Delivery
from sluice.site import dbt_docs, write
from sluice.source.files import SourceMissing
from sluice.steps import prefect_settings, shown
from sluice.warehouse import embedded
from sluice.warehouse.connection import BLOCK_VARIABLE, open_warehouse
from sluice.warehouse.engine import Capability
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.spark.connection import choice
from sluice.warehouse.warehouse import Warehouse

Looked = list[tuple[Delivery, SourceMissing | None]]  # a delivery that readers have, or that is not there yet


def run(datasets: Sequence[str] | None, batches: Sequence[str] | None, url: str | None) -> Summary | None:
    """The summary of a run that found nothing new; None where the flow must run. Takes what the nightly flow takes.

    Raises:
        ConfigError: an unknown dataset or batch, a template that does not fit, or an engine that cannot load.
        RunFailed: another run holds a dataset.
    """
    if not _may_do_without_flow():
        return None
    choice.need(Capability.RUN)  # at once: the flow finds it only when Prefect is up
    found = plan.deliveries(datasets, batches, url)
    try:
        warehouse = open_warehouse()
        lifecycle.ensure_tables(warehouse)
        looked = _nothing_new(warehouse, found)
        if looked is None or _left_to_do(warehouse):
            return None
    except Exception:  # noqa: BLE001 - the flow meets it too, tries again where that may help, and alerts the owners
        return None
    name, named = name_of(datasets, batches), bool(datasets or batches or url)
    try:
        return _recorded(warehouse, looked, name, night=not named)
    except SluiceError:
        raise
    except BaseException as error:  # as the flow's hook does
        lifecycle.report_crash(f"run {name} ended as {type(error).__name__}: {error}")
        raise


def _may_do_without_flow() -> bool:
    """Whether nobody would miss the flow: no task of a user's, no server that shows it, nobody who hears of it."""
    if os.environ.get(BLOCK_VARIABLE) or not embedded.exists(home()):
        return False  # its address is in a block, which only Prefect can read; or it is the first run
    return is_shipped("nightly") and not prefect_settings.names_a_server() and not lineage.is_configured()


def _nothing_new(warehouse: Warehouse, found: Sequence[Delivery]) -> Looked | None:
    """Each delivery, if readers have it or it is not there yet; None as soon as one is anything else."""
    names = {delivery.contract.dataset_id for delivery in found}
    with transaction(warehouse.engine, "what is published cannot be looked up") as connection:
        published = {name: loads.readers_have(connection, name) for name in names}
    looked: Looked = []
    for delivery in found:
        known = published[delivery.contract.dataset_id].get(delivery.batch)
        try:
            if plan.news(delivery.contract, plan.look(delivery), known):
                return None
            looked.append((delivery, None))
        except SourceMissing as error:
            if delivery.asked or plan.was_listed(delivery):
                return None
            looked.append((delivery, error))
    return looked


def _left_to_do(warehouse: Warehouse) -> bool:
    """Whether a run is in progress or was lost, or the marts or the site lack something."""
    with transaction(warehouse.engine, "earlier runs could not be looked up") as connection:
        if connection.execute(lifecycle.UNENDED).first() is not None:
            return True
    return restore_views.damaged(warehouse) or build.due(warehouse) or not dbt_docs.has_current_tests()


def _recorded(warehouse: Warehouse, looked: Looked, name: str, night: bool) -> Summary:
    """What a flow does with deliveries that are not new, in its order."""
    progress.begin()
    with lifecycle.running(warehouse, name, nightly=night):
        with transaction(warehouse.engine, "open incidents could not be looked up") as connection:
            quiet = not incidents.open_now(connection)
        order = list(dict.fromkeys(delivery.contract.dataset_id for delivery, _ in looked))
        groups = [[each for each in looked if each[0].contract.dataset_id == dataset] for dataset in order]
        outcomes = [outcome for group in groups for outcome in _of_dataset(group, quiet)]
        lifecycle.expire(warehouse)
        if not build.due(warehouse):  # a run of other datasets may have published since, and failed to build
            build.report_up_to_date(warehouse)
        stale = _stale(warehouse) if night else ()
        marts = Marts.unchanged(rollback.in_effect(warehouse))
        summary = Summary(tuple(outcomes), marts, warnings=shown.keys_lost(), stale=stale)
        summary = shown.browsable(summary, lambda ended: _written(warehouse, ended))
    if night:
        with suppress(OSError):  # then the monitor rings, as it should
            heartbeat.beat(home())
    summary.raise_worst()
    return summary


def _of_dataset(looked: Looked, quiet: bool) -> list[Outcome]:
    """What became of a dataset's deliveries, under its lock.

    Args:
        quiet: no incident is open, so that none has to be closed for each delivery.
    """
    try:
        with lifecycle.taken(looked[0][0]):
            return [_outcome(delivery, missing, quiet) for delivery, missing in looked]
    except EXPECTED as error:
        return [lifecycle.undelivered(delivery, error) for delivery, _ in looked]


def _outcome(delivery: Delivery, missing: SourceMissing | None, quiet: bool) -> Outcome:
    if quiet:
        return Outcome.unchanged(delivery) if missing is None else Outcome.not_delivered(delivery)
    return lifecycle.unchanged(delivery) if missing is None else lifecycle.undelivered(delivery, missing)


def _stale(warehouse: Warehouse) -> tuple[str, ...]:
    try:
        return tuple(map(str, freshness.by_ledger(warehouse)))
    except EXPECTED as error:
        return (f"the age of the sources is not known: {error}",)


def _written(warehouse: Warehouse, summary: Summary) -> str:
    with progress.step("site"):
        return str(write.write(warehouse, summary))
