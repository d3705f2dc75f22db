"""A table that another tool fills: columns and key from the catalogue, batches from a column that dates rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sluice.cli.samples.request import DatasetRequest, Learned, refuse_others
from sluice.contract.batches import Batches, Calendar, Daily, Hourly, Monthly, Quarterly, Weekly, Yearly, calendar_of
from sluice.contract.contract import DATING
from sluice.contract.errors import ConfigError
from sluice.contract.scaffold.draft import guesses_of
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import Sample
from sluice.contract.sources import Table
from sluice.staging.loader_tables import table_sample
from sluice.staging.loader_tables.table_sample import DLT_LOAD, DLT_LOADS, TableSample
from sluice.warehouse.connection import look_into_warehouse
from sluice.warehouse.engine import Capability
from sluice.warehouse.spark.connection import choice
from sluice.warehouse.warehouse import Warehouse

# How to_char writes the name of a period
SPELT: dict[type[Calendar], str] = {
    Hourly: 'YYYY-MM-DD"T"HH24',
    Daily: "YYYY-MM-DD",
    Weekly: 'IYYY"-W"IW',
    Monthly: "YYYY-MM",
    Quarterly: 'YYYY"-Q"Q',
    Yearly: "YYYY",
}
# Moments of a row that change, or have nothing to do with when it came about: a batch must keep its rows
_NOT_OF_THE_ROW = re.compile(
    r"(^|_)(updated?|modified|modification|changed?|deleted?|loaded|ingested|inserted|synced|extracted|expires?|expiry|"
    r"due|valid|ends?|ended|closed|last|next|birth|birthday|born|dob)(_|$)"
)


def learn(request: DatasetRequest, table: str) -> Learned:
    """The table's columns, key and batches.

    Raises:
        ConfigError: there is no warehouse yet, or the user names a column that cannot date rows.
        SourceMissing, SourceUnreadable, DataError, ToolError: as `table_sample.sample_of`.
    """
    refuse_others(request, ("ignore", "max_field_bytes"), "--table")
    table_sample.refuse_unnamed(table)
    choice.need(Capability.TABLES)
    warehouse = look_into_warehouse(start=True)
    assert warehouse is not None
    found = table_sample.sample_of(warehouse.engine, table, request.options.get("ignore", ()))
    guesses = _guesses(found, found.sample)
    by = _dating(request, guesses)
    given = {**request.options, "key": _key(found, guesses), **_loads(found, table)}
    if found.unheld:
        given["ignore"] = (*given.get("ignore", ()), *found.unheld)
    sample = found.sample
    if by is None:
        files = Table(table, **given)
    else:
        files = _by_period(request, table, by, given, warehouse)
        sample = _with_first_batch(warehouse, found, files, by)
        guesses = _guesses(found, sample)
    return Learned(files, sample, guesses, list(_doubts(found, files, by, request)))


def _guesses(found: TableSample, sample: Sample) -> list[Guess]:
    """What the columns are: unique and not null as the catalogue says, where it says so."""
    guesses = guesses_of(sample)
    required = {each.name for each in found.columns if each.required}
    alone = found.key[0] if found.unique and len(found.key) == 1 else None
    return [
        replace(
            one,
            unique=one.source == alone if found.unique else one.unique,
            required=not one.nullable and (one.source in required or (one.unique and not found.unique)),
        )
        for one in guesses
    ]


def _dating(request: DatasetRequest, guesses: Sequence[Guess]) -> Guess | None:
    """The column that says of which period a row is."""
    able = [one for one in guesses if one.type.name in DATING]
    if request.by is not None:
        named = next((one for one in able if one.name == request.by), None)
        if named is None:
            there = ", ".join(one.name for one in able) or "none"
            raise ConfigError(f"--by {request.by}: is not a column of the table with dates or times; there is {there}")
        return named
    likely = [one for one in able if not (one.nullable or one.odd[0] or one.pii or _NOT_OF_THE_ROW.search(one.name))]
    found = next((one for one in likely if one.required), likely[0] if likely else None)
    if found is None and request.batch is not None:
        raise ConfigError(f"--batch {request.batch}: no column can date every row of the table; name one: --by")
    return found


def _by_period(request: DatasetRequest, table: str, by: Guess, given: dict[str, Any], warehouse: Warehouse) -> Table:
    batches: Batches = calendar_of(request.batch, by.name) if request.batch is not None else Monthly("2000-01", by.name)
    assert isinstance(batches, Calendar)
    if by.type.name == "date" and isinstance(batches, Hourly):
        raise ConfigError(f"--batch {request.batch}: {by.name} holds dates, which have no hour")
    batch = _spelt(by, batches)
    if request.batch is None:
        first = table_sample.first_batch(warehouse.engine, table, by.source, batch)
        if first is None:
            raise ConfigError(f"{table}: {by.name} holds no date that names a batch; name another column: --by")
        batches = replace(batches, start=first)
    return Table(table, batches, batch=batch, **given)


def _spelt(by: Guess, batches: Calendar) -> str:
    """SQL that names the period of a row."""
    name = by.source if re.fullmatch(r"[a-z_][a-z0-9_]*", by.source) and by.source == by.name else _quoted(by.source)
    cell = f"{name} at time zone 'UTC'" if by.type.name == "timestamp with time zone" else name
    return f"to_char({cell}, '{SPELT[type(batches)]}')"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _with_first_batch(warehouse: Warehouse, found: TableSample, files: Table, by: Guess) -> Sample:
    """The sample with rows of the first batch, if it has none yet: the draft's examples are of that batch."""
    window = files.batches.window(files.batches.first)
    assert window is not None
    assert files.batch is not None
    first, after = (each.isoformat(sep=" ") for each in window)
    column = found.sample.columns[list(found.sample.names).index(by.source)]
    if any(first <= cell.decode()[:19].ljust(19, "0") < after for cell in column.drop_null().to_pylist()):
        return found.sample
    return table_sample.rows_of(warehouse.engine, files.table, found, files.batch, files.batches.first)


