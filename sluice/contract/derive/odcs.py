"""contract -> a data contract in the Open Data Contract Standard (ODCS v3.2.0), YAML that other tools read. Pure.

It describes the table `staging.<dataset>`, from which the marts are built, where no row fails a check of severity
error. Any tool that knows the standard can run its rules there. Keys: bitol.io's specification and its JSON schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import yaml
from sqlalchemy.dialects import postgresql

from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.pandera_check import is_builtin
from sluice.contract.checks.symbols.literals import listed
from sluice.contract.checks.version import lasting_sql_of, version_of
from sluice.contract.columns import Column
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import DEFAULT, Schemas
from sluice.contract.derive.tables import comment
from sluice.contract.formatting import address_name, percent
from sluice.contract.values.grammars import kind_of

HEADER = "# Generated from contracts/ by `sluice derive`; do not edit.\n"
STANDARD = "v3.2.0"
TABLE = "${object}"  # what the standard calls the table that a rule is about
SERVER = {"host": "127.0.0.1", "port": 5432, "database": "sluice"}  # where `sluice connect` names no other


def odcs_yaml(
    contract: Contract, schemas: Schemas = DEFAULT, server: Mapping[str, Any] = SERVER, header: str = HEADER
) -> str:
    """The contract of one dataset, as its readers meet it: the table `staging.<dataset>`.

    Args:
        server: host, port and database of the warehouse.
    """
    checks = checks_of(contract, contract.files.batches.first)
    of_null = {f"{column.name} not null" for column in contract.columns}
    said = {check.name for check in checks if check.name in of_null and check.severity == "error"}  # by `required`
    own = {c.name: [k for k in checks if k.columns == (c.name,) and k.name not in said] for c in contract.columns}
    of_columns = said | {check.name for found in own.values() for check in found}
    document = {
        "apiVersion": STANDARD,
        "kind": "DataContract",
        "id": contract.dataset_id,
        "name": contract.entity,
        "version": version_of(contract),
        "status": "active",
        "domain": contract.source,
        "description": {"purpose": contract.description, "limitations": _limits(contract)},
        "servers": [{"server": "warehouse", "type": "postgres", **server, "schema": schemas.staging}],
        "schema": [
            {
                "name": contract.dataset_id,
                "logicalType": "object",
                "physicalType": "table",
                "physicalName": contract.dataset_id,
                "description": contract.description,
                "dataGranularityDescription": "One row per accepted row of the source.",
                "properties": [
                    _property(each, f"{each.name} not null" in said, own[each.name]) for each in contract.columns
                ],
                "quality": [
                    {
                        "name": "has rows",
                        "type": "library",
                        "metric": "rowCount",
                        "description": "A batch without rows is held.",
                        "mustBeGreaterThan": 0,
                        "severity": "error",
                    },
                    *(_quality(check) for check in checks if check.name not in of_columns),
                ],
            }
        ],
        "team": {"members": [{"username": contract.owner, "role": "owner"}]},
        "slaProperties": _freshness(contract),
        "customProperties": [{"property": "sourceFiles", "value": address_name(contract.files.url)}],
    }
    filled = {key: value for key, value in document.items() if value}
    return header + yaml.safe_dump(filled, sort_keys=False, allow_unicode=True, width=110)


def _property(column: Column, required: bool, checks: list[Check]) -> dict[str, Any]:
    kind = kind_of(column.type)
    found: dict[str, Any] = {
        "name": column.name,
        "logicalType": column.type.logical,
        "physicalType": str(column.type.sql.compile(postgresql.dialect())).lower(),
        "description": comment(column),
        "required": required,
    }
    if kind.startswith("timestamp"):
        found["logicalTypeOptions"] = {"timezone": kind != "timestamp"}
    if column.pii:
        found["classification"] = "personal"
    custom: list[dict[str, Any]] = [{"property": "sourceNames", "value": ", ".join(column.sources)}]
    if column.unit:
        custom.append({"property": "unit", "value": column.unit})
    if not column.required:
        custom.append({"property": "optionalInFiles", "value": True})
    if column.since:
        custom.append({"property": "sinceBatch", "value": column.since})
    return found | {"customProperties": custom, **_qualities(checks)}


def _qualities(checks: list[Check]) -> dict[str, Any]:
    return {"quality": [_quality(check) for check in checks]} if checks else {}


def _quality(check: Check) -> dict[str, Any]:
    """A check, as a rule that other tools run where it can be one, else as text that people read."""
    share = percent(check.tolerance) if check.tolerance is not None else None
    within = " in each batch" if check.kind == "unique" else ""
    within += f", for all but {share} of the rows" if share else ""
    found: dict[str, Any] = {
        "name": check.name,
        **_rule(check),
        "description": f"{check.name}{within}.",
        "severity": "error" if check.severity == "error" else "warning",
    }
    tolerance = [{"property": "tolerance", "value": check.tolerance}] if check.tolerance is not None else []
    return found | ({"customProperties": tolerance} if tolerance else {})


def _rule(check: Check) -> dict[str, Any]:
    """How it is run in `staging`, where rows that fail a check of severity error are not, for any tolerance of it."""
    if (codes := _codes(check)) is not None and check.severity == "error":
        return {"type": "library", "metric": "invalidValues", "arguments": {"validValues": codes}, "mustBe": 0}
    query = _query(check)
    if query is None:
        return {"type": "text"}
    if check.severity == "error":
        return {"type": "sql", "query": query, "mustBe": 0}
    share = f"SELECT 100.0 * ({query}) / greatest((SELECT count(*) FROM {TABLE}), 1)"  # noqa: S608
    return {"type": "sql", "query": share, "mustBeLessOrEqualTo": 100 * (check.tolerance or 0), "unit": "percent"}


def _query(check: Check) -> str | None:
    """How many rows fail; None for a check that only Sluice can run, or that does not hold for several batches.

    It is written, and never run here.
    """
    if check.kind == "unique":
        columns = ", ".join(("_batch", *map(postgresql.dialect().identifier_preparer.quote, check.columns)))
        groups = f"SELECT count(*) AS n FROM {TABLE} GROUP BY {columns} HAVING count(*) > 1"  # noqa: S608
        return f"SELECT coalesce(sum(n - 1), 0) FROM ({groups}) AS repeated"  # noqa: S608
    found = lasting_sql_of(check) if check.kind == "row" else None
    of_one_batch = check.name == f"{''.join(check.columns[:1])} in batch"  # each has its own dates
    if found is None or of_one_batch or "_unparsed" in found:
        return None
    return f"SELECT count(*) FROM {TABLE} WHERE ({found}) IS FALSE"  # noqa: S608


def _codes(check: Check) -> list[Any] | None:
    """The values that a column may have, if that is what is checked, and YAML can hold them."""
    if check.pandera is None or check.pandera.name != "isin" or not is_builtin(check.pandera):
        return None
    codes = list(listed((check.pandera.statistics or {})["allowed_values"]))
    return codes if all(type(code) in (int, str) for code in codes) else None


def _limits(contract: Contract) -> str:
    return f"Rows that fail a check are not in it; a batch with over {percent(contract.gate.max_rejected)} is held."


def _freshness(contract: Contract) -> list[dict[str, Any]]:
    if contract.freshness is None:
        return []
    span = contract.freshness.error_after
    whole = span % timedelta(days=1) == timedelta()
    value, unit = (span.days, "d") if whole else (round(span / timedelta(hours=1), 2), "h")
    return [{"property": "latency", "value": value, "unit": unit}]
