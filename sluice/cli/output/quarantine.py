"""`quarantine list/show/export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.cli.output.tables import number, out, print_json, print_table
from sluice.contract.contract import Contract, masked
from sluice.contract.errors import DataError
from sluice.ledger import files
from sluice.ledger.reading import reading
from sluice.project.datasets import contract_for, contracts
from sluice.staging.quarantine import dropped_of, held_and_rejected, is_there, reasons
from sluice.staging.quarantine_export import export as write_file
from sluice.warehouse.engine import Capability
from sluice.warehouse.postgres.rows.tables import quarantine_table
from sluice.warehouse.spark.connection import choice

PLACE = ("_row_number", "_file", "_file_row")  # where a row is, not what is in it


def quarantined(datasets: list[str] | None, as_json: bool) -> None:
    """Loads that have rejected rows, and held ones."""
    choice.need(Capability.QUARANTINE)
    chosen = [contract_for(name) for name in datasets] if datasets else list(contracts().values())
    with reading() as connection:
        rows = [] if connection is None else held_and_rejected(connection, chosen)
    if as_json:
        print_json(rows)
    elif not rows:
        out.print("No rows are in quarantine, and no batch is held.")
    else:
        print_table("Quarantine", [_shown(row) for row in rows], right=("rejected", "read"))


def _shown(row: Mapping[str, Any]) -> dict[str, str]:
    """A row of the table, in words."""
    dropped = f", rows dropped on {row['rows_dropped']}" if row["rows_dropped"] else ""
    return {
        "dataset": row["dataset"],
        "batch": row["batch"],
        "load": str(row["load"]),
        "status": f"{row['status']}{dropped}",
        "rejected": number(row["rejected"]),
        "read": number(row["read"]),
        "most fail": row["most_fail"],
    }


def export(dataset: str, batch: str | None, path: Path) -> None:
    """Rejected rows into a file."""
    choice.need(Capability.QUARANTINE)
    found = contract_for(dataset)
    with reading() as connection:
        if connection is None or not is_there(connection, found):
            raise DataError(f"{dataset} has no quarantine: it was never loaded. Load it: sluice run {dataset}")
        rows = write_file(connection, found, batch, path)
    out.print(f"{rows:,} rows into {path}", markup=False, highlight=False, soft_wrap=True)


def quarantine(dataset: str, batch: str, limit: int, as_json: bool) -> None:
    """Reasons and rows of a batch's rejected rows."""
    choice.need(Capability.QUARANTINE)
    found = contract_for(dataset)
    found.files.batches.validate(batch)
    with reading() as connection:
        if connection is None or not is_there(connection, found):
            rows, dropped = [], "it was never loaded"
        else:
            rows = [
                {"reason": name, "rows": count, "sample": _sample(connection, found, batch, name, limit)}
                for name, count in reasons(connection, found, batch=batch)
            ]
            dropped = "" if rows else dropped_of(connection, found, batch)
    if as_json:
        print_json(rows)
    elif not rows:
        out.print(f"No row of {dataset} {batch} is in quarantine{': ' * bool(dropped)}{dropped}.", highlight=False)
    else:
        _print_quarantine(dataset, batch, rows)


def _sample(connection: sa.Connection, found: Contract, batch: str, reason: str, limit: int) -> list[dict[str, Any]]:
    table = quarantine_table(found)
    query = (
        sa.select(table.c._load_id, table.c._row_number, table.c._row)
        .where(table.c._batch == batch, table.c._reasons.any(reason))
        .order_by(table.c._row_number)
        .limit(limit)
    )
    rows = connection.execute(query).tuples().all()
    from_file = {load: files.places(connection, load) for load in {load for load, _, _ in rows}}
    return [{"_row_number": at, **from_file[load].of(at), **masked(found, row)} for load, at, row in rows]


def _print_quarantine(dataset: str, batch: str, rows: Sequence[Mapping[str, Any]]) -> None:
    print_table(
        f"Why rows of {dataset} {batch} were rejected",
        [{"reason": row["reason"], "rows": f"{row['rows']:,}"} for row in rows],
        right=("rows",),
    )
    for row in rows:
        out.print(f"\n{row['reason']}", markup=False, highlight=False)
        for sample in row["sample"]:
            values = ", ".join(f"{k}={v}" for k, v in sample.items() if v is not None and k not in PLACE)
            out.print(f"  {_place(sample)}: {values}", markup=False, highlight=False, soft_wrap=True)


def _place(sample: Mapping[str, Any]) -> str:
    """Which row it is; of a batch of several files, of which file."""
    if "_file" not in sample:
        return f"row {sample['_row_number']}"
    return f"row {sample['_file_row']} of {sample['_file']} (row {sample['_row_number']} of the batch)"
