"""Tell the planner what `staging` holds, before dbt asks it. A batch just published is not yet known to it.

Until autovacuum comes by, it takes a month of trips for some seven rows, and plans for these.
"""

from __future__ import annotations

import sqlalchemy as sa
from psycopg2 import sql

from contracts.derive.ddl import STAGING
from flows.warehouse import Warehouse, execute

UNKNOWN = sa.text(
    "SELECT t.relname FROM pg_stat_all_tables t JOIN pg_inherits i ON i.inhrelid = t.relid "
    "WHERE t.schemaname = :staging AND t.last_analyze IS NULL AND t.last_autoanalyze IS NULL ORDER BY 1"
)


def refresh(warehouse: Warehouse) -> None:
    """Analyze every batch in `staging` that never was: some 30,000 sampled rows each, about a second."""
    with warehouse.engine.begin() as connection:
        for table in connection.scalars(UNKNOWN, {"staging": STAGING}).all():
            execute(connection, sql.SQL("ANALYZE {}").format(sql.Identifier(STAGING, table)))
