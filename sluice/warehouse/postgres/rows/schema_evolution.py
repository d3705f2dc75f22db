"""The tables of a dataset that outlive its loads, as its contract says. Loses no value, and breaks no view.

What would is left to a person: the message says what it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from psycopg2 import sql
from sqlalchemy.types import TypeEngine

from sluice.contract.contract import Contract
from sluice.contract.derive.tables import holds, parent_table
from sluice.contract.errors import ConfigError, DataError, ToolError
from sluice.warehouse.batch import Batch, schemas_of
from sluice.warehouse.postgres import roles
from sluice.warehouse.postgres.rows import batch_tables
from sluice.warehouse.postgres.rows.tables import incoming_table, quarantine_table
from sluice.warehouse.postgres.session import DATABASE_ERRORS, execute, first_line

# Views over a column, and views over those. The parent is its name as regclass reads it.
VIEWS = sa.text("""
    WITH RECURSIVE read AS (
        SELECT r.ev_class AS view, 1 AS above
        FROM pg_depend d
        JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = CAST(:parent AS regclass) AND a.attname = :column
        UNION
        SELECT r.ev_class, read.above + 1
        FROM read
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = read.view
        JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
        WHERE r.ev_class <> read.view  -- a view's own rule depends on it
            AND read.above < 1000  -- views can be made to read each other in a circle
    )
    SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'm'
    FROM read JOIN pg_class c ON c.oid = read.view JOIN pg_namespace n ON n.oid = c.relnamespace
    GROUP BY 1, 2
    ORDER BY max(read.above) DESC, 1
""")


def make(engine: sa.Engine, contract: Contract) -> None:
    """Make the dataset's tables where they are missing, and change the parent, if all of the change is safe.

    Safe is a new column, and a type that holds every value of the old one exactly, unless a view reads the column. What
    `verify` will refuse changes nothing: a column that is misspelt in the contract would stay in the table.

    Raises:
        ToolError: the database failed, or somebody held the table for too long.
    """
    try:
        with engine.begin() as connection:
            _make(connection, contract)
    except DATABASE_ERRORS as error:
        raise ToolError(f"{contract}: its tables could not be made: {first_line(error)}. Nothing was loaded.") from None


def _make(connection: sa.Connection, contract: Contract) -> None:
    execute(connection, batch_tables.WAIT)
    parent = parent_table(contract)
    parent.create(connection, checkfirst=True)
    if contract.files.batches.many:
        batch_tables.share_partitions(connection, contract)
    quarantine_table(contract).create(connection, checkfirst=True)
    roles.let_sides_read(connection, schemas_of(connection), contract.dataset_id)
    retyped = [*_retyped(connection, parent)]
    safe = all(holds(column.type, found) and not _views(connection, parent, column.name) for column, found in retyped)
    if safe and not _gone(connection, parent):
        add_gained(connection, parent)
        for column, _ in retyped:
            execute(connection, _retype(connection, parent, column))


def verify(engine: sa.Engine, contract: Contract) -> None:
    """Nothing, if the parent table is as the contract says.

    Raises:
        ConfigError: the contract retypes a column or has none any more; says what the change takes.
    """
    parent = parent_table(contract)
    with engine.connect() as connection:
        needs = [_retyping(connection, parent, column, found) for column, found in _retyped(connection, parent)]
        needs += [_dropping(connection, parent, name) for name in _gone(connection, parent)]
    if needs:
        needs.append("Any client of PostgreSQL runs a statement, or: sluice sql --write '...'")
        raise ConfigError(
            f"{contract}: its table is not as the contract says; nothing was loaded\n  " + "\n  ".join(needs)
        )


def add_gained(connection: sa.Connection, table: sa.Table) -> None:
    """Add the contract's columns that a table from before lacks: null in every row, which writes none."""
    found = _types(connection, table)
    for column in table.columns:
        if column.name not in found and not column.system:
            statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}")
            execute(
                connection,
                statement.format(_name(connection, table), sql.Identifier(column.name), _type(connection, column)),
            )


def fit_held(connection: sa.Connection, contract: Contract, batch: Batch) -> None:
    """Give the table of a held load the columns that its contract has gained since.

    Raises:
        DataError: it is gone, or has a column of another type or one that the contract has not.
    """
    batch_tables.put_back(connection, contract, batch)
    table = incoming_table(contract, batch.batch)
    if not sa.inspect(connection).has_table(table.name, schema=connection.schema_for_object(table)):
        raise DataError(f"{batch}: the rows of the held load are gone; load its file again")
    add_gained(connection, table)
    retyped = [column.name for column, _ in _retyped(connection, table)]
    changed = retyped + _gone(connection, table)
    if changed:
        raise DataError(f"{batch}: the contract's {changed[0]} is not that of the held load; load its file again")


