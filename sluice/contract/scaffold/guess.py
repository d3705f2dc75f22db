"""What the values of a sample say of a column: its type, whether it may be null, its codes and range. Pure.

Types are tried with the parsers that will read the files later, so a guess never promises what a load cannot hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.authoring.annotations import holding
from sluice.contract.columns import Column, ColumnType, column_type
from sluice.contract.errors import DataError
from sluice.contract.scaffold.formats import ORDINARY, Signs
from sluice.contract.scaffold.readings import MONEY, MONEY_NAME, Reading, reading_of
from sluice.contract.values.casts import cast, delivered, read
from sluice.contract.values.spellings import FINEST

CODES = 12  # most values of a code list
ROWS_PER_CODE = 5  # rows a code must have on average; fewer, and the next file brings a new one

_CODE_NAME = re.compile(r"_(code|type|status|flag|kind|class|level|category)$|^(code|type|status|flag|kind|category)$")
_WORDY = ("text", "json", "bytes", "uuid")  # types in which a word may be a value
_PERIOD = re.compile(r"[0-9]{1,4}[-/.][0-9]|[0-9]{4}[ -]?[QWHS][0-9]|[QWHS][0-9][ -]?[0-9]{4}")
_KEY_NAME = re.compile(r"(^|_)(id|key|number|no|code|uuid|guid|sku)$")
_PERSONAL = re.compile(
    r"(^|_)(email|e_mail|phone|mobile|first_name|last_name|full_name|middle_name|maiden_name|surname|given_name|"
    r"family_name|(customer|user|person|patient|employee|contact|passenger|guest|member|author|owner)_name|ssn|iban|"
    r"passport|street|address)(_|$)|^name$|^(date_of_birth|birth_date|birthdate|birthday|born|born_on|dob|birth)$"
)


@dataclass(frozen=True, slots=True)
class Guess:
    """One column as the sample shows it.

    Attributes:
        source: the file's name for it.
        values: typed, as long as the sample.
        codes: all values, if they look like a list of codes.
        bounds: least and most of the sample with an order of magnitude of room: a warning beyond.
        span: least and most of the sample.
        format: in which the source spells the values, where no type reads them without.
        words: that mean null in this column.
        words_of_others: that mean null in other columns of the file, and may come to stand in this one.
        odd: how many cells are not a value of the type, and the first of them.
        damaged: how many cells are not valid UTF-8.
        undecided: the formats that all values have alike.
        closing: whether the odd cells stand in the file's last rows, which are totals then, not records.
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
    format: str | None = None
    words: tuple[str, ...] = ()
    words_of_others: tuple[str, ...] = ()
    odd: tuple[int, tuple[str, ...]] = (0, ())
    damaged: int = 0
    undecided: tuple[str, ...] = ()
    closing: bool = False
    totals: tuple[str, ...] = ()  # the words in the file's last rows that make them totals
    cells: pa.Array | None = field(repr=False, default=None)  # as the source spells them, where it has a format
    required: bool = False  # a null is rejected: a key's, or of the column that dates rows

    @property
    def annotation(self) -> str:
        """The type as a contract file writes it."""
        return self.type.annotation


def guess(
    name: str,
    source: str,
    cells: pa.Array,
    whole: bool = False,
    typed: bool = False,
    signs: Signs = ORDINARY,
    known: ColumnType | None = None,
) -> Guess:
    """What a column is, by its cells: bytes from CSV, typed values from Parquet.

    Args:
        whole: whether the cells are all that the file has, so that the last one may be of a closing line.
        signs: what the file says of the signs in numbers.
        typed: whether the file gives its columns types, so that bytes are bytes, and no text to be parsed.
        known: the type, where it is not to be guessed.

    Raises:
        DataError: a Parquet column of a type that no contract type can hold.
    """
    reading = Reading(pa.string())
    if known is not None:
        kind = known
        values, unread = read(cells, Column(name, kind, "", (), True, True))
    elif pa.types.is_binary(cells.type) and not typed:
        reading = reading_of(name, cells, whole, signs)
        kind = column_type(reading.arrow)
        column = Column(name, kind, "", (), True, True, format=reading.format, null_values=reading.words)
        values, unread = read(cells, column)
    elif pa.types.is_large_binary(cells.type) and not typed:  # nested values of a JSON file
        kind = column_type(pa.large_string())
        values, unread = read(cells, Column(name, kind, "", (), True, True))
    else:
        kind = column_type(_type_of_values(name, source, cells))
        reading = _typed_reading(kind, cells)
        values, unread = read(
            cells, Column(name, kind, "", (), True, True, format=reading.format, null_values=reading.words)
        )
    bad = 0 if unread is None else int(pc.sum(unread).as_py())
    empty = len(values) - len(values.drop_null()) - bad  # a cell that does not parse is not empty
    held = values.drop_null()
    distinct = len(pc.unique(held)) if _counts(kind) else len(held)
    key = bool(_KEY_NAME.search(name)) and kind.name in ("integer", "text")
    codes = () if (key and distinct == len(held)) or reading.undecided else _codes(name, kind, held, distinct)
    unique = key and 1 < distinct == len(values) - bad and not empty
    return Guess(
        name=name,
        source=source,
        type=kind,
        values=values,
        nullable=empty > 0,
        unique=unique,
        required=unique,
        cells=cells if (reading.format or reading.words) and not typed else None,
        pii=bool(_PERSONAL.search(name)),
        codes=codes,
        format=reading.format,
        words=reading.words,
        odd=(0, ()) if kind.name == "text" or not bad else (bad, _examples(cells, unread)),
        damaged=bad if kind.name == "text" else 0,
        undecided=reading.undecided,
        closing=reading.closing,
        **({} if codes else _range(kind, held, key)),
    )


