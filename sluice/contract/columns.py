"""column() and the table of types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal

import pandera.pandas as pa
import pyarrow
import sqlalchemy as sa
from pandera.engines import pandas_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from sluice.contract.errors import ContractError
from sluice.contract.validation import refuse_unless, refuse_unless_share

Severity = Literal["error", "warn"]
Keep = Literal["first", "last", False]  # which row of a group of duplicates passes, in the words of pandas
# Annotations for contract models. All are Arrow-backed, so that a null is a null in every type and a
# column's verdict does not depend on whether the month had one.
Int = pandas_engine.ArrowInt64
Float = pandas_engine.ArrowFloat64
Text = pandas_engine.ArrowString
Bool = pandas_engine.ArrowBool
Date = pandas_engine.ArrowDate32
Timestamp = Annotated[pandas_engine.ArrowTimestamp, "us", None]  # no zone: local time as the source wrote it
UtcTimestamp = Annotated[pandas_engine.ArrowTimestamp, "us", "UTC"]  # the source wrote its zone
Time = Annotated[pandas_engine.ArrowTime64, "us"]  # of a day, without a zone
Uuid = Annotated[pandas_engine.ArrowBinary, 16]
Bytes = pandas_engine.ArrowBinary
Json = pandas_engine.ArrowLargeString  # JSON text: large only to differ from Text
MONEY = (10, 2)  # digits, and those after the point: exact cents, up to 99,999,999.99
Money = Annotated[pandas_engine.ArrowDecimal128, *MONEY, None]
# What Sluice adds to a row: which load it is of, and its place in the file.
LOAD_COLUMNS = ("_dataset", "_batch", "_load_id")
SYSTEM_COLUMNS = (*LOAD_COLUMNS, "_row_number")
# PostgreSQL cuts longer names in silence (NAMEDATALEN - 1), so two long names could meet in one column.
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class ColumnType:
    """One contract type in each engine that handles it.

    Attributes:
        annotation: how a contract file writes it.
        logical: its name in the Open Data Contract Standard.
    """

    name: str
    arrow: pyarrow.DataType
    sql: TypeEngine = field(compare=False)
    annotation: str
    logical: str

    def __str__(self) -> str:
        return self.name


def _decimal(precision: int, scale: int) -> ColumnType:
    name, arrow = f"decimal({precision},{scale})", pyarrow.decimal128(precision, scale)
    annotation = "Money" if (precision, scale) == MONEY else f"Annotated[ArrowDecimal128, {precision}, {scale}, None]"
    return ColumnType(name, arrow, sa.Numeric(precision, scale), annotation, "number")


# The table of types. Decimals, of which each size is a type, join it in `column_type`.
PLAIN_TYPES = {
    kind.arrow: kind
    for kind in (
        ColumnType("integer", pyarrow.int64(), sa.BigInteger(), "Int", "integer"),
        ColumnType("float", pyarrow.float64(), sa.Double(), "Float", "number"),
        ColumnType("text", pyarrow.string(), sa.Text(), "Text", "string"),
        ColumnType("boolean", pyarrow.bool_(), sa.Boolean(), "Bool", "boolean"),
        ColumnType("date", pyarrow.date32(), sa.Date(), "Date", "date"),
        ColumnType("timestamp", pyarrow.timestamp("us"), sa.DateTime(), "Timestamp", "timestamp"),
        ColumnType(
            "timestamp with time zone",
            pyarrow.timestamp("us", "UTC"),
            sa.DateTime(timezone=True),
            "UtcTimestamp",
            "timestamp",
        ),
        ColumnType("time", pyarrow.time64("us"), sa.Time(), "Time", "time"),
        ColumnType("uuid", pyarrow.binary(16), sa.Uuid(), "Uuid", "string"),
        ColumnType("bytes", pyarrow.binary(), sa.LargeBinary(), "Bytes", "string"),
        ColumnType("json", pyarrow.large_string(), JSONB(), "Json", "object"),
    )
}


def column_type(arrow: pyarrow.DataType) -> ColumnType:
    """The contract type held by an Arrow type.

    Raises:
        ContractError: no contract type is held by it.
    """
    if pyarrow.types.is_decimal128(arrow):
        return _decimal(arrow.precision, arrow.scale)
    if arrow not in PLAIN_TYPES:
        known = ", ".join(kind.name for kind in PLAIN_TYPES.values())
        raise ContractError(f"{arrow} is not a contract type; the types are {known} and decimal(p,s)")
    return PLAIN_TYPES[arrow]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a contract, as read from its pandera model."""

    name: str
    type: ColumnType
    description: str
    sources: tuple[str, ...]  # the source's names for it, in order of preference
    nullable: bool
    required: bool  # False: a file without the column is not drift, its rows hold null
    unit: str | None = None
    since: str | None = None  # first batch that must have the column; before it, as if not required
    tolerance: float | None = None
    severity: Severity = "error"
    pii: bool = False
    keep: Keep = False
    format: str | None = None  # how the source spells values, as in spellings.py
    null_values: tuple[str, ...] = ()  # words that mean null in this column
    warns_of_null: bool = False
    references: tuple[str, str] | None = None  # dataset and column that must have published the value
    unique_in_dataset: bool = False  # over all published batches

    def required_in(self, batch: str) -> bool:
        """Whether a file of this batch must have the column."""
        return self.required and (self.since is None or batch >= self.since)


