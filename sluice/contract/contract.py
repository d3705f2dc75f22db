"""Contract and its parts (Files, Gate, Freshness); what of a row is personal."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

import pandera.pandas as pa
import pyarrow

from sluice.contract import validation
from sluice.contract.batches import Batches, refuse_misfit
from sluice.contract.columns import NAME, WHOLE_ROW, Column, column_type
from sluice.contract.errors import ContractError
from sluice.contract.formatting import MASK
from sluice.contract.validation import POSTGRES_COLUMNS, refuse_unkept, refuse_unless

MOST_COLUMNS = 1500  # PostgreSQL's tables end at 1,600, and some are ours
LONGEST_ID, LONGEST_BATCH = 40, 12  # of the 63 characters of a table's name; `__incoming_` takes 11
PART = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")  # of an id; so no two datasets or batches share a table
DATING = ("date", "timestamp", "timestamp with time zone")  # types of a column that can date batches


@dataclass(frozen=True, slots=True)
class Files:
    """Where the deliveries are, and how they are written.

    Attributes:
        url: path or address with `{batch}` or the parts of its name (`{year}`, ...), `{dataset}`, `{entity}`.
        null_values: texts that mean null in a CSV file or a sheet; `column(null_values=...)` adds words for one column.
        delimiter: what separates the fields of a CSV file: a character, or a few (`;;`).
        multiline: whether a CSV field may hold a line break; if not, one is a stray quote's and closes the gate.
        encoding: of a text file, by any name that Python knows; UTF-16 and UTF-32 with a byte order mark need none.
        header: whether the first line of a CSV file or a sheet names the columns.
        names: the names of the columns, in place of the header's, or if there is no header.
        skip: lines (of a sheet, rows) before the header that are not part of the table.
        quote: the character that encloses a field; empty if quotes are ordinary characters.
        escape: the character before a quote, delimiter or itself that is to be taken as written (`\\`).
        trim: whether blanks around the fields of a CSV file, also outside of quotes, are left out.
        comment: what the lines to leave out begin with, in a CSV or JSON file.
        quoted_null: whether a cell in quotes may mean null in a text column too. In columns of other types
            an empty cell is null, with quotes or without. Of JSON, whether a text may mean null.
        ignore: columns of the file that are not loaded, under the names that the file gives them.
        sheet: of an Excel workbook; one with a single visible sheet needs none.
        records: of a JSON file that is one object, the keys that lead to its array of rows (`data.items`).
        member: of a zip archive, the file that is read, or a pattern (`*.csv`) of files with the same columns, whose
            rows follow one another in the order of their names. An archive of one file needs none.
        max_field_bytes: longest value of one cell; a longer one rejects its row.
        max_bytes: longest file after decompression, so that a bomb ends early.
        max_ratio: most bytes after decompression for each byte of a compressed file, once they are more than 64 MB.
    """

    url: str
    batches: Batches
    null_values: tuple[str, ...] = ("",)
    delimiter: str = ","
    multiline: bool = False
    encoding: str = "utf-8"
    header: bool = True
    names: tuple[str, ...] = ()
    skip: int = 0
    quote: str = '"'
    escape: str = ""
    trim: bool = False
    comment: str = ""
    quoted_null: bool = False
    ignore: tuple[str, ...] = ()
    sheet: str = ""
    records: str = ""
    member: str = ""
    max_field_bytes: int = 1 << 20
    max_bytes: int = 64 << 30
    max_ratio: int = 1000

    def __post_init__(self) -> None:
        for name in ("null_values", "names", "ignore"):
            if isinstance(getattr(self, name), str):  # its letters would each be one
                raise ContractError(f"{name} is a tuple of texts: ({getattr(self, name)!r},)")
        validation.refuse_wrong_signs(self.delimiter, self.quote, self.escape)
        if self.skip < 0:
            raise ContractError(f"skip is a number of lines, not {self.skip}")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ContractError(f"encoding {self.encoding!r} is not known; for example cp1252 or latin-1") from None


@dataclass(frozen=True, slots=True)
class Gate:
    """How bad a batch may be and still be published.

    Attributes:
        max_rejected: share of all rows that may be rejected.
        rows_vs_last: fewest and most rows, as multiples of the published batch before, and of the load it replaces.
        rows_vs: `weekday` takes the same weekday (and hour) of a week before, up to eight, as the batch before.
        same_bytes: what to do with a file whose very bytes are published under another batch name, or are twice in
            its batch: `hold` it, or `accept` it, as for full snapshots of something that may not change.
        tolerance: share of rows that may fail a check, by the check's name; goes before its column's.
    """

    max_rejected: float = 0.0
    rows_vs_last: tuple[float, float] | None = None
    rows_vs: Literal["last", "weekday"] = "last"
    tolerance: Mapping[str, float] = field(default_factory=dict)
    same_bytes: Literal["hold", "accept"] = "hold"

    def __post_init__(self) -> None:
        refuse_unless("same_bytes", self.same_bytes, Literal["hold", "accept"])
        refuse_unless("rows_vs", self.rows_vs, Literal["last", "weekday"])
        for name, share in {"max_rejected": self.max_rejected, **self.tolerance}.items():
            validation.refuse_unless_share(name, share)
        try:
            if self.rows_vs_last and not 0 <= self.rows_vs_last[0] <= self.rows_vs_last[1]:
                raise ValueError
        except (TypeError, ValueError, IndexError):
            raise ContractError(f"rows_vs_last is (fewest, most), not {self.rows_vs_last}") from None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the newest batch may be, counted from the end of its period."""

    warn_after: timedelta
    error_after: timedelta

    def __post_init__(self) -> None:
        validation.refuse_unless_span("warn_after", self.warn_after)
        validation.refuse_unless_span("error_after", self.error_after)