def with_one_key(guesses: Sequence[Guess]) -> list[Guess]:
    """The guesses, unique only where a key is the first of its file, or counts up: others are of other tables."""
    keys = [one.name for one in guesses if _KEY_NAME.search(one.name)]
    return [
        replace(one, unique=False, required=False)
        if one.unique and one.name != keys[0] and not _counts_up(one)
        else one
        for one in guesses
    ]


def _counts_up(one: Guess) -> bool:
    """Whether integers grow from row to row, as numbers that a system gives out do."""
    numbers = one.values.drop_null()
    return one.type.name == "integer" and bool((np.diff(numbers.to_numpy(zero_copy_only=False)) > 0).all())


def with_words_of_others(guesses: Sequence[Guess]) -> list[Guess]:
    """The guesses, where a word that means null in one column means it in all but those of text."""
    words = {word for one in guesses for word in one.words}
    return [
        replace(one, words_of_others=tuple(sorted(words - set(one.words)))) if one.type.name not in _WORDY else one
        for one in guesses
    ]


def _counts(kind: ColumnType) -> bool:
    return kind.name not in ("json", "bytes", "uuid", "time")


def _examples(cells: pa.Array, unread: pa.Array | None) -> tuple[str, ...]:
    found = np.flatnonzero(np.asarray(unread))
    return tuple(dict.fromkeys(delivered(cells, row) for row in found[:100].tolist()))[:3]


def _typed_reading(kind: ColumnType, cells: pa.Array) -> Reading:
    """What a typed column needs beside its type: a word for its NaNs, digits cut off."""
    if pa.types.is_floating(cells.type) and pc.any(pc.is_nan(cells)).as_py():
        return Reading(kind.arrow, None, ("NaN",))
    if pa.types.is_timestamp(cells.type) and cells.type.unit == "ns" and cast(cells, kind)[1] is not None:
        return Reading(kind.arrow, FINEST)
    return Reading(kind.arrow)


def _type_of_values(name: str, source: str, cells: pa.Array) -> pa.DataType:
    given = cells.type
    if pa.types.is_dictionary(given):
        given = given.value_type
    if pa.types.is_floating(given):
        held = cells.drop_null().cast(pa.float64())
        whole = cast(held, column_type(pa.int64()))[1] is None
        if whole and cells.null_count and not MONEY_NAME.search(name):
            return pa.int64()  # as pandas writes integers with a null
        cents = given == pa.float64() and cast(held, column_type(MONEY))[1] is None
        return MONEY if cents and MONEY_NAME.search(name) else pa.float64()
    kind = holding(given)
    if kind is not None and kind.name == "text" and cast(cells, kind)[1] is not None:
        return pa.binary()  # bytes that are not text
    if kind is not None:
        return kind.arrow
    raise DataError(
        f"column {source!r} is {given}, which no contract type supports; ask the provider for another format"
    )


def _codes(name: str, kind: ColumnType, held: pa.Array, distinct: int) -> tuple[Any, ...]:
    if not 2 <= distinct <= CODES or distinct * ROWS_PER_CODE > len(held):
        return ()
    if not _counts(kind):
        return ()
    values = sorted(pc.unique(held).to_pylist())
    if kind.name == "text" and all(_PERIOD.match(value) for value in values):
        return ()  # the next file has the next ones
    if kind.name == "text" and all(re.fullmatch(r"[^\x00-\x1f\"\\]{1,30}", value) for value in values):
        return tuple(values)
    coded = kind.name == "integer" and (_CODE_NAME.search(name) or values == [0, 1])
    return tuple(values) if coded else ()


def _range(kind: ColumnType, held: pa.Array, key: bool) -> dict[str, Any]:
    if not len(held) or kind.name in ("text", "boolean") or not _counts(kind):
        return {}
    least, most = (value.as_py() for value in pc.min_max(held).values())
    if kind.name.split("(")[0] not in ("integer", "float", "decimal"):
        return {"span": (least, most)}
    # An order of magnitude of room: enough to distinguish cents from dollars, and a meter from a kilometer.
    room = 10 ** (len(str(int(max(abs(least), abs(most), 1)))) + 1)
    if key or room > 10**8:  # 10**8 is beyond Money
        return {"span": (least, most), "bounds": (0, 0)} if least >= 0 else {"span": (least, most)}
    # Values that come near zero and never pass it are counts or amounts; those of a summer or a hemisphere are not.
    positive = least >= 0 and least * 100 <= most
    return {"span": (least, most), "bounds": (0 if positive else -room, room)}
