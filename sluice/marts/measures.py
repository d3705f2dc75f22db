"""Measures of one mart on two sides, as SQL aggregates: rows, keys, null shares and totals by batch. Reads only."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from sluice.contract.columns import LOAD_COLUMNS
from sluice.project.marts.chosen import marts_in
from sluice.warehouse.batch import schemas_of

SUMMED = (sa.Integer, sa.Numeric, sa.Float)  # Float is a type beside Numeric since SQLAlchemy 2.1


@dataclass(frozen=True, slots=True)
class Mart:
    """A mart as it is on the candidate side.

    Attributes:
        key: columns whose values name a row.
        columns: all columns but the system's, with their types.
        by_load: whether it takes in whole loads, so that unchanged ones need not be read.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Any]
    by_load: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """One number, old against new. `batch` and `column` are empty where there is none."""

    batch: str
    name: str
    column: str
    old: Decimal | None
    new: Decimal | None


def marts_of(connection: sa.Connection, side: str, manifest: Mapping[str, Any]) -> Iterator[Mart]:
    """The marts, their columns from the database and their keys from the dbt project."""
    nodes = manifest["nodes"]
    for unique_id in sorted(marts_in(manifest)):
        node = nodes[unique_id]
        name = label(connection, node)
        found = columns_of(connection, name, side)
        columns = {column: kind for column, kind in found.items() if not column.startswith("_")}
        yield Mart(name, _key(node, nodes, columns), columns, {*found} >= {*LOAD_COLUMNS})


def label(connection: sa.Connection, node: Mapping[str, Any]) -> str:
    """What a mart is called, as `Schemas.mart` says."""
    schemas = schemas_of(connection)
    return schemas.mart(schemas.known_as(node["schema"]), node["alias"])


def columns_of(connection: sa.Connection, mart: str, side: str) -> dict[str, Any]:
    """The columns of a mart on a side, with their types."""
    schema, name = schemas_of(connection).table(mart, side)
    with warnings.catch_warnings():  # of a type that SQLAlchemy does not know
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        return {c["name"]: c["type"] for c in sa.inspect(connection).get_columns(name, schema=schema)}


def _key(node: Mapping[str, Any], nodes: Mapping[str, Any], columns: Collection[str]) -> tuple[str, ...]:
    """What identifies a row in any load: a tested key first, else the primary key.

    A test may also name an expression, or a column as SQL would quote it: only what names columns is a key. One of some
    rows (`where`), or that only warns, names no row of the others.
    """
    found: list[tuple[str, ...]] = []
    for test in nodes.values():
        facts, config = test.get("test_metadata") or {}, test.get("config") or {}
        strict = not config.get("where") and str(config.get("severity") or "error").lower() == "error"
        keyed = strict and facts.get("name") in ("unique", "unique_combination")
        if keyed and test.get("attached_node") == node["unique_id"]:
            kwargs = facts["kwargs"]
            found.append(tuple(kwargs.get("columns") or (kwargs.get("column_name"),)))
    found += [tuple(rule["columns"]) for rule in node["constraints"] if rule["type"] == "primary_key"]
    for name, column in node.get("columns", {}).items():
        found += [(name,) for rule in column.get("constraints") or () if rule["type"] == "primary_key"]
    whole = [key for key in found if key and {*key} <= {*columns}]
    return min(whole, key=len, default=())


def measure(connection: sa.Connection, mart: Mart, old: str | None, new: str, same_logic: bool) -> list[Measure]:
    """Every measure of the batches that differ; of the whole mart if it has none. Empty if nothing can differ."""
    there = columns_of(connection, mart.name, old) if old else {}
    if old and not {*there} >= {*LOAD_COLUMNS}:
        mart = replace(mart, by_load=False)  # it was another kind of model
    loads = _changed_loads(connection, mart, old, new, same_logic) if mart.by_load else None
    if loads == []:
        return []
    before = aggregates(connection, mart, old, there, loads) if old else {}
    after = aggregates(connection, mart, new, mart.columns, loads)
    keys = {batch: (int(row["rows"]), 0) for batch, row in after.items() if batch not in before}
    keys |= {batch: (0, int(row["rows"])) for batch, row in before.items() if batch not in after}
    same_key = mart.key and all(str(there.get(name)) == str(mart.columns[name]) for name in mart.key)
    if old and same_key and before.keys() & after.keys():  # else no key can be on both sides
        keys |= _keys(connection, mart, old, new, loads)
    return [
        found
        for batch in sorted({*before, *after})
        for found in _of_batch(mart, batch, before.get(batch), after.get(batch), keys.get(batch))
    ]


def _changed_loads(connection: sa.Connection, mart: Mart, old: str | None, new: str, same_logic: bool) -> list[int]:
    here = _loads(connection, mart, new)
    there = _loads(connection, mart, old) if old else set()
    return sorted(here ^ there if same_logic else here | there)


