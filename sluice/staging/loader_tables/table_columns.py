"""Columns of a table that another tool fills: what they are, and how each is copied without a loss.

A value that its contract's type cannot hold (a third decimal, NaN, infinity, year 20000) is kept as text and rejects
its row, as a cell of a file does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from sluice.contract.columns import Column, ColumnType, column_type
from sluice.contract.contract import Contract
from sluice.contract.values.grammars import kind_of
from sluice.source.files import SourceMissing, SourceUnreadable

MOST_DIGITS, LONGEST_INTEGER = 38, 18  # of a decimal; of one that is surely a bigint
PER_CALL = 50  # pairs that jsonb_build_object takes
_INTEGERS = ("int2", "int4", "int8")
# By kind of a contract's type, the types of PostgreSQL that are taken for it
TAKEN = {
    "integer": (*_INTEGERS, "numeric"),
    "float": ("float4", "float8", "int2", "int4"),
    "decimal": ("numeric", *_INTEGERS),
    "text": ("text", "varchar", "bpchar", "citext"),
    "boolean": ("bool",),
    "date": ("date",),
    "timestamp": ("timestamp",),
    "timestamp with time zone": ("timestamptz",),
    "time": ("time",),
    "uuid": ("uuid",),
    "bytes": ("bytea",),
    "json": ("jsonb", "json"),
}
# What other types are in Arrow, so that drift can name them and say which column would hold them
_ARROW = {
    **dict.fromkeys(_INTEGERS, pa.int64()),
    **dict.fromkeys(("float4", "float8"), pa.float64()),
    **dict.fromkeys(("text", "varchar", "bpchar", "citext"), pa.string()),
    **{"bool": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us"), "bytea": pa.binary()},
    **{"timestamptz": pa.timestamp("us", "UTC"), "time": pa.time64("us"), "uuid": pa.binary(16)},
    **{"jsonb": pa.large_string(), "json": pa.large_string(), "numeric": pa.decimal128(38, 9)},
}
_COLUMNS = sa.text(
    "SELECT a.attname, t.typname, CASE WHEN b.typtype = 'd' THEN b.typtypmod ELSE a.atttypmod END, "
    "a.attnotnull OR b.typnotnull FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid "
    "JOIN pg_type t ON t.oid = CASE WHEN b.typtype = 'd' THEN b.typbasetype ELSE b.oid END "
    "WHERE a.attrelid = CAST(:oid AS oid) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
_OID = sa.text("SELECT CAST(to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:name AS text))) AS oid)")
_MAY_READ = sa.text("SELECT has_table_privilege(CAST(:oid AS oid), 'SELECT')")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of the table.

    Attributes:
        type: PostgreSQL's name of it; of a domain, of its base.
        modifier: PostgreSQL's number for what the type has in brackets, as in `numeric(10, 2)`; -1 for nothing.
        required: whether it is declared as not null.
    """

    name: str
    type: str
    modifier: int = -1
    required: bool = False


def columns_of(connection: sa.Connection, table: str) -> list[TableColumn]:
    """The columns of a table or a view, named with its schema.

    Raises:
        SourceMissing: there is no such table.
        SourceUnreadable: it may not be read.
    """
    schema, name = table.split(".")
    oid = oid_of(connection, table)
    if oid is None:
        raise SourceMissing(f"{table}: no such table in the database of the warehouse")
    if not connection.scalar(_MAY_READ, {"oid": oid}):
        user = connection.engine.url.username
        raise SourceUnreadable(f"{table}: may not be read: GRANT SELECT ON {schema}.{name} TO {user}")
    return [TableColumn(*row) for row in connection.execute(_COLUMNS, {"oid": oid})]


def oid_of(connection: sa.Connection, table: str) -> int | None:
    """PostgreSQL's number of a table with this name and schema; None if it does not exist."""
    schema, name = table.split(".")
    oid: int | None = connection.scalar(_OID, {"schema": schema, "name": name})
    return oid


def type_of(column: TableColumn, scale: int) -> ColumnType | None:
    """The contract's type that holds a column's values without a loss; None if no type does.

    Args:
        scale: digits after the point, for a number that is declared without.
    """
    if column.type != "numeric":
        return column_type(_ARROW[column.type]) if column.type in _ARROW else None
    precision = MOST_DIGITS
    if column.modifier >= 0:
        precision, scale = (column.modifier - 4) >> 16 & 0xFFFF, (column.modifier - 4) & 0x7FF
    if scale == 0 and (precision <= LONGEST_INTEGER or column.modifier < 0):
        return column_type(pa.int64())
    return column_type(pa.decimal128(precision, scale)) if scale <= precision <= MOST_DIGITS else None


