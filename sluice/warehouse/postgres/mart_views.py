"""The views of a schema, pointed to the tables of another. SQL only; the caller's transaction, the caller's locks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from psycopg2 import sql

from sluice.contract.errors import ToolError
from sluice.warehouse.postgres.session import execute

Columns = Mapping[str, str]  # type by name, in order


def lock_views(connection: sa.Connection, schema: str, views: Sequence[str], milliseconds: int) -> None:
    """Lock every view, in this order and one statement, before the first is touched: no reader meets two sides.

    The transaction waits for each later lock no longer than for these.

    Raises:
        psycopg2.errors.LockNotAvailable, QueryCanceled: readers hold some of them longer than that.
    """
    if not views:
        return
    # The one setting bounds the wait for a single lock, the other that for all locks together.
    statement = sql.SQL(
        "SET LOCAL lock_timeout = {bound}; SET LOCAL statement_timeout = {bound}; "
        "LOCK TABLE {views} IN ACCESS EXCLUSIVE MODE; SET LOCAL statement_timeout TO DEFAULT"
    )
    names = sql.SQL(", ").join(sql.Identifier(schema, view) for view in views)
    execute(connection, statement.format(bound=sql.Literal(f"{milliseconds}ms"), views=names))


def point_views(connection: sa.Connection, schema: str, side: str, models: Sequence[str]) -> None:
    """Make each model a view in `schema` over the table of that name in `side`; drop views of other names.

    The caller has locked the views.

    Raises:
        ToolError: a column was dropped or retyped, or a model is gone, while a user's own view needs it.
    """
    existing = sa.inspect(connection).get_view_names(schema)
    for view in sorted(set(existing) - set(models)):
        _refuse_dependents(connection, schema, view, "the model is gone from models/marts/")
        execute(connection, sql.SQL("DROP VIEW {}").format(sql.Identifier(schema, view)))
    for model in sorted(models):
        old = _columns(connection, schema, model) if model in existing else {}
        _point(connection, schema, side, model, old)


def _point(connection: sa.Connection, schema: str, side: str, model: str, old: Columns) -> None:
    new = _columns(connection, side, model)
    if not new:
        raise ToolError(f"{side}.{model} does not exist, so {schema}.{model} cannot show it: build that side first")
    broken = [name for name, kind in old.items() if new.get(name) != kind]
    grants: list[sql.Composable] = []
    if broken:
        change = f"column {broken[0]} is {'retyped' if broken[0] in new else 'gone'} in the new {model}"
        _refuse_dependents(connection, schema, model, change)
        grants = _grants(connection, schema, model)
        execute(connection, sql.SQL("DROP VIEW {}").format(sql.Identifier(schema, model)))
        old = {}
    names = [*old, *(name for name in new if name not in old)]  # a view can only gain columns at its end
    view = sql.Identifier(schema, model)
    execute(
        connection,
        sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}").format(
            view, sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(side, model)
        ),
    )
    for grant in grants:
        execute(connection, grant)


def _columns(connection: sa.Connection, schema: str, relation: str) -> Columns:
    query = sa.text(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relname = :relation "
        "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return dict(connection.execute(query, {"schema": schema, "relation": relation}).tuples().all())


def _refuse_dependents(connection: sa.Connection, schema: str, view: str, change: str) -> None:
    query = sa.text(
        "SELECT DISTINCT CAST(CAST(r.ev_class AS regclass) AS text) FROM pg_depend d JOIN pg_rewrite r "
        "ON r.oid = d.objid JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE d.classid = 'pg_rewrite'::regclass AND n.nspname = :schema AND c.relname = :view "
        "AND r.ev_class <> c.oid ORDER BY 1"
    )
    users = connection.scalars(query, {"schema": schema, "view": view}).all()
    if users:
        raise ToolError(
            f"the marts were not published: {change}, and {', '.join(users)} reads {schema}.{view}. "
            f"The old marts stay. Change or drop {users[0]} first, or keep the column."
        )


def _grants(connection: sa.Connection, schema: str, view: str) -> list[sql.Composable]:
    """What must be granted again after the view was made anew."""
    query = sa.text(
        "SELECT g.privilege_type, CASE WHEN g.grantee = 0 THEN NULL ELSE pg_get_userbyid(g.grantee) END "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) g "
        "WHERE n.nspname = :schema AND c.relname = :view AND g.grantee <> c.relowner"
    )
    rows = connection.execute(query, {"schema": schema, "view": view}).tuples()
    return [
        sql.SQL("GRANT {} ON {} TO {}").format(
            sql.SQL(privilege),
            sql.Identifier(schema, view),
            sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee),
        )
        for privilege, grantee in rows
    ]