def _types(connection: sa.Connection, table: sa.Table) -> dict[str, TypeEngine]:
    columns = sa.inspect(connection).get_columns(table.name, schema=connection.schema_for_object(table))
    return {column["name"]: column["type"] for column in columns}


def _gone(connection: sa.Connection, table: sa.Table) -> list[str]:
    """Columns of the table that the contract does not have."""
    return sorted(set(_types(connection, table)) - {column.name for column in table.columns})


def _retyped(connection: sa.Connection, parent: sa.Table) -> Iterator[tuple[sa.Column, TypeEngine]]:
    """Columns whose type in the database is not the contract's, with that type."""
    found = _types(connection, parent)
    for column in parent.columns:
        old = found.get(column.name)
        if (
            old is not None
            and not column.system
            and column.type.compile(connection.dialect) != old.compile(connection.dialect)
        ):
            yield column, old


def _views(connection: sa.Connection, parent: sa.Table, column: str) -> dict[str, bool]:
    """The views that read a column, those over other views first, and whether each is materialized.

    With a view of one side of the marts stands that of the other, which the next build makes if it is not there.
    """
    there = parent.to_metadata(sa.MetaData(), schema=str(connection.schema_for_object(parent)))
    name = connection.dialect.identifier_preparer.format_table(there)
    found: dict[str, bool] = dict(connection.execute(VIEWS, {"parent": name, "column": column}).tuples().all())
    return {twin: kept for view, kept in found.items() for twin in _on_both_sides(connection, view)} | found


def _on_both_sides(connection: sa.Connection, view: str) -> list[str]:
    schema, _, model = view.partition(".")
    schemas = schemas_of(connection)
    known = schemas.known_as(schema)
    return [view] if known == schema else [f"{schemas.on_side(known, side)}.{model}" for side in schemas.sides]


def _retyping(connection: sa.Connection, parent: sa.Table, column: sa.Column, found: TypeEngine) -> str:
    new, old = (kind.compile(connection.dialect).lower() for kind in (column.type, found))
    said = f"{column.name} is {new} in the contract, {old} in {connection.schema_for_object(parent)}.{parent.name}. "
    views = _views(connection, parent, column.name)
    if holds(column.type, found):
        return said + f"No value would be lost, and the next run changes the type.{_without(views)}"
    statement = _as_text(connection, _retype(connection, parent, column))
    said += f"Values could be lost, so this needs your decision. If none would: {statement}; "
    return said + f"if not, give the column another name in the contract.{_without(views)}"


def _dropping(connection: sa.Connection, parent: sa.Table, column: str) -> str:
    table, there = _name(connection, parent), connection.schema_for_object(parent)
    said = f"{column} is in {there}.{parent.name}, but not in the contract. "
    gained = {each.name for each in parent.columns} - {*_types(connection, parent)}
    if near := get_close_matches(column, gained, n=1, cutoff=0.7):
        statement = sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}")
        rename = statement.format(table, sql.Identifier(column), sql.Identifier(near[0]))
        said += f"The contract has {near[0]}: if that is a slip, correct it; if it is the new name: "
        return said + f"{_as_text(connection, rename)}; if it is another column: add {column} again, as Optional"
    drop = sql.SQL("ALTER TABLE {} DROP COLUMN {}").format(table, sql.Identifier(column))
    said += "Put it back, as Optional if files come without it; or, if nobody needs its values any more: "
    return f"{said}{_as_text(connection, drop)};{_without(_views(connection, parent, column))}"


def _without(views: dict[str, bool]) -> str:
    if not views:
        return ""
    reads = "a view reads" if len(views) == 1 else "views read"
    return f" But first, because {reads} it (dbt recreates its own; recreate yours): {_drop(views)}"


def _drop(views: dict[str, bool]) -> str:
    """Statements that drop views in this order; each kind has its own."""
    kinds = groupby(views, key=views.__getitem__)
    what = {False: "VIEW", True: "MATERIALIZED VIEW"}
    return " ".join(f"DROP {what[kept]} IF EXISTS {', '.join(names)};" for kept, names in kinds)


def _retype(connection: sa.Connection, parent: sa.Table, column: sa.Column) -> sql.Composed:
    name, kind = sql.Identifier(column.name), _type(connection, column)
    statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING CAST({} AS {})")
    return statement.format(_name(connection, parent), name, kind, name, kind)


def _name(connection: sa.Connection, table: sa.Table) -> sql.Identifier:
    return sql.Identifier(str(connection.schema_for_object(table)), table.name)


def _type(connection: sa.Connection, column: sa.Column) -> sql.SQL:
    return sql.SQL(column.type.compile(connection.dialect))


def _as_text(connection: sa.Connection, statement: sql.Composed) -> str:
    driver: Any = connection.connection.driver_connection
    return statement.as_string(driver)