def _key(found: TableSample, guesses: Sequence[Guess]) -> tuple[str, ...]:
    if found.key:
        return found.key
    unique = next((one.source for one in guesses if one.unique), None)
    if unique is not None:
        return (unique,)
    return tuple(one.source for one in guesses if one.type.name not in ("json", "bytes"))


def _loads(found: TableSample, table: str) -> dict[str, str]:
    if not found.dlt:
        return {}
    loads = f"{_named(table.partition('.')[0])}.{DLT_LOADS}"
    complete = f"exists (select 1 from {loads} l where l.load_id = {DLT_LOAD} and l.status = 0)"  # noqa: S608 - text
    return {"complete": complete, "load_id": DLT_LOAD}


def _named(schema: str) -> str:
    return schema if re.fullmatch(r"[a-z_][a-z0-9_]*", schema) else _quoted(schema)


def _doubts(found: TableSample, files: Table, by: Guess | None, request: DatasetRequest) -> Iterator[str]:
    if not found.unique:
        kept = "no index holds a column unique" if found.key != files.key else "the loader's number of a row"
        yield f"key: {', '.join(files.key[:5])} number the rows ({kept}); name the columns that identify a row"
    if by is not None and request.by is None:
        noun = files.batches.noun if isinstance(files.batches, Calendar) else "batch"
        yield f"batch: a {noun} of {by.name} is a batch, from {files.batches.first} on; another column: --by (batch)"
    if by is None:
        yield "the whole table is one batch, as no column dates its rows; a row that changes loads it all again"
    if found.dlt:
        yield f"complete, load_id: dlt fills the table; rows are read once {DLT_LOADS} has their load as finished"
    else:
        yield "complete: not set, so rows are read as soon as their loader commits them (docs/sources.md)"
    for name, kind in found.unheld.items():
        yield f"{name}: of type {kind}, which no contract type holds; left out (ignore). A view can cast it"