def column(
    description: str,
    *,
    source: str | Sequence[str] | None = None,
    unit: str | None = None,
    since: str | None = None,
    tolerance: float | None = None,
    severity: Severity = "error",
    pii: bool = False,
    keep: Keep = False,
    format: str | None = None,
    null_values: Sequence[str] = (),
    nullable: bool | Literal["warn"] = False,
    references: str | None = None,
    unique: bool | Literal["dataset"] = False,
    **field: Any,
) -> Any:
    """Declare a column of a contract: a pandera `Field` that demands a description.

    Args:
        description: what the column holds, for the dictionary, the database and dbt docs.
        source: the source's name for it, or its names over the years; the attribute's own name if not given.
        unit: of the values, such as `mile` or `USD`.
        since: the first batch whose file must have it; in earlier batches it may be missing and is null.
        tolerance: share of rows (0 to 1) that may fail any one check of this column before the gate closes.
        severity: `error` rejects failing rows, `warn` keeps them and warns beyond the tolerance.
        pii: mask the values everywhere but in the quarantine table.
        keep: with `unique`, the row of a group of duplicates that passes; none, as in pandera, if not given.
        format: how a file of text spells the values: `%d/%m/%Y` for dates; for numbers, 1234.5 as the source
            writes it (`1.234,5`, `$1,234.5`, `1234.5%`, `(1,234.5)`); for booleans `yes/no`.
        null_values: words that mean null in this column only, as `NA` in numbers beside a country's code `NA`.
        nullable: whether a cell may be null; with `warn` it may, and the run warns of each.
        references: the column of another dataset in which the value must be published, as
            `shop__customers.customer_id`; a null passes.
        unique: whether a value may be in a batch only once; with `dataset`, not in another published batch either.
        **field: what `pandera.Field` takes: `ge`, `isin`, `str_matches`, ...

    Raises:
        ContractError: the description is empty, the tolerance is not a share, an option is unknown, or
            `references` does not name a dataset and its column.
    """
    if not description.strip():
        raise ContractError("column() needs a description, for the data dictionary")
    if tolerance is not None:
        refuse_unless_share("tolerance", tolerance)
    refuse_unless("severity", severity, Severity)
    refuse_unless("keep", keep, Keep)
    if isinstance(null_values, str):  # its letters would each mean null
        raise ContractError(f"null_values is a tuple of texts: ({null_values!r},)")
    refuse_unless("nullable", nullable, Literal[True, False, "warn"])
    refuse_unless("unique", unique, Literal[True, False, "dataset"])
    names = (source,) if isinstance(source, str) else tuple(source or ())
    options = {
        "sources": names,
        "unit": unit,
        "since": since,
        "tolerance": tolerance,
        "severity": severity,
        "pii": pii,
        "keep": keep,
        "format": format,
        "null_values": tuple(null_values),
        "warns_of_null": nullable == "warn",
        "references": None if references is None else _reference(references),
        "unique_in_dataset": unique == "dataset",
    }
    known: dict[str, Any] = {"nullable": bool(nullable), "unique": bool(unique)}
    return pa.Field(description=description, metadata={"sluice": options}, **known, **field)


def _reference(written: str) -> tuple[str, str]:
    dataset, dot, name = str(written).rpartition(".")
    if not (dot and NAME.fullmatch(dataset) and "__" in dataset and NAME.fullmatch(name)):
        raise ContractError(
            f"references={written!r}: name a dataset and its column, as in references='shop__customers.customer_id'"
        )
    return dataset, name


@dataclass(frozen=True, slots=True)
class Reference:
    """A key that must be published in another dataset."""

    columns: tuple[str, ...]
    dataset: str
    names: tuple[str, ...]  # of the columns there, in the order of `columns`
    severity: Severity = "error"
    tolerance: float | None = None

    @property
    def label(self) -> str:
        """The referencing column; several in brackets."""
        return self.columns[0] if len(self.columns) == 1 else f"({', '.join(self.columns)})"

    @property
    def parent(self) -> str:
        """What is referenced, as contracts write it."""
        return f"{self.dataset}.{self.names[0]}" if len(self.names) == 1 else f"{self.dataset}({', '.join(self.names)})"

    @property
    def check_name(self) -> str:
        """The name of its check."""
        return f"{self.label} references {self.parent}"


def days(count: float) -> timedelta:
    """A span of days, for `Freshness`."""
    return timedelta(days=count)


WHOLE_ROW = "_row"  # the key in `_unparsed` of a row that could not be divided into cells
