"""The marts and exposures downstream of a dataset or node, as one phrase."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from sluice.contract.contract import Contract
from sluice.ledger.tables import builds
from sluice.project.dbt_manifest import below
from sluice.project.marts.chosen import marts_in


def of_dataset(connection: sa.Connection, contract: Contract) -> str:
    """The marts and exposures that are built from a dataset, as one phrase; empty before anything was built."""

    manifest = _newest(connection)
    return _said(manifest, below(manifest, "sources", _is_source(contract)))


def last_mart_of(connection: sa.Connection, contract: Contract) -> str | None:
    """A mart that is built from a dataset and that no other mart is built from; the one with the most behind it."""
    manifest = _newest(connection)
    every = marts_in(manifest)
    marts = [name for name in below(manifest, "sources", _is_source(contract)) if name in every]
    last = [name for name in marts if not every.intersection(manifest["child_map"][name])]
    found = max(last, key=lambda name: (len(manifest["nodes"][name]["depends_on"]["nodes"]), name), default=None)
    return manifest["nodes"][found]["name"] if found else None


def of_nodes(connection: sa.Connection, names: Iterable[str]) -> str:
    """Likewise, of dbt's nodes: those below what a failed test is about, or below a failed model."""
    wanted = set(names)
    manifest = _newest(connection)
    return _said(manifest, below(manifest, "nodes", lambda node: node["unique_id"] in wanted))


def _newest(connection: sa.Connection) -> Mapping[str, Any]:
    query = sa.select(builds.c.manifest).where(builds.c.manifest.is_not(None)).order_by(builds.c.build_id.desc())
    kept = connection.scalar(query.limit(1))
    return json.loads(gzip.decompress(kept)) if kept else {}


def _is_source(contract: Contract) -> Callable[[Mapping[str, Any]], bool]:
    return lambda node: (node["source_name"], node["name"]) == (contract.source, contract.dataset_id)


def _said(manifest: Mapping[str, Any], met: Iterable[str]) -> str:
    marts = sorted(manifest["nodes"][name]["name"] for name in marts_in(manifest).intersection(met))
    shown = [manifest["exposures"][name] for name in met if name in manifest.get("exposures", {})]
    exposures = sorted(f"{each.get('label') or each['name']} ({each['type']})" for each in shown)
    parts = {"marts": marts, "exposures": exposures}
    return "; ".join(f"{what} {', '.join(found)}" for what, found in parts.items() if found)
