"""contracts -> the YAML of dbt's sources: tables, columns with descriptions and types, freshness, owner. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from math import ceil
from typing import Any

import yaml
from sqlalchemy.dialects import postgresql

from sluice.contract.batches import Calendar
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import DEFAULT, Schemas
from sluice.contract.derive.tables import comment, parent_table

# Asked of the ledger, where it costs nothing, not of all rows of all batches; the age that freshness.py says.
END_OF_NEWEST = "select {end} from {ops}.batches where dataset = '{dataset}' and status = 'published'"
# When the newest batch of a kind ends, by the clock of its time zone
ENDS = {
    "hour": "cast(replace(max(batch), 'T', ' ') || ':00' as timestamp) + interval '1 hour'",
    "day": "cast(max(batch) as date) + interval '1 day'",
    "week": "to_date(max(batch), 'IYYY-\"W\"IW') + interval '7 days'",
    "month": "cast(max(batch) || '-01' as date) + interval '1 month'",
    "quarter": "make_date(cast(left(max(batch), 4) as int), 3 * cast(right(max(batch), 1) as int) - 2, 1)"
    " + interval '3 months'",
    "year": "cast(max(batch) || '-01-01' as date) + interval '1 year'",
}
# Leaves out batches of a cadence that the dataset had before
OF_THE_CADENCE = " and batch ~ '^{form}$'"
HEADER = "# Generated from contracts/ by `sluice derive`; do not edit.\n"


def sources_yaml(contracts: Iterable[Contract], schemas: Schemas = DEFAULT) -> str:
    """The sources of one provider."""
    chosen = list(contracts)
    document = {
        "version": 2,
        "sources": [
            {
                "name": chosen[0].source,
                "schema": schemas.staging,
                "description": f"Landed and audited rows of {chosen[0].source}: every row passed its contract.",
                "tables": [_table(contract, schemas) for contract in chosen],
            }
        ],
    }
    return HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _table(contract: Contract, schemas: Schemas) -> dict[str, Any]:
    table: dict[str, Any] = {
        "name": contract.dataset_id,
        "description": f"{contract.description} One row per accepted row of the source.",
        "config": {"meta": {"owner": contract.owner}},
    }
    if contract.freshness is not None and isinstance(contract.files.batches, Calendar):
        table["config"]["loaded_at_query"] = _end_of_newest(contract.dataset_id, contract.files.batches, schemas)
        table["config"]["freshness"] = {
            "warn_after": _period(contract.freshness.warn_after),
            "error_after": _period(contract.freshness.error_after),
        }
    known = {column.name: column for column in contract.columns}
    table["columns"] = [
        {
            "name": f"{column.name}",  # a plain str, which YAML can write
            "description": comment(known[column.name]) if column.name in known else str(column.comment),
            "data_type": column.type.compile(postgresql.dialect()).lower(),
        }
        for column in parent_table(contract).columns
    ]
    return table


def _end_of_newest(dataset: str, batches: Calendar, schemas: Schemas) -> str:
    query = END_OF_NEWEST + OF_THE_CADENCE
    return query.format(end=_end(batches), ops=schemas.ops, dataset=dataset, form=batches.form())


def _end(batches: Calendar) -> str:
    ends = ENDS[batches.noun]
    return ends if batches.timezone == "UTC" else f"({ends}) at time zone '{batches.timezone}'"


def _period(span: timedelta) -> dict[str, Any]:
    if span.seconds or span.microseconds:  # dbt counts whole periods
        return {"count": ceil(span / timedelta(minutes=1)), "period": "minute"}
    return {"count": span.days, "period": "day"}
