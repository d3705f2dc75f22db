"""The version of a contract: changes when, and only when, what it demands of data changes. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from hashlib import sha256
from typing import Any

from sqlalchemy.dialects import postgresql

from sluice.contract.checks import source_code
from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.keys import OF_KEYS, query_of
from sluice.contract.checks.pandera_check import function_of
from sluice.contract.checks.symbols.literals import listed
from sluice.contract.contract import Contract

# Of a source that is not a file: where rows come from, not how they are read
_WHENCE = ("read", "version", "max_rows", "table", "complete", "load_id")


@cache
def version_of(contract: Contract) -> str:
    """Twelve hexadecimal digits over columns, checks with their SQL, the gate's limits, and how files are read."""
    facts: dict[str, Any] = {
        "columns": [[c.name, c.type.name, c.sources, c.nullable, c.required, c.since] for c in contract.columns],
        "checks": [_demand(check) for check in checks_of(contract, contract.files.batches.first)],
        "gate": [contract.gate.max_rejected, contract.gate.rows_vs_last],
        "null_values": contract.files.null_values,
    }
    if contract.gate.same_bytes != "hold":
        facts["gate"] = [*facts["gate"], contract.gate.same_bytes]
    if contract.gate.rows_vs != "last":
        facts["gate"] = [*facts["gate"], contract.gate.rows_vs]
    zone = getattr(contract.files.batches, "timezone", "UTC")
    if contract.files.batches.by is not None and zone != "UTC":  # the first batch may be the same moments in both
        facts["timezone"] = zone
    if reading := _reading(contract):
        facts["reading"] = reading
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _reading(contract: Contract) -> list[object]:
    """How files are read, where that is not the default."""
    files = [
        [part.name, getattr(contract.files, part.name)]
        for part in fields(contract.files)
        if part.name not in ("url", "batches", "null_values", "max_bytes", "max_ratio", *_WHENCE)
        and getattr(contract.files, part.name) != part.default
    ]
    columns = [[c.name, c.format, c.null_values] for c in contract.columns if c.format or c.null_values]
    return [*files, *columns]


def sql_of(check: Check) -> str | None:
    """The SQL a check compiles to, with its values written in; None if it goes the pandas way.

    For a check of keys it is the query that finds the rows that fail in `batch`; for others, what a row has to be.
    """
    if check.kind == "pandas":
        return None
    statement = query_of(check) if check.kind in OF_KEYS else check.passes
    dialect = postgresql.dialect()
    dialect._backslash_escapes = False  # as a server reports it (read in SQLAlchemy 2.1)
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).replace("%%", "%")


def lasting_sql_of(check: Check) -> str | None:
    """The SQL, unless it holds the moment at which it was compiled: a check against the present is not another one
    each night."""
    clock = check.pandera is not None and source_code.reads_clock(function_of(check.pandera))
    return None if clock else sql_of(check)


def _words(statistics: Mapping[str, object]) -> str:
    """The arguments of a built-in check of pandera, the same in every process."""
    sets = {key: listed(value) for key, value in statistics.items() if isinstance(value, set | frozenset)}
    return repr(sorted({**statistics, **sets}.items()))


def text_of(check: Check) -> str | None:
    """What a check asks of rows, beside its name and columns: its SQL, else its arguments or its source; None for one
    of keys, of which name and columns say all."""
    text = None if check.kind in OF_KEYS else lasting_sql_of(check)
    if text is None and check.pandera is not None:
        statistics = check.pandera.statistics  # of pandera's own checks, whose functions are all one
        text = _words(statistics) if statistics else source_code.text(function_of(check.pandera))
    return text


def _demand(check: Check) -> list[object]:
    rest = [check.severity, check.tolerance, check.keep, text_of(check)]
    return [check.name, check.kind, check.columns, *rest]
