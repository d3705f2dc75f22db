"""Which columns of a dbt run hold personal data: those that contracts and dbt mark, and all that is built from them.

By name, and rather one too many: what a query cannot be read for is taken to be personal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sluice.project.datasets import contracts


def columns(nodes: Iterable[Mapping[str, Any]], also: Iterable[str] = ()) -> set[str]:
    """Names of personal columns in contracts and models.

    Args:
        nodes: of dbt's manifest, with their compiled SQL.
        also: further ones.
    """
    found = {column.name for contract in contracts().values() for column in contract.columns if column.pii}
    found.update(also)
    models = [node for node in nodes if node.get("resource_type") in ("model", "snapshot", "seed")]
    for node in models:
        declared = (node.get("columns") or {}).values()
        found |= {column["name"] for column in declared if (column.get("meta") or {}).get("pii")}
    return made_of(found, *(str(node.get("compiled_code") or "") for node in models)) if found else found


def made_of(personal: set[str], *queries: str) -> set[str]:
    """The names, with those that the queries give to anything built from them: `upper(email) as contact`."""
    aliases = [alias for query in queries if query.strip() for alias in _aliases(query)]
    known = {name.lower() for name in personal}
    while new := {name for name, parts in aliases if parts & known} - known:
        known |= new
    return known


def _aliases(query: str) -> list[tuple[str, set[str]]]:
    """Each name that a query gives, with the columns in what it names."""
    import sqlglot  # half a second, which only a failed test is worth
    from sqlglot import expressions

    try:
        found = sqlglot.parse_one(query, dialect="postgres").find_all(expressions.Alias)
        return [(a.alias.lower(), {c.name.lower() for c in a.find_all(expressions.Column)}) for a in found]
    except sqlglot.errors.SqlglotError:
        words = set(re.findall(r"\w+", query.lower()))
        return [(word, words) for word in words]
