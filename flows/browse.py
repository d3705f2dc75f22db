"""What `sluice status`, `contract show` and `quarantine show` print. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from contracts.checks import Check, checks_of
from contracts.contract import Contract
from contracts.derive.ddl import quarantine_table
from contracts.errors import ToolError
from contracts.registry import contract_for, contracts
from contracts.version import sql_of, version_of
from flows import incidents, ledger, ledger_tables, marts, runs
from flows.age import age_of
from flows.printing import number, out, print_json, print_table
from flows.quarantine import dropped_of, held_and_rejected
from flows.quarantine import export as write_file
from flows.samples import masked
from flows.warehouse import DATABASE_ERRORS, first_line, open_warehouse

WAYS = {"row": "SQL, one scan", "aggregate": "SQL, whole batch", "unique": "SQL, grouped"}


def status(as_json: bool) -> None:
    """Datasets, their batches, verdicts and freshness; runs at work, open incidents."""
    warehouse = open_warehouse()
    with warehouse.engine.begin() as connection:
        ledger_tables.create(connection)
        working = runs.under_way(connection)
        rows = [row for contract in contracts().values() for row in _status_rows(connection, contract, working)]
        found = [incidents.line(row) for row in incidents.open_now(connection)]
        live = marts.live(connection)
    if as_json:
        print_json(rows)
    else:
        print_table("Datasets", rows, right=("read", "rejected"))
        out.print(f"Marts: {_marts(live)}")
        for run in working:
            out.print(f"At work: {run.name}, since {run.began_at:%Y-%m-%d %H:%M} UTC", markup=False, highlight=False)
        for incident in found:
            out.print(f"Open: {incident}", markup=False, highlight=False, soft_wrap=True)


def _marts(live: sa.Row | None) -> str:
    """What readers have, and since when."""
    if live is None:
        return "not published yet"
    since = f"{live.published_at:%Y-%m-%d %H:%M} UTC"
    if live.kind == "rollback":
        return f"{live.side}, an older build, rolled back {since}. The next run builds and publishes anew."
    return f"{live.side}, published {since}"


def _status_rows(connection: sa.Connection, contract: Contract, working: Sequence[sa.Row]) -> list[dict[str, str]]:
    loads, at_work = ledger.batches, {run.run_id for run in working}
    newest = (
        sa.select(loads)
        .distinct(loads.c.batch)
        .where(loads.c.dataset == contract.dataset_id, loads.c.status != "superseded")
        .order_by(loads.c.batch, loads.c.load_id.desc())
    )
    found = connection.execute(newest).all()
    theirs = sa.select(loads).where(loads.c.dataset == contract.dataset_id, loads.c.status == "published")
    readers = {row.batch: row for row in connection.execute(theirs)}
    if not found:
        return [{"dataset": contract.dataset_id, "batch": "-", "verdict": "never loaded"}]
    return [
        {
            "dataset": row.dataset,
            "batch": row.batch,
            "verdict": row.status,
            "read": number(row.rows_read),
            "rejected": number(row.rows_rejected),
            "at (UTC)": f"{row.finished_at or row.started_at:%Y-%m-%d %H:%M}",
            "freshness": str(age_of(contract, row.batch) or "") if row is found[-1] else "",
            "why": _why(row, readers.get(row.batch), row.run_id in at_work),
        }
        for row in found
    ]


def _why(load: sa.Row, published: sa.Row | None, at_work: bool) -> str:
    """What became of a batch's newest load, and what readers have of the batch if that is of a load before."""
    cut_off = load.status == "started" and not at_work
    said = [_cut_off(load)] if cut_off else list(load.reasons)
    if published is not None and published.load_id != load.load_id:
        when = f"{published.finished_at:%Y-%m-%d %H:%M}"
        said.append(f"readers have the {number(published.rows_accepted)} rows published at {when}")
    return "; ".join(said)


def _cut_off(load: sa.Row) -> str:
    again = "replay it again" if load.replay_of else "the next run loads it again"
    return f"its run is gone: killed, or cut off from the database; {again}"


