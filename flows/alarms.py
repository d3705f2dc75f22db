"""When the owner is told, and what: a closed gate, a failed dbt test, a broken batch, a crashed run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from contracts.errors import BusyError, DataError, SluiceError
from contracts.gate import AuditReport, Decision, percent
from contracts.registry import contract_for, contracts
from flows.alerts import render, send
from flows.freshness import Stale
from flows.plan import Delivery
from flows.report import Marts, Outcome, RunFailed
from flows.source import SourceMissing


def held(delivery: Delivery, audit: AuditReport, decision: Decision) -> Outcome:
    """The gate is closed."""
    name, batch = delivery.contract.dataset_id, delivery.batch
    failed = [result for result in audit.results if result.outcome in ("failed", "errored")]
    failed = failed or sorted(audit.results, key=lambda result: -result.failing)[:1]
    alert = render(
        "gate_closed",
        owner=delivery.contract.owner,
        dataset_id=name,
        batch=batch,
        reasons=decision.reasons,
        numbers={
            "rows": audit.rows,
            "rejected": f"{audit.rejected:,} ({percent(audit.rejected / audit.rows) if audit.rows else '-'})",
        },
        samples=[row for result in failed for row in result.sample],
        readers_see=f"{name} as it was before this load of {batch}",
        next_command=f"sluice quarantine show {name} {batch}",
    )
    send(alert, delivery.contract.alerts)
    return Outcome.held(delivery, audit, decision)


def broken(delivery: Delivery, error: SluiceError) -> Outcome:
    """A batch that came to no verdict. Files that are not there yet and busy datasets are no alarm."""
    if isinstance(error, SourceMissing) and not delivery.asked:
        return Outcome.not_there_yet(delivery)
    if not isinstance(error, BusyError):
        alert = render(
            "batch_refused" if isinstance(error, DataError) else "batch_failed",
            owner=delivery.contract.owner,
            dataset_id=delivery.contract.dataset_id,
            batch=delivery.batch,
            reasons=[str(error)],
            readers_see=f"{delivery.contract} as it was before",
            next_command="sluice status",
        )
        send(alert, delivery.contract.alerts)
    return Outcome.broken(delivery, error)


def marts_failed(error: SluiceError) -> Marts:
    """dbt failed, or the marts could not be published. Told to every owner: all read the same marts."""
    if not isinstance(error, BusyError):
        _tell_all("dbt_failed", [str(error)], "the marts as they were before this run", "sluice docs")
    return Marts.failed(error)


def stale(sources: Iterable[Stale]) -> tuple[str, ...]:
    """Sources whose data is too old. The owner is told once it is past `error_after`; the run warns of each."""
    found = tuple(sources)
    for source in found:
        if source.late == "error":
            contract = contract_for(source.dataset_id)
            alert = render(
                "source_stale",
                owner=contract.owner,
                dataset_id=source.dataset_id,
                reasons=[str(source)],
                readers_see=f"{source.dataset_id} as far as it was delivered",
                next_command="sluice status",
            )
            send(alert, contract.alerts)
    return tuple(map(str, found))


def crashed(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001 - the names are Prefect's
    """Prefect's hook for a run that ended without a verdict: killed, cancelled, a bug, or it could not begin at all.

    A run that went through has told what was wrong already, and a person who started one sees why it cannot begin.
    """
    error = state.result(raise_on_failure=False)
    seen = flow_run.deployment_id is None and isinstance(error, SluiceError)
    if not seen and not isinstance(error, RunFailed | BusyError):
        reason = f"run {flow_run.name} ended as {state.name}: {state.message or 'no reason given'}"
        _tell_all("run_crashed", [reason], "everything as it was before this run", "sluice status")


def _tell_all(kind: str, reasons: list[str], readers_see: str, next_command: str) -> None:
    owners = {contract.alerts: contract.owner for contract in contracts().values()}
    for block, owner in owners.items():
        alert = render(kind, owner=owner, reasons=reasons, readers_see=readers_see, next_command=next_command)
        send(alert, block)
