"""`quarantine list/show/export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.cli.output.tables import number, out, print_json, print_table
from sluice.contract.contract import Contract, masked
from sluice.contract.errors import ToolError
from sluice.project.datasets import contract_for, contracts
from sluice.staging.quarantine import dropped_of, held_and_rejected
from sluice.staging.quarantine_export import export as write_file
from sluice.warehouse.connection import open_warehouse
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.postgres.tables import quarantine_table


def quarantined(datasets: list[str] | None, as_json: bool) -> None:
    """Loads that have rejected rows, and held ones."""
    chosen = [contract_for(name) for name in datasets] if datasets else list(contracts().values())
    rows = held_and_rejected(open_warehouse(), chosen)
    if as_json:
        print_json(rows)
    elif not rows:
        out.print("No rows are in quarantine, and no batch is held.")
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
            f"the quarantine of {dataset} cannot be read: {first_line(error)}. Has the dataset been loaded?"
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
    return [{"_row_number": at, **masked(found, row)} for at, row in rows]


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
