"""What the values of a sample say of a column: its type, whether it may be null, its codes and range. Pure.

Types are tried with the parsers that will read the files later, so a guess never promises what a load cannot hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.authoring.annotations import annotation as as_written
from sluice.contract.authoring.annotations import holding
from sluice.contract.columns import ColumnType, column_type
from sluice.contract.errors import DataError
from sluice.contract.values.casts import cast

FIRST_ROWS = 1000  # tried before all others, as most types are ruled out by a few cells
CODES = 12  # most values of a code list
MOST_UNREAD = 0.05  # share of cells; the gate that a draft has stays closed beyond it
ROWS_PER_CODE = 5  # rows a code must have on average; fewer, and the next file brings a new one

MONEY = pa.decimal128(10, 2)
ZONED = pa.timestamp("us", "UTC")
_ORDER = (pa.int64(), MONEY, pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us"), ZONED)
_NULLS = ("NULL", "null", "NA", "N/A", "n/a", "NaN", "nan", "None", "none", r"\N", "-")
_MONEY_NAME = re.compile(
    r"(^|_)(amount|price|cost|fee|fare|tax|total|tip|paid|salary|charge|surcharge|discount|revenue|usd|eur|gbp|value)(_|$)"
)
_CODE_NAME = re.compile(r"_(code|type|status|flag|kind|class|level|category)$|^(code|type|status|flag|kind|category)$")
_KEY_NAME = re.compile(r"(^|_)(id|key|number|no|code|uuid|guid|sku)$")
_PERSONAL = re.compile(
    r"(^|_)(email|e_mail|phone|mobile|first_name|last_name|full_name|surname|birth|birthday|date_of_birth|ssn|iban|"
    r"passport|street|address)(_|$)"
)


@dataclass(frozen=True, slots=True)
class Guess:
    """One column as the sample shows it.

    Attributes:
        source: the file's name for it.
        values: typed, as long as the sample.
        codes: all values, if they look like a list of codes.
        bounds: least and most that the contract is to allow.
        span: least and most of the sample.
    """

    name: str
    source: str
    type: ColumnType
    values: pa.Array = field(repr=False)
    nullable: bool
    unique: bool
    pii: bool
    codes: tuple[Any, ...] = ()
    bounds: tuple[int, int] | None = None
    span: tuple[Any, Any] | None = None

    @property
    def annotation(self) -> str:
        """The type as a contract file writes it."""
        return as_written(self.type)


def guess(name: str, source: str, cells: pa.Array) -> Guess:
    """What a column is, by its cells: bytes from CSV, typed values from Parquet.

    Raises:
        DataError: a Parquet column of a type that no contract type can hold.
    """
    kind, values = _typed(name, source, cells)
    held = values.drop_null()
    distinct = len(pc.unique(held))
    key = bool(_KEY_NAME.search(name)) and kind.name in ("integer", "text")
    codes = () if key and distinct == len(held) else _codes(name, kind, held, distinct)
    return Guess(
        name=name,
        source=source,
        type=kind,
        values=values,
        nullable=len(held) < len(values),
        unique=key and 1 < distinct == len(values),
        pii=bool(_PERSONAL.search(name)),
        codes=codes,
        **({} if codes else _range(kind, held, key)),
    )


def null_words(cells: pa.Array) -> frozenset[str]:
    """Words for null in a text column that would have another type without them; none if it is text anyway."""
    if not pa.types.is_binary(cells.type) or _type_of_text("", cells) != pa.string():
        return frozenset()
    words = pa.array([word.encode() for word in _NULLS])
    given = pc.is_in(cells, words)
    if not pc.any(given).as_py() or _type_of_text("", pc.if_else(given, None, cells)) == pa.string():
        return frozenset()
    return frozenset(word.decode() for word in pc.unique(cells.filter(given)).to_pylist())


def _typed(name: str, source: str, cells: pa.Array) -> tuple[ColumnType, pa.Array]:
    given = cells.type
    if pa.types.is_binary(given):
        kind = column_type(_type_of_text(name, cells))
    elif pa.types.is_null(given) or cells.null_count == len(cells):
        kind = column_type(pa.string())
    else:
        kind = column_type(_type_of_values(name, source, cells))
    values, unread = cast(cells, kind)  # a cell that is no text in UTF-8 comes out null
    if unread is not None and (bad := pc.sum(unread).as_py()) > MOST_UNREAD * len(cells):
        raise DataError(f"column {source!r}: {bad:,} of {len(cells):,} cells are no UTF-8; have it delivered in UTF-8")
    return kind, values


def _type_of_text(name: str, cells: pa.Array) -> pa.DataType:
    held = cells.drop_null()
    if not len(held) or _any(
        held, r"^[ \t]*-?0[0-9]+[ \t]*$"
    ):  # 00501 is a postcode; as a number it would lose its zeros
        return pa.string()
    for arrow in _ORDER:
        kind = column_type(arrow)
        if cast(held[:FIRST_ROWS], kind)[1] is None and cast(held, kind)[1] is None and _likely(name, arrow, held):
            return arrow
    return pa.string()


def _likely(name: str, arrow: pa.DataType, held: pa.Array) -> bool:
    """Whether the type is not only possible: 10.00 may be an integer, and 1 the boolean true."""
    if arrow == pa.int64():
        return not _any(held, r"\.(0[0-9]|[ \t]*$)") and not _looks_like_money(name, held)
    if arrow == pa.float64():
        return not _any(held, r"^[ \t]*[-+]?[0-9]{17,}[ \t]*$")  # a number too long for an integer loses digits
    if arrow == MONEY:
        return _looks_like_money(name, held)
    return arrow != pa.bool_() or _any(held, "[A-Za-z]")


def _looks_like_money(name: str, held: pa.Array) -> bool:
    return (bool(_MONEY_NAME.search(name)) and _any(held, r"\.")) or _all(held, r"\.[0-9]{2}[ \t]*$")


def _type_of_values(name: str, source: str, cells: pa.Array) -> pa.DataType:
    given = cells.type
    if pa.types.is_dictionary(given):
        given = given.value_type
    if pa.types.is_floating(given):
        held = cells.drop_null().cast(pa.float64())
        whole = cast(held, column_type(pa.int64()))[1] is None
        if whole and cells.null_count and not _MONEY_NAME.search(name):
            return pa.int64()  # as pandas writes integers with a null
        cents = given == pa.float64() and cast(held, column_type(MONEY))[1] is None
        return MONEY if cents and _MONEY_NAME.search(name) else pa.float64()
    kind = holding(given)
    if kind is not None:
        return kind.arrow
    raise DataError(f"column {source!r} is {given}, which no contract type holds; have it delivered in another form")


def _codes(name: str, kind: ColumnType, held: pa.Array, distinct: int) -> tuple[Any, ...]:
    if not 2 <= distinct <= CODES or distinct * ROWS_PER_CODE > len(held):
        return ()
    values = sorted(pc.unique(held).to_pylist())
    if kind.name == "text" and all(re.fullmatch(r"[^\x00-\x1f\"\\]{1,30}", value) for value in values):
        return tuple(values)
    coded = kind.name == "integer" and (_CODE_NAME.search(name) or values == [0, 1])
    return tuple(values) if coded else ()


def _range(kind: ColumnType, held: pa.Array, key: bool) -> dict[str, Any]:
    if not len(held) or kind.name in ("text", "boolean"):
        return {}
    least, most = (value.as_py() for value in pc.min_max(held).values())
    if kind.name.split("(")[0] not in ("integer", "float", "decimal"):
        return {"span": (least, most)}
    # An order of magnitude of room: enough to tell cents from dollars, and a meter from a kilometer.
    room = 10 ** (len(str(int(max(abs(least), abs(most), 1)))) + 1)
    if key or room > 10**8:  # 10**8 is beyond Money
        return {"span": (least, most), "bounds": (0, 0)} if least >= 0 else {"span": (least, most)}
    return {"span": (least, most), "bounds": (0 if least >= 0 else -room, room)}


def _any(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, pattern)).as_py())


def _all(cells: pa.Array, pattern: str) -> bool:
    return bool(np.all(np.asarray(pc.match_substring_regex(cells, pattern))))
