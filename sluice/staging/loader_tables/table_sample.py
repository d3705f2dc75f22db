"""What the catalogue and the first rows of another tool's table say of it: what `sluice new --table` drafts from.

Only reads. Cells come as text, so that a value which no contract's type holds is seen as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from sluice.contract.columns import ColumnType
from sluice.contract.errors import ConfigError, DataError, ToolError
from sluice.contract.scaffold.new_dataset import Sample
from sluice.staging.loader_tables.table_columns import TableColumn, columns_of, oid_of, quoted, type_of
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line

ROWS = 20_000  # of a sample; a rarer value is found by the first audit
BYTES = 64 << 20  # of its cells, where rows are long
CHUNK = 1000  # rows that the driver holds at a time
LEAST_SCALE, MOST_SCALE = 2, 18  # digits after the point that a number without a declared scale is given
NAMED = ":sluice_batch"  # the parameter of a query for the rows of one batch
DLT_LOAD, DLT_LOADS = "_dlt_load_id", "_dlt_loads"
LOADERS_KEYS = ("_dlt_id", "_airbyte_raw_id", "_airbyte_ab_id", "_fivetran_id")
_UNIQUE = sa.text(
    "SELECT ARRAY(SELECT CAST(a.attname AS text) FROM unnest(i.indkey) WITH ORDINALITY k(attnum, place) "
    "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts "
    "ORDER BY k.place) FROM pg_index i WHERE i.indrelid = CAST(:oid AS oid) AND i.indisunique AND i.indisvalid "
    "AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid"
)
_FINISHED = sa.text(
    "SELECT count(*) = 2 FROM pg_attribute WHERE attrelid = CAST(:oid AS oid) AND attname IN ('load_id', 'status')"
)


@dataclass(frozen=True, slots=True)
class TableSample:
    """A table as it was found.

    Attributes:
        columns: those that a contract may have; not those of a loader, which begin with `_`.
        unheld: names of columns whose type no contract's type holds, with PostgreSQL's name of it.
        key: columns that an index holds unique and not null, or that a loader numbers rows by; empty if there is none.
        unique: whether it is an index that does.
        dlt: whether dlt fills the table, and says in `_dlt_loads` which loads have finished.
    """

    sample: Sample
    columns: tuple[TableColumn, ...]
    unheld: Mapping[str, str]
    key: tuple[str, ...]
    unique: bool
    dlt: bool


def sample_of(engine: sa.Engine, table: str, ignore: Sequence[str] = ()) -> TableSample:
    """The table's columns, key and first rows.

    Raises:
        SourceMissing, SourceUnreadable: there is no such table, or it may not be read.
        DataError: it has no row, or no column that a contract's type holds.
        ToolError: the database failed.
    """
    try:
        with engine.connect() as connection:
            every = columns_of(connection, table)
            given = [each for each in every if not each.name.startswith("_") and each.name not in ignore]
            if not given:
                raise DataError(f"{table}: has no column to learn from")
            texts = _texts(connection, table, given)
            if not len(texts[0]):
                raise DataError(f"{table}: has no row to learn from yet")
            kinds = {each.name: type_of(each, _scale(cells)) for each, cells in zip(given, texts, strict=True)}
            key, unique = _key(connection, table, every)
            return TableSample(
                _sample(given, kinds, texts),
                tuple(each for each in given if kinds[each.name] is not None),
                {each.name: each.type for each in given if kinds[each.name] is None},
                key,
                unique,
                _by_dlt(connection, table, every),
            )
    except DATABASE_ERRORS as error:
        raise ToolError(f"{table}: cannot be read: {first_line(error)}") from None


def first_batch(engine: sa.Engine, table: str, column: str, batch: str) -> str | None:
    """The batch of the least moment in a column; None if it holds none.

    Args:
        batch: SQL over the column that names a batch.
    """
    with engine.connect() as connection:
        cell = quoted(connection, column)
        held = f"{cell} >= '0001-01-01' AND {cell} < '10000-01-01'"
        least = f"SELECT min({cell}) AS {cell} FROM {_quoted(connection, table)} WHERE {held}"  # noqa: S608
        found: str | None = connection.scalar(_text(f"SELECT {batch} FROM ({least}) t"))  # noqa: S608
    return found


def rows_of(engine: sa.Engine, table: str, like: TableSample, batch: str, name: str) -> Sample:
    """A few rows of one batch, where the sample has none: its contract's examples are to be of it."""
    with engine.connect() as connection:
        given = [each for each in like.columns if each.name in like.sample.kinds]
        texts = _texts(connection, table, given, f"WHERE {batch} = {NAMED}", name)
    columns = [
        pa.concat_arrays([column, more[:CHUNK]]) for column, more in zip(like.sample.columns, texts, strict=True)
    ]
    return Sample(like.sample.names, columns, typed=True, kinds=like.sample.kinds)


