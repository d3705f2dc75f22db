"""Rejected rows into a CSV or JSON Lines file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.contract.columns import SYSTEM_COLUMNS
from sluice.contract.contract import Contract, masked
from sluice.contract.errors import ConfigError
from sluice.ledger import files
from sluice.project.atomic import replacing
from sluice.warehouse.postgres.rows.tables import quarantine_table

ROWS = 10_000  # in memory at once
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a cell that begins so (OWASP, CSV injection)


def export(connection: sa.Connection, contract: Contract, batch: str | None, path: Path) -> int:
    """Write the rejected rows of a dataset, or of one batch of it, into a CSV or JSON Lines file.

    Values of `pii` columns are masked. The file appears when it is whole. In CSV, a text that a spreadsheet would take
    for a formula begins with a quote mark; JSON Lines and the table have it as it is.

    Returns:
        How many rows it has.

    Raises:
        ConfigError: the file's name ends in neither .csv nor .jsonl, or its folder does not exist.
    """
    if path.suffix not in (".csv", ".jsonl") or not path.parent.is_dir():
        raise ConfigError(f"{path}: write to a file that ends in .csv or .jsonl, in an existing folder")
    if batch is not None:
        contract.files.batches.validate(batch)
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        rows = _rows(connection, contract, batch)
        return _write_csv(file, contract, rows) if path.suffix == ".csv" else _write_lines(file, rows)


def _rows(connection: sa.Connection, contract: Contract, batch: str | None) -> Iterator[Mapping[str, Any]]:
    table = quarantine_table(contract)
    query = sa.select(table.c._batch, table.c._load_id, table.c._row_number, table.c._reasons, table.c._row)
    query = query.order_by(table.c._batch, table.c._load_id, table.c._row_number)
    if batch is not None:
        query = query.where(table.c._batch == batch)
    connection.execution_options(stream_results=True, max_row_buffer=ROWS)
    streamed = connection.execute(query)
    connection.execution_options(stream_results=False)
    from_file: dict[int, files.Places] = {}
    for name, load_id, number, reasons, row in streamed:
        if load_id not in from_file:
            from_file = {load_id: files.places(connection, load_id)}
        system = {"_batch": name, "_load_id": load_id, "_row_number": number, **from_file[load_id].of(number)}
        yield {**system, "_reasons": reasons, **masked(contract, row)}


def _write_csv(file: Any, contract: Contract, rows: Iterator[Mapping[str, Any]]) -> int:
    names = [
        *SYSTEM_COLUMNS[1:],
        "_file",
        "_file_row",
        "_reasons",
        *(column.name for column in contract.columns),
        "_row",
    ]
    writer = csv.DictWriter(file, names, extrasaction="ignore")
    writer.writeheader()
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - the last number is the count
        cells = {**row, "_reasons": "; ".join(row["_reasons"])}
        writer.writerow({name: _harmless(value) for name, value in cells.items()})
    return count


def _harmless(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula: after a quote mark, if it could. Numbers are what they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _write_lines(file: Any, rows: Iterator[Mapping[str, Any]]) -> int:
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count
