"""When the owner is alerted, and of what: the incident that each verdict opens or closes.

Called on the connection, and in the transaction, of the verdict. The last part is for runs, which have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest

import sqlalchemy as sa

from sluice.alerts import downstream, incidents
from sluice.alerts.incidents import Cause, Owner
from sluice.alerts.messages import Facts, render
from sluice.contract.columns import Reference
from sluice.contract.contract import Contract
from sluice.contract.errors import BusyError, DataError, Overtaken, SluiceError
from sluice.contract.formatting import counted, percent
from sluice.contract.gate import AuditReport, Decision
from sluice.project.datasets import contracts
from sluice.warehouse.batch import Batch
from sluice.warehouse.postgres.session import DATABASE_ERRORS
from sluice.warehouse.postgres.transactions import brief
from sluice.warehouse.warehouse import Warehouse

RUN = "run"
MARTS = "marts"
VIEWS = "views of marts"
NIGHT = "night"
DOCTOR = "sluice doctor"
SILENT = (BusyError, Overtaken)  # another run does the work


def held(
    connection: sa.Connection,
    contract: Contract,
    batch: Batch,
    audit: AuditReport,
    decision: Decision,
    now: datetime,
) -> None:
    """The gate is closed. Closed again for other reasons, it is reported again."""
    failed = [result for result in audit.results if result.outcome in ("failed", "errored")]
    failed = failed or sorted(audit.results, key=lambda result: -result.failing)[:1]
    share = percent(audit.rejected / audit.rows) if audit.rows else "-"
    facts = Facts(
        reasons=decision.reasons,
        numbers={"rows": audit.rows, "rejected": f"{audit.rejected:,} ({share})"},
        samples=[row for rows in zip_longest(*(result.sample for result in failed)) for row in rows if row][:5],
        readers_see=f"{contract} as before this load of {batch.batch}",
        downstream=downstream.of_dataset(connection, contract),
        next_command=f"sluice quarantine show {contract} {batch.batch}",
    )
    cause = _of_batch("gate_closed", contract, batch.batch, "\n".join(decision.reasons))
    incidents.saw(connection, cause, facts, [_owner(contract)], now)


def published(connection: sa.Connection, contract: Contract, batch: Batch, audit: AuditReport, now: datetime) -> None:
    """A batch whose gate is open: earlier problems are resolved; each warning is reported once, until it passes."""
    fine(connection, contract, batch.batch, f"published: {audit.accepted:,} of {audit.rows:,} rows accepted", now)
    known = {row.subject for row in incidents.open_now(connection)}
    for result in audit.results:
        subject = f"warning {contract} {result.name}"
        if result.outcome == "warned":
            facts = Facts(
                reasons=[f"{result}; the batch is published"],
                numbers={"rows": result.rows, "failing": result.failing},
                samples=result.sample,
                readers_see=f"{batch}, including these rows",
                downstream=downstream.of_dataset(connection, contract),
                next_command="sluice docs",
            )
            cause = Cause("warning", subject, str(contract), batch.batch, reminded=False)
            incidents.saw(connection, cause, facts, [_owner(contract)], now)
        elif subject in known:
            good = [f"{percent(result.share)} of rows of {batch.batch} fail {result.name}"]
            incidents.over(connection, [subject], Facts(good, readers_see=str(batch)), now)


def fine(connection: sa.Connection, contract: Contract, batch: str, how: str, now: datetime, *kinds: str) -> None:
    """What was wrong with a batch is over: it was published or released, or its source answers again (`kinds`)."""
    facts = Facts(
        reasons=[f"{contract} {batch}: {how}"],
        readers_see=f"{contract} with {batch}; the marts follow at the end of the run" if not kinds else "",
        next_command="sluice status",
    )
    incidents.over(connection, [_of_batch("", contract, batch).subject], facts, now, *kinds)


def broken(connection: sa.Connection, contract: Contract, batch: str, error: SluiceError, now: datetime) -> None:
    """A batch that came to no verdict. A busy dataset is not an alarm."""
    if isinstance(error, SILENT):
        return
    named = f" --batch {batch}" if batch else ""  # none, if the dataset's folder could not be listed
    refused = isinstance(error, DataError)  # the same file is refused in the same words; another may be in others
    cause = _of_batch("batch_refused" if refused else "batch_failed", contract, batch, str(error) if refused else "")
    facts = Facts(
        reasons=[error.reason(contract.dataset_id, batch)],
        readers_see=f"{contract} as it was before",
        downstream=downstream.of_dataset(connection, contract),
        next_command="sluice status" if refused else f"{DOCTOR}, then sluice run {contract}{named}",
    )
    incidents.saw(connection, cause, facts, [_owner(contract)], now)


def keys_lost(
    connection: sa.Connection, contract: Contract, reference: Reference, batches: Mapping[str, int], now: datetime
) -> str:
    """Published rows whose key the referenced dataset does not have any more; none if `batches` is empty.

    Args:
        batches: how many rows of each batch.

    Returns:
        The warning in words; empty if there is none.
    """
    column = reference.label
    subject = f"references {contract} {column}"
    if not batches:
        incidents.over(connection, [subject], Facts([f"every {column} of {contract} is published again"]), now)
        return ""
    named = ", ".join(list(batches)[:3]) + (", ..." if len(batches) > 3 else "")
    rows = counted(sum(batches.values()), "published row")
    reason = f"{rows} of {contract} ({named}) with a {column} that is no longer published in {reference.parent}"
    facts = Facts(
        reasons=[reason],
        numbers={"rows": sum(batches.values()), "batches": len(batches)},
        readers_see=f"{contract}, including these rows",
        downstream=downstream.of_dataset(connection, contract),
        next_command=f"sluice quarantine replay {contract} {next(iter(batches))}",
    )
    cause = Cause("warning", subject, str(contract), reminded=False)
    incidents.saw(connection, cause, facts, [_owner(contract)], now)
    return reason


def marts_failed(connection: sa.Connection, error: SluiceError, now: datetime) -> None:
    """dbt failed, or the marts could not be published. Sent to every owner: all read the same marts."""
    if isinstance(error, SILENT):
        return
    failed = sorted(node.unique_id for node in getattr(getattr(error, "run", None), "failed", ()))
    facts = Facts(
        reasons=[line.strip() for line in str(error).splitlines() if line.strip()],
        readers_see="the marts as they were before this run",
        downstream=downstream.of_nodes(connection, failed),
        next_command=getattr(error, "next_command", "sluice docs"),
    )
    detail = " ".join(failed) or type(error).__name__
    cause = Cause(getattr(error, "incident", "dbt_failed"), MARTS, detail=detail)
    incidents.saw(connection, cause, facts, everyone(), now)


def marts_are_new(connection: sa.Connection, now: datetime) -> None:
    """Readers have the marts of every published load, so the incident is resolved."""
    incidents.over(connection, [MARTS], Facts(["the marts show every published load"]), now)


def views_damaged(connection: sa.Connection, found: Sequence[str], now: datetime) -> None:
    """Views of `marts` are missing or were changed, by somebody's hand or by a CASCADE."""
    facts = Facts(
        reasons=found,
        readers_see="an error, or what the changed view shows, until this run restores the views",
        next_command="sluice status",
    )
    incidents.saw(connection, Cause("marts_damaged", VIEWS), facts, everyone(), now)