def _loads(connection: sa.Connection, mart: Mart, side: str) -> set[int]:
    """The loads in a mart, along the index that begins with _load_id: a few probes, no scan."""
    table = on_side(connection, mart.name, side, ["_load_id"])
    found: set[int] = set()
    last: int | None = connection.scalar(sa.select(sa.func.min(table.c._load_id)))
    while last is not None:
        found.add(last)
        last = connection.scalar(sa.select(sa.func.min(table.c._load_id)).where(table.c._load_id > last))
    return found


def on_side(connection: sa.Connection, mart: str, side: str, columns: Sequence[str] = ()) -> sa.TableClause:
    """A mart's table on a side."""
    schema, name = schemas_of(connection).table(mart, side)
    return sa.table(name, *map(sa.column, columns), schema=schema)


def _table(connection: sa.Connection, mart: Mart, side: str) -> sa.TableClause:
    system = sorted(LOAD_COLUMNS) if mart.by_load else ()
    return on_side(connection, mart.name, side, (*mart.columns, *system))


def _batch(mart: Mart, table: sa.FromClause) -> sa.ColumnElement[str]:
    return table.c._dataset + " " + table.c._batch if mart.by_load else sa.literal("")


def aggregates(
    connection: sa.Connection, mart: Mart, side: str, known: Mapping[str, Any], loads: Sequence[int] | None
) -> dict[str, Mapping[str, Any]]:
    """Rows, filled values (`n COLUMN`) and totals (`t COLUMN`) by batch, in the columns that are `known`."""
    table = _table(connection, mart, side)
    batch = _batch(mart, table).label("batch")
    columns = [name for name in mart.columns if name in known]  # a new column has no old measure
    asked: list[Any] = [batch, sa.func.count().label("rows")]
    asked += [sa.func.count(table.c[name]).label(f"n {name}") for name in columns]
    summed = [name for name in columns if _summed(mart, name) and isinstance(known[name], SUMMED)]
    asked += [sa.func.sum(sa.cast(table.c[name], sa.Numeric())).label(f"t {name}") for name in summed]
    query = sa.select(*asked).group_by(sa.text("1"))
    if loads is not None:
        query = query.where(table.c._load_id.in_(loads))
    return {str(row["batch"]): dict(row) for row in connection.execute(query).mappings()}


def _summed(mart: Mart, name: str) -> bool:
    return isinstance(mart.columns[name], SUMMED) and not name.endswith("_id")


def _keys(
    connection: sa.Connection, mart: Mart, old: str, new: str, loads: Sequence[int] | None
) -> dict[str, tuple[int, int]]:
    """(added, removed) by batch. Only keys are read, and only of the loads that differ."""

    def keys(side: str) -> sa.Subquery:
        table = _table(connection, mart, side)
        query = sa.select(_batch(mart, table).label("batch"), *(table.c[name] for name in mart.key))
        return (query if loads is None else query.where(table.c._load_id.in_(loads))).subquery(f"of_{side}")

    before, after = keys(old), keys(new)
    same = sa.and_(before.c.batch == after.c.batch, *(before.c[name] == after.c[name] for name in mart.key))
    first = mart.key[0]
    query = sa.select(
        sa.func.coalesce(after.c.batch, before.c.batch),
        sa.func.count().filter(before.c[first].is_(None)),
        sa.func.count().filter(after.c[first].is_(None)),
    ).select_from(before.join(after, same, full=True))
    rows = connection.execute(query.group_by(sa.text("1"))).tuples()
    return {str(batch): (int(added), int(removed)) for batch, added, removed in rows}


def _of_batch(
    mart: Mart,
    batch: str,
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any] | None,
    keys: tuple[int, int] | None,
) -> Iterator[Measure]:
    def number(row: Mapping[str, Any] | None, name: str) -> Decimal | None:
        value = row.get(name) if row else None
        return None if value is None else Decimal(value)

    def share(row: Mapping[str, Any] | None, name: str) -> Decimal | None:
        filled, rows = number(row, f"n {name}"), number(row, "rows")
        return None if filled is None or not rows else round(1 - filled / rows, 6)

    yield Measure(batch, "rows", "", number(old, "rows"), number(new, "rows"))
    if keys:  # none where old and new keys are of other types
        yield Measure(batch, "keys added", "", None, Decimal(keys[0]))
        yield Measure(batch, "keys removed", "", None, Decimal(keys[1]))
    for name in mart.columns:
        yield Measure(batch, "null share", name, share(old, name), share(new, name))
        if _summed(mart, name):
            yield Measure(batch, "total", name, number(old, f"t {name}"), number(new, f"t {name}"))
