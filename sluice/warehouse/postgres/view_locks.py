"""Lock views of the marts without what is behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from psycopg2 import sql


def statements(
    connection: sa.Connection, views: Sequence[tuple[str, str]], gate: tuple[str, str], milliseconds: int
) -> sql.Composable:
    """The statements that lock these views, one after the other, and then the gate.

    LOCK TABLE would lock the side's table behind a view too, on which nobody has the rights that PostgreSQL 15 and 16
    ask for. This resets a setting that the views do not have, which locks the view alone.

    Args:
        views: schema and name of each.
        gate: schema and name of the table.
        milliseconds: how long to wait for all of them together.
    """
    each = [sql.SQL("ALTER VIEW {} RESET (check_option); ").format(sql.Identifier(*view)) for view in views]
    lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(*gate))
    driver: Any = connection.connection.driver_connection
    body = sql.SQL("BEGIN {}{}; END").format(sql.Composed(each), lock).as_string(driver)
    # The one setting bounds the wait for a single lock, the other that for all locks together: they are one statement.
    return sql.SQL(
        "SET LOCAL lock_timeout = {bound}; SET LOCAL statement_timeout = {bound}; DO {body}; "
        "SET LOCAL statement_timeout TO DEFAULT"
    ).format(bound=sql.Literal(f"{milliseconds}ms"), body=sql.Literal(body))