def _sample(given: Sequence[TableColumn], kinds: Mapping[str, ColumnType | None], texts: Sequence[pa.Array]) -> Sample:
    held = {name: kind for name, kind in kinds.items() if kind is not None}
    if not held:
        raise DataError("no column of the table is of a type that a contract has; name a view that casts them")
    columns = [cells for each, cells in zip(given, texts, strict=True) if each.name in held]
    return Sample([each.name for each in given if each.name in held], columns, typed=True, kinds=held)


def _texts(
    connection: sa.Connection, table: str, given: Sequence[TableColumn], where: str = "", name: str = ""
) -> list[pa.Array]:
    cells = ", ".join(f"CAST({quoted(connection, each.name)} AS text)" for each in given)
    query = _text(f"SELECT {cells} FROM {_quoted(connection, table)} {where} LIMIT {ROWS}")  # noqa: S608
    rows: list[Sequence[str | None]] = []
    size = 0
    options = {"stream_results": True, "max_row_buffer": CHUNK}
    for row in connection.execute(query, {NAMED[1:]: name} if where else {}, execution_options=options):
        rows.append(row)
        size += sum(len(cell) for cell in row if cell is not None)
        if size > BYTES:
            break
    return [pa.array([row[n] for row in rows], pa.string()).cast(pa.binary()) for n in range(len(given))]


def _scale(cells: pa.Array) -> int:
    """The digits after the point of the values of a sample, for a number whose type does not say."""
    fractions = [cell.partition(b".")[2] for cell in cells.drop_null().to_pylist()]
    telling = max((len(fraction.rstrip(b"0")) for fraction in fractions), default=0)
    return min(max(telling, LEAST_SCALE), MOST_SCALE) if any(fractions) else 0


def _key(connection: sa.Connection, table: str, every: Sequence[TableColumn]) -> tuple[tuple[str, ...], bool]:
    required = {each.name for each in every if each.required}
    for names in connection.scalars(_UNIQUE, {"oid": oid_of(connection, table)}):
        if names and set(names) <= required and not any(name.startswith("_") for name in names):
            return tuple(names), True
    there = {each.name for each in every}
    return next(((name,) for name in LOADERS_KEYS if name in there), ()), False


def _by_dlt(connection: sa.Connection, table: str, every: Sequence[TableColumn]) -> bool:
    loads = oid_of(connection, f"{table.partition('.')[0]}.{DLT_LOADS}")
    if loads is None or DLT_LOAD not in {each.name for each in every}:
        return False
    return bool(connection.scalar(_FINISHED, {"oid": loads}))


def _quoted(connection: sa.Connection, table: str) -> str:
    return ".".join(quoted(connection, part) for part in table.split("."))


def _text(query: str) -> sa.TextClause:
    """SQL with names and batches as they are written: a colon in them marks no parameter, but for the last one."""
    return sa.text(query.replace(":", r"\:").replace(rf"\{NAMED}", NAMED))


def refuse_unnamed(table: str) -> None:
    """Raises ConfigError if a table is not named with its schema."""
    if len([part for part in table.split(".") if part]) != 2 or table.count(".") != 1:
        raise ConfigError(f"--table {table}: name the table with its schema, as in raw.orders")