def contract(dataset: str, as_json: bool) -> None:
    """A contract's columns and checks."""
    found = contract_for(dataset)
    first = getattr(found.files.batches, "start", None) or found.files.batches.name  # type: ignore[union-attr]
    checks = [
        {
            "check": check.name,
            "way": WAYS.get(check.kind) or _pandas_way(check),
            "severity": check.severity,
            "tolerance": "" if check.tolerance is None else str(check.tolerance),
            "sql": sql_of(check) or "",
        }
        for check in checks_of(found, first)
    ]
    columns = [
        {"column": c.name, "type": str(c.type), "nulls": "yes" if c.nullable else "no", "description": c.description}
        for c in found.columns
    ]
    if as_json:
        print_json({"dataset": dataset, "version": version_of(found), "columns": columns, "checks": checks})
        return
    print_table(f"{dataset}, version {version_of(found)}, owner {found.owner}", columns)
    print_table("Checks", checks)


def _pandas_way(check: Check) -> str:
    if check.across:
        return f"none, the gate stays closed: it looks across rows ({check.across})"
    return f"pandas: {check.untraced}"


def quarantined(datasets: list[str] | None, as_json: bool) -> None:
    """Loads that have rejected rows, and held ones."""
    chosen = [contract_for(name) for name in datasets] if datasets else list(contracts().values())
    rows = held_and_rejected(open_warehouse(), chosen)
    if as_json:
        print_json(rows)
    elif not rows:
        out.print("Nothing is in quarantine, and no batch is held.")
    else:
        shown = [{**row, "rejected": number(row["rejected"]), "read": number(row["read"])} for row in rows]
        for row in shown:
            dropped = row.pop("rows dropped")
            row["status"] += f", rows dropped on {dropped}" if dropped else ""
        print_table("Quarantine", shown, right=("rejected", "read"))


def export(dataset: str, batch: str | None, path: Path) -> None:
    """Rejected rows into a file."""
    try:
        rows = write_file(open_warehouse(), contract_for(dataset), batch, path)
    except DATABASE_ERRORS as error:
        raise ToolError(f"the quarantine of {dataset} cannot be read: {first_line(error)}") from None
    out.print(f"{rows:,} rows into {path}", markup=False, highlight=False, soft_wrap=True)


def quarantine(dataset: str, batch: str, limit: int, as_json: bool) -> None:
    """Reasons and rows of a batch's rejected rows."""
    found = contract_for(dataset)
    found.files.batches.validate(batch)
    table = quarantine_table(found)
    reasons_of = sa.func.unnest(table.c._reasons).table_valued("reason", joins_implicitly=True).render_derived()
    reason = reasons_of.c.reason
    counts = (
        sa.select(reason, sa.func.count())
        .select_from(table)
        .where(table.c._batch == batch)
        .group_by(reason)
        .order_by(sa.func.count().desc())
    )
    try:
        with open_warehouse().engine.begin() as connection:
            reasons: list[tuple[str, int]] = [(row[0], row[1]) for row in connection.execute(counts)]
            rows = [
                {"reason": name, "rows": count, "sample": _sample(connection, found, batch, name, limit)}
                for name, count in reasons
            ]
            dropped = "" if reasons else dropped_of(connection, found, batch)
    except DATABASE_ERRORS as error:
        raise ToolError(
            f"the quarantine of {dataset} cannot be read: {first_line(error)}. Was it ever loaded?"
        ) from None
    if as_json:
        print_json(rows)
    elif not rows:
        out.print(f"No row of {dataset} {batch} is in quarantine{': ' * bool(dropped)}{dropped}.", highlight=False)
    else:
        _print_quarantine(dataset, batch, rows)


def _sample(connection: sa.Connection, found: Contract, batch: str, reason: str, limit: int) -> list[dict[str, Any]]:
    table = quarantine_table(found)
    query = (
        sa.select(table.c._row_number, table.c._row)
        .where(table.c._batch == batch, table.c._reasons.any(reason))
        .order_by(table.c._row_number)
        .limit(limit)
    )
    rows = connection.execute(query).tuples()
    return [{"_row_number": number, **masked(found, row)} for number, row in rows]


def _print_quarantine(dataset: str, batch: str, rows: Sequence[Mapping[str, Any]]) -> None:
    print_table(
        f"Why rows of {dataset} {batch} were rejected",
        [{"reason": row["reason"], "rows": f"{row['rows']:,}"} for row in rows],
        right=("rows",),
    )
    for row in rows:
        out.print(f"\n{row['reason']}", markup=False, highlight=False)
        for sample in row["sample"]:
            values = ", ".join(f"{k}={v}" for k, v in sample.items() if v is not None and k != "_row_number")
            out.print(f"  row {sample['_row_number']}: {values}", markup=False, highlight=False, soft_wrap=True)