@dataclass(frozen=True, eq=False)
class Contract:
    """What one dataset must be. `schema` is an ordinary pandera model; its rules are the checks.

    Attributes:
        source: who delivers it. The dataset's id is `source__entity`.
        entity: what a row is, in the plural (`orders`).
        owner: who answers for it: an address or a name, in each alert.
        files: where the deliveries are; `Rows` or `Table` where none are delivered.
        alerts: name of the Prefect notification block that reaches the owner, as `type/name`
            (`slack-webhook/data-team`), if there is one.
        retention: how long rejected rows, their samples, held batches and old results are kept; for ever if not given.
        references: keys of several columns in other datasets: {("order_id", "line"): "shop__lines(order_id, line)"}.
    """

    source: str
    entity: str
    owner: str
    schema: type[pa.DataFrameModel]
    files: Files
    gate: Gate = Gate()
    freshness: Freshness | None = None
    description: str = ""
    alerts: str | None = None
    retention: timedelta | None = None
    references: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (self.source, self.entity):
            if not PART.fullmatch(name):
                raise ContractError(
                    f"{name!r} is not a valid name: use lower case letters, digits and single _, as in yellow_trips "
                    "(__ divides source, entity and batch in the names of tables)"
                )
        if len(self.dataset_id) > LONGEST_ID:
            raise ContractError(f"{self.dataset_id} is over {LONGEST_ID} characters: names of tables would not fit")
        batch = self.files.batches.first
        if len(self.dataset_id) + len(str(batch)) > LONGEST_ID + LONGEST_BATCH:
            raise ContractError(f"{self.dataset_id}: batch {batch!r} is too long for the names of its tables")
        if self.retention is not None:
            validation.refuse_unless_span("retention", self.retention)
        if not (isinstance(self.schema, type) and issubclass(self.schema, pa.DataFrameModel)):
            raise ContractError(f"{self.dataset_id}: schema must be a class derived from pandera's DataFrameModel")
        if (count := len(self.columns)) > MOST_COLUMNS:
            raise ContractError(f"{self.dataset_id}: {count:,} columns, at most {MOST_COLUMNS:,} are supported")
        refuse_unkept(self.dataset_id, self.pandera_schema)
        self._refuse_wrong_batches()

    def _refuse_wrong_batches(self) -> None:
        columns = {column.name: column.type.name for column in self.columns}
        since = {f"{column.name}: since": column.since for column in self.columns if column.since is not None}
        try:
            refuse_misfit(self.files.batches, self.files.url, columns, DATING, since, self.gate.rows_vs)
        except ContractError as error:
            raise ContractError(f"{self.dataset_id}: {error}") from None

    @property
    def dataset_id(self) -> str:
        """`<source>__<entity>`: the name of the dataset and of its table."""
        return f"{self.source}__{self.entity}"

    @cached_property
    def pandera_schema(self) -> pa.DataFrameSchema:
        """The model's schema, without batch-dependent checks."""
        return self.schema.to_schema()

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns in the model's order.

        Raises:
            ContractError: a name SQL would have to quote, an unknown type, a missing description.
        """
        return tuple(self._column(name, spec) for name, spec in self.pandera_schema.columns.items())

    def _column(self, name: str, spec: pa.Column) -> Column:
        if not NAME.fullmatch(name) or name.startswith("_"):
            raise ContractError(f"{self.dataset_id}: column {name!r}: use lower case letters, digits and _")
        if name in POSTGRES_COLUMNS:
            raise ContractError(f"{self.dataset_id}: {name} is a system column of PostgreSQL; use source=")
        options = dict((spec.metadata or {}).get("sluice", {}))
        if not options:
            raise ContractError(f"{self.dataset_id}: declare {name} with column(), which requires a description")
        arrow = getattr(getattr(spec.dtype, "type", None), "pyarrow_dtype", None)
        if not isinstance(arrow, pyarrow.DataType):
            kinds = "Int, Float, Money, Text, Bool, Date, Time, Timestamp, UtcTimestamp, Uuid, Bytes or Json of sluice"
            raise ContractError(f"{self.dataset_id}: {name}: its type is {kinds}, not {spec.dtype}")
        return Column(
            name=name,
            type=column_type(arrow),
            description=str(spec.description),
            nullable=bool(spec.nullable),
            required=bool(spec.required),
            **{**options, "sources": options["sources"] or (name,)},
        )

    def __str__(self) -> str:
        return self.dataset_id


def masked(contract: Contract, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without the values of its `pii` columns. A line that could not be divided may hold anything."""
    hidden = {column.name for column in contract.columns if column.pii}
    return hide(row, hidden | {WHOLE_ROW} if hidden else hidden)


def hide(row: Mapping[str, Any], personal: Collection[str]) -> dict[str, Any]:
    """The row with a mask in place of each personal value; a null stays one."""
    return {name: MASK if name in personal and value is not None else value for name, value in row.items()}
