"""What the marts are made of: the published loads, and the dbt project. Reads the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import sqlalchemy as sa

from flows import ledger


def loads(connection: sa.Connection) -> list[int]:
    """Numbers of the published loads, in order."""
    batches = ledger.batches
    published = sa.select(batches.c.load_id).where(batches.c.status == "published").order_by(batches.c.load_id)
    return [int(load) for load in connection.scalars(published)]


def fingerprint(loads: Sequence[int], project: str) -> str:
    """Fingerprint of both together."""
    return sha256(f"{','.join(map(str, loads))} {project}".encode()).hexdigest()