def offered(contract: Contract, there: Sequence[TableColumn]) -> list[TableColumn]:
    """Those that are compared with the contract: not those of a loader, which begin with `_`, unless it has them."""
    wanted = {each for column in contract.columns for each in column.sources}
    return [each for each in there if each.name in wanted or not each.name.startswith("_")]


def quoted(connection: sa.Connection, name: str) -> str:
    """A name for a text of SQL, in which SQLAlchemy doubles each percent sign."""
    return connection.dialect.identifier_preparer.quote_identifier(name).replace("%%", "%")


def arrow_types(contract: Contract, there: Sequence[TableColumn]) -> list[pa.DataType]:
    """The type of each, as drift compares it: the contract's own where it is taken for that."""
    own = {name: column for column in contract.columns for name in column.sources}
    return [
        own[each.name].type.arrow
        if each.name in own and each.type in TAKEN[kind_of(own[each.name].type)]
        else _ARROW.get(each.type, pa.list_(pa.null()))
        for each in there
    ]


def copied(
    connection: sa.Connection, contract: Contract, there: Sequence[TableColumn | None]
) -> tuple[list[Any], sa.ColumnElement[Any]]:
    """What each column of the contract is copied as, and the text of the cells that its type cannot hold.

    Args:
        there: the table's column for each of the contract's; None where it has none.
    """
    values: list[Any] = []
    texts: list[Any] = []
    for column, source in zip(contract.columns, there, strict=True):
        if source is None:
            values.append(sa.cast(sa.null(), column.type.sql))
            continue
        cell: sa.ColumnElement[Any] = sa.literal_column(quoted(connection, source.name))
        fits = _fits(column, source.type, cell, contract.files.max_field_bytes)
        value = sa.cast(cell, column.type.sql)
        values.append(value if fits is None else sa.case((fits, value)))
        if fits is not None:
            text = sa.func.left(sa.cast(cell, sa.Text()), 1000)
            texts += [sa.literal(column.name), sa.case((sa.and_(cell.is_not(None), sa.not_(fits)), text))]
    return values, _unparsed(texts)


def _unparsed(texts: list[Any]) -> sa.ColumnElement[Any]:
    if not texts:
        return sa.cast(sa.null(), sa.Text())
    parts = [sa.func.jsonb_build_object(*texts[i : i + 2 * PER_CALL]) for i in range(0, len(texts), 2 * PER_CALL)]
    whole: Any = parts[0]
    for part in parts[1:]:
        whole = whole.op("||")(part)
    return sa.cast(sa.func.nullif(sa.func.jsonb_strip_nulls(whole), sa.literal_column("'{}'::jsonb")), sa.Text())


def _fits(column: Column, given: str, cell: Any, longest: int) -> Any:
    """Whether a value is one of the column's type; None where each is."""
    kind = kind_of(column.type)
    match kind:
        case "integer" if given == "numeric":
            held = (cell >= sa.literal_column(str(-(2**63)))) & (cell < sa.literal_column(str(2**63)))
            return (cell == sa.func.trunc(cell)) & held
        case "float" if given.startswith("float"):
            return cell.not_in([sa.literal_column(f"'{word}'") for word in ("NaN", "Infinity", "-Infinity")])
        case "decimal":
            precision, scale = column.type.arrow.precision, column.type.arrow.scale
            exact = sa.func.round(sa.cast(cell, sa.Numeric()), scale) == cell
            digits = sa.func.abs(sa.cast(cell, sa.Numeric()))  # the least integer of a type has no positive in it
            return exact & (digits < sa.literal_column(str(10 ** (precision - scale))))
        case "date" | "timestamp" | "timestamp with time zone":
            return (cell >= sa.literal_column("'0001-01-01'")) & (cell < sa.literal_column("'10000-01-01'"))
        case "text" | "bytes":
            return sa.func.octet_length(cell) <= longest
        case "json":
            short = sa.func.octet_length(sa.cast(cell, sa.Text())) <= longest
            return short if given == "jsonb" else short & _held_by_jsonb(cell)
    return None


def _held_by_jsonb(cell: Any) -> Any:
    """Whether a value of type json has neither the character 0 nor half a character, which jsonb cannot hold."""
    text: Any = sa.cast(cell, sa.Text())
    for pattern in (r"\\\\", r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"):  # a backslash; a pair
        text = sa.func.regexp_replace(text, pattern, ".", "g")
    return text.op("!~")(r"\\u(0000|[dD][89a-fA-F])")
