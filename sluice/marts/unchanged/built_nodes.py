"""Records of nodes that a side has whole: what each was built from, which relation it is, how its test came out.

No record means that the node is built. One is deleted, and that committed, before the node may write, and made after
its commit; only by the newest build.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sluice.ledger.tables import built_nodes


@dataclass(frozen=True, slots=True)
class BuiltNode:
    """One node of a side.

    Attributes:
        inputs: fingerprint of what it was built from.
        relation: the relation's OID; None of a test.
        result: dbt's verdict on it, as the fields of a NodeResult, and `at`, when that was.
    """

    unique_id: str
    record: str
    inputs: str
    relation: int | None
    result: Mapping[str, Any]


def of_side(connection: sa.Connection, side: str) -> dict[str, BuiltNode]:
    """All records of a side, by node."""
    rows = connection.execute(sa.select(built_nodes).where(built_nodes.c.side == side))
    return {row.unique_id: BuiltNode(row.unique_id, row.record, row.inputs, row.relation, row.result) for row in rows}


def forget(connection: sa.Connection, side: str, keep: Collection[str] = ()) -> None:
    """Delete the records of a side, but those of these nodes."""
    of_it = built_nodes.c.side == side
    connection.execute(built_nodes.delete().where(of_it, built_nodes.c.unique_id.not_in(list(keep))))


def keep(connection: sa.Connection, side: str, build_id: int, nodes: Iterable[BuiltNode]) -> None:
    """Write records of nodes that have none. The caller holds builds back, and is the newest."""
    rows = [
        {
            "side": side,
            "unique_id": node.unique_id,
            "record": node.record,
            "inputs": node.inputs,
            "relation": node.relation,
            "build_id": build_id,
            "result": dict(node.result),
        }
        for node in nodes
    ]
    if rows:
        connection.execute(built_nodes.insert(), rows)
