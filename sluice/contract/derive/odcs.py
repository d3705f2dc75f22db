"""contract -> a data contract in the Open Data Contract Standard (ODCS v3.1.0), YAML that other tools read. Pure.

Keys: bitol.io's specification and its JSON schema, odcs-json-schema-v3.1.0.
"""

from __future__ import annotations

from typing import Any

import yaml
from sqlalchemy.dialects import postgresql

from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.version import lasting_sql_of, version_of
from sluice.contract.columns import Column
from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import DEFAULT, Schemas
from sluice.contract.derive.tables import comment
from sluice.contract.formatting import address_name, percent
from sluice.contract.values.grammars import kind_of

HEADER = "# Generated from contracts/ by `sluice derive`; do not edit.\n"
STANDARD = "v3.1.0"


def odcs_yaml(contract: Contract, schemas: Schemas = DEFAULT) -> str:
    """The contract of one dataset, as its readers meet it: the table `staging.<dataset>`."""
    checks = checks_of(contract, contract.files.batches.first)
    said = {f"{column.name} not null" for column in contract.columns}  # by `required`
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
        "schema": [
            {
                "name": contract.dataset_id,
                "logicalType": "object",
                "physicalType": "table",
                "physicalName": f"{schemas.staging}.{contract.dataset_id}",
                "description": contract.description,
                "dataGranularityDescription": "One row per accepted row of the source.",
                "properties": [_property(column, own[column.name]) for column in contract.columns],
                **_qualities([check for check in checks if check.name not in of_columns]),
            }
        ],
        "team": {"members": [{"username": contract.owner, "role": "owner"}]},
        "slaProperties": _freshness(contract),
        "customProperties": [{"property": "sourceFiles", "value": address_name(contract.files.url)}],
    }
    filled = {key: value for key, value in document.items() if value}
    return HEADER + yaml.safe_dump(filled, sort_keys=False, allow_unicode=True, width=110)


def _property(column: Column, checks: list[Check]) -> dict[str, Any]:
    kind = kind_of(column.type)
    found: dict[str, Any] = {
        "name": column.name,
        "logicalType": column.type.logical,
        "physicalType": str(column.type.sql.compile(postgresql.dialect())).lower(),
        "description": comment(column),
        "required": not column.nullable,
    }
    if kind.startswith("timestamp"):
        found["logicalTypeOptions"] = {"timezone": kind != "timestamp"}
    if column.pii:
        found["classification"] = "personal"
    custom = [{"property": "sourceNames", "value": ", ".join(column.sources)}]
    if column.unit:
        custom.append({"property": "unit", "value": column.unit})
    if column.since:
        custom.append({"property": "sinceBatch", "value": column.since})
    return found | {"customProperties": custom, **_qualities(checks)}


def _qualities(checks: list[Check]) -> dict[str, Any]:
    return {"quality": [_quality(check) for check in checks]} if checks else {}


def _quality(check: Check) -> dict[str, Any]:
    """A check, as text that people read, with its SQL beside it where it has one."""
    share = percent(check.tolerance) if check.tolerance is not None else None
    custom = [
        {"property": name, "value": value}
        for name, value in (("tolerance", check.tolerance), ("passesWhen", lasting_sql_of(check)))
        if value is not None
    ]
    within = " in each batch" if check.kind == "unique" else ""
    within += f", for all but {share} of the rows" if share else ""
    found: dict[str, Any] = {
        "name": check.name,
        "type": "text",
        "description": f"{check.name}{within}.",
        "severity": "error" if check.severity == "error" else "warning",
    }
    return found | ({"customProperties": custom} if custom else {})


def _limits(contract: Contract) -> str:
    return f"Rows that fail a check are not in it; a batch with over {percent(contract.gate.max_rejected)} is held."


def _freshness(contract: Contract) -> list[dict[str, Any]]:
    if contract.freshness is None:
        return []
    return [{"property": "latency", "value": contract.freshness.error_after.days, "unit": "d"}]
