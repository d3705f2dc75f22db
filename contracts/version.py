"""The version of a contract: changes when, and only when, what it demands of data changes. Pure."""

from __future__ import annotations

import inspect
import json
from functools import cache
from hashlib import sha256

from sqlalchemy.dialects import postgresql

from contracts.checks import Check, checks_of
from contracts.contract import Contract


@cache
def version_of(contract: Contract) -> str:
    """Twelve hexadecimal digits over columns, checks with their SQL, and the gate's limits."""
    window = getattr(contract.files.batches, "start", None) or contract.files.batches.due(None)[0]  # type: ignore[arg-type]
    facts = {
        "columns": [[c.name, c.type.name, c.sources, c.nullable, c.required, c.since] for c in contract.columns],
        "checks": [_demand(check) for check in checks_of(contract, window)],
        "gate": [contract.gate.max_rejected, contract.gate.rows_vs_last],
        "null_values": contract.files.null_values,
    }
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def sql_of(check: Check) -> str | None:
    """The SQL a check compiles to, with its values written in; None if it goes the pandas way or is grouped."""
    if check.passes is None:
        return None
    return str(check.passes.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})).replace(
        "%%", "%"
    )


def _demand(check: Check) -> list[object]:
    text = sql_of(check)
    if text is None and check.pandera is not None:
        text = inspect.getsource(check.pandera._check_fn)
    return [check.name, check.kind, check.columns, check.severity, check.tolerance, check.keep, text]
