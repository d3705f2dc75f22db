"""What of a side that was built cannot be shown to readers: only the database knows it. One sentence each."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlalchemy as sa

from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

# Every relation that a mart reads when it is read, through views only, with the mart itself
REACHED = sa.text(
    "WITH RECURSIVE reached AS (SELECT c.oid AS mart, c.oid, c.relkind FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) "
    "AS m (schema, name) ON m.schema = n.nspname AND m.name = c.relname "
    "UNION SELECT reached.mart, r.oid, r.relkind FROM reached JOIN pg_rewrite w ON w.ev_class = reached.oid "
    "JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid "
    "JOIN pg_class r ON d.refclassid = 'pg_class'::regclass AND r.oid = d.refobjid WHERE reached.relkind = 'v') "
    "SELECT m.relname AS mart, n.nspname AS schema, c.relname AS name, c.relkind <> 'v' AS holds, "
    "c.relrowsecurity AS secured FROM reached JOIN pg_class m ON m.oid = reached.mart "
    "JOIN pg_class c ON c.oid = reached.oid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, 3"
)


def refusals(warehouse: Warehouse, side: str, models: Collection[str], shared: bool) -> Iterator[str]:
    """Why the side cannot be published: rows that not every reader may see; a view over what both sides share.

    Args:
        models: the marts.
        shared: refuse such views, too. A project with Sluice's macro reads `staging`, whose rows have passed.
    """
    schemas = warehouse.schemas
    tables = [schemas.table(mart, side) for mart in sorted(models)]
    values = {"schemas": [schema for schema, _ in tables], "names": [name for _, name in tables]}
    with transaction(warehouse.engine, "cannot find out what the marts read") as connection:
        found = connection.execute(REACHED, values).all()
    for mart, schema, name, holds, secured in found:
        if shared and holds and schema not in schemas.parts(side):
            yield (
                f"mart {mart} is a view over {schema}.{name}, which both sides share: readers would see its rows "
                "before any test has passed. Build a table, in the model's config or in dbt_project.yml: "
                "+materialized: table"
            )
        if secured and schema in schemas.parts(side):
            yield (
                f"{name}, which mart {mart} shows, has row-level security, and that does not apply to those who read "
                "through views. Remove it, and give each group of readers a mart with its rows"
            )
