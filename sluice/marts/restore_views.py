"""Views of `marts` that somebody dropped or changed: found, put back, and reported to the owners."""

from __future__ import annotations

import sqlalchemy as sa

from sluice.alerts import rules
from sluice.ledger import builds
from sluice.marts import publish
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


def damage(warehouse: Warehouse, connection: sa.Connection) -> list[str]:
    """What is wrong with the views of the marts that were published last, one sentence each."""
    now = builds.live(connection)
    return warehouse.data.misplaced_marts(connection, now.side, now.models) if now is not None else []


def damaged(warehouse: Warehouse) -> bool:
    """Whether anything is wrong with them. Where nothing is, what others may do with them is kept for that case."""
    with transaction(warehouse.engine, "cannot check the views of the marts") as connection:
        found = damage(warehouse, connection)
        if not found:
            publish.note_grants(warehouse, connection)
        return bool(found)


def put_back(warehouse: Warehouse, patience: publish.Patience | None = None) -> tuple[str, ...]:
    """Point the views of the live marts where they belong, if they do not; the owners are alerted, of both.

    The caller holds the lock on dbt. Where a table of the live side is gone too, nothing can be put back: the next
    build makes all views (`build.due` sees to that).

    Returns:
        What was wrong.

    Raises:
        ToolError: the views could not be put back.
    """
    with transaction(warehouse.engine, "cannot check the views of the marts") as connection:
        found = damage(warehouse, connection)
        if not found:
            return ()
        now, newest = builds.live(connection), builds.newest(connection)
        rules.views_damaged(connection, found, warehouse.now())
        gone = warehouse.data.missing_marts(connection, now.side, now.models)  # type: ignore[union-attr]
    if now is None or newest is None or gone:
        return tuple(found)
    what = publish.Publication(now.side, now.models, now.inputs, newest.build_id, kind=publish.RESTORE)
    publish.publish_marts(warehouse, what, newest.build_id, patience)
    rules.write(warehouse, rules.views_are_back)
    return tuple(found)