def views_are_back(connection: sa.Connection, now: datetime) -> None:
    """All views show what was published."""
    good = Facts(["every view of marts shows what was published"], next_command="sluice status")
    incidents.over(connection, [VIEWS], good, now)


def marts_not_published(warehouse: Warehouse, error: SluiceError) -> None:
    """The candidate passed its tests, and could not be made live: a verdict that writes nothing else."""

    def tell(connection: sa.Connection, now: datetime) -> None:
        marts_failed(connection, error, now)

    if not write(warehouse, tell) and not isinstance(error, SILENT):
        facts = Facts([str(error)], readers_see="the marts as they were", next_command=DOCTOR)
        notify_directly(getattr(error, "incident", "dbt_failed"), facts)


def marts_published(
    connection: sa.Connection, models: Sequence[str], warned: Mapping[str, Facts], now: datetime
) -> None:
    """The marts are new. dbt's tests that only warn are reported once each, until they pass.

    Args:
        warned: facts about those tests, by their names.
    """
    good = Facts(["the marts are built, tested and published"], readers_see=f"new marts: {', '.join(models)}")
    begins = "warning dbt "
    open_warnings = [row.subject for row in incidents.open_now(connection) if row.subject.startswith(begins)]
    passed = [subject for subject in open_warnings if subject.removeprefix(begins) not in warned]
    incidents.over(connection, [MARTS, VIEWS, *passed], good, now)
    for name, facts in warned.items():
        incidents.saw(connection, Cause("warning", f"{begins}{name}", reminded=False), facts, everyone(), now)


def ages(connection: sa.Connection, found: Iterable[tuple[Contract, str]], now: datetime) -> None:
    """Which sources are past their `error_after`, and how old they are. The others are fresh, or are again."""
    stale = {contract.dataset_id: (contract, age) for contract, age in found}
    fresh = [f"stale {name}" for name in contracts() if name not in stale]
    incidents.over(connection, fresh, Facts(["new rows arrived: the source is fresh again by its contract"]), now)
    for contract, age in stale.values():
        facts = Facts(
            reasons=[age],
            readers_see=f"{contract} up to the last delivery",
            downstream=downstream.of_dataset(connection, contract),
            next_command=f"sluice plan {contract}",
        )
        cause = Cause("source_stale", f"stale {contract}", str(contract))
        incidents.saw(connection, cause, facts, [_owner(contract)], now)


def everyone() -> list[Owner]:
    """Every owner, once for each channel."""
    return list({contract.alerts: _owner(contract) for contract in contracts().values()}.values())


def write(warehouse: Warehouse | None, tell: Callable[[sa.Connection, datetime], None]) -> bool:
    """Open or close incidents of a verdict that writes nothing else. Returns whether a warehouse took it."""
    if warehouse is None:
        return False
    try:
        with brief(warehouse.engine) as connection:
            tell(connection, warehouse.now())
    except DATABASE_ERRORS:
        return False
    return True


def notify_directly(kind: str, facts: Facts) -> None:
    """Send every owner at once what no outbox can hold, because the warehouse is what broke: once, unremembered."""
    from sluice.alerts import channels  # imports Prefect, 2 s

    for owner in everyone():
        channels.send(render(kind, facts, owner=owner.name), owner.block)


def _of_batch(kind: str, contract: Contract, batch: str, detail: str = "") -> Cause:
    return Cause(kind, f"batch {contract} {batch}", str(contract), batch, detail)


def _owner(contract: Contract) -> Owner:
    return Owner(contract.owner, contract.alerts)
