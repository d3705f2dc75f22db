"""The incidents that are open, as the front page lists them. Reads only."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from flows.warehouse import OPS

LISTED = 20


def open_ones(connection: sa.Connection) -> Sequence[sa.Row]:
    """What is still wrong, since when, and how often runs have met it; newest first. None where none was ever kept."""
    if not sa.inspect(connection).has_table("incidents", schema=OPS):
        return ()
    names = ("subject", "kind", "dataset", "batch", "times_seen", "opened_at", "last_seen_at", "resolved_at")
    table = sa.table("incidents", *(sa.column(name) for name in names), schema=OPS)
    query = sa.select(table).where(table.c.resolved_at.is_(None)).order_by(table.c.opened_at.desc()).limit(LISTED)
    return connection.execute(query).all()
