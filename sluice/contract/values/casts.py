"""One exact cast for each pair of types: a value that would lose scale, range or meaning is not cast. Pure.

`cast` takes arrays as a file delivers them: bytes or text from CSV, typed columns from Parquet. `deliverable`
says which typed columns may stand for which contract types at all; any other pair is schema drift.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.columns import Column, ColumnType
from sluice.contract.errors import DataError
from sluice.contract.values.grammars import kind_of
from sluice.contract.values.parse import from_doubles, parse, with_cells
from sluice.contract.values.spellings import FINEST, UNREAD, spelt, without_words
from sluice.contract.values.written import as_json, nested, readable

Cast = tuple[pa.Array, pa.Array | None]

_LAST = {"date": "9999-12-31", "timestamp": "9999-12-31T23:59:59.999999"}
_FIRST = {"date": "0001-01-01", "timestamp": "0001-01-01T00:00:00"}


def _as_it_is(array: pa.Array, to: ColumnType) -> Cast:
    """Nested values as JSON, bytes as bytes or as UUIDs. Bytes of a file of text are parsed."""
    if pa.types.is_nested(array.type):
        texts = [None if value is None else as_json(value) for value in nested(array)]
        bad = pa.array([text is UNREAD for text in texts])
        values = pa.array([None if text is UNREAD else text for text in texts], to.arrow)
        return values, bad if pc.any(bad).as_py() else None
    if pa.types.is_null(array.type) or array.null_count == len(array):
        return pa.nulls(len(array), to.arrow), None
    if array.type == to.arrow:
        return array, None
    if to.name == "bytes":
        return array.cast(pa.binary()), None
    return parse(array.cast(pa.binary()), to)


def deliverable(given: pa.DataType, to: ColumnType) -> bool:
    """Whether a typed column may be taken for `to` without guessing: the same type, or a lossless widening.

    An integer column of a month without nulls is double in a month with nulls, for one. Text is only
    ever taken for text: a source that begins to write numbers as text has changed.
    """
    given = _stored(given)
    if pa.types.is_null(given):
        return True
    return any(test(given) for test in _DELIVERABLE[kind_of(to)])


def read(array: pa.Array, column: Column) -> Cast:
    """The values of a column as a source delivers it: its words for null and its format understood, then `cast`."""
    if column.null_values and is_text(array):
        array = without_words(_decoded(array), column.null_values)
    if column.null_values and pa.types.is_floating(array.type):
        array = _without_numbers(array, column.null_values)
    if column.format == FINEST and pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", array.type.tz), safe=False)
    if column.format and is_text(array):
        array = spelt(_decoded(array), column)
    return cast(array, column.type)


def _without_numbers(array: pa.Array, words: tuple[str, ...]) -> pa.Array:
    """The numbers, null where a word names them: NaN and the infinities."""
    lower = {word.lower().replace("infinity", "inf").lstrip("+") for word in words}
    out = pa.array(np.zeros(len(array), dtype=bool))
    if "nan" in lower:
        out = pc.or_(out, pc.is_nan(array).fill_null(False))
    for word in lower & {"inf", "-inf"}:
        out = pc.or_(out, pc.equal(array, pa.scalar(float(word), array.type)).fill_null(False))
    return pc.if_else(out, pa.scalar(None, array.type), array)


def is_text(array: pa.Array) -> bool:
    """Whether an array holds text, to be parsed."""
    kind = _stored(array.type)
    return any(test(kind) for test in _TEXTS)


def cast(array: pa.Array, to: ColumnType) -> Cast:
    """The values as `to`, and a mask of the cells that are not such a value (null there; no mask without such a cell).

    Raises:
        DataError: there is no cast between the two types.
    """
    array = _decoded(array)
    given = array.type
    if to.name in ("json", "uuid", "bytes") and not pa.types.is_string(given):
        return _as_it_is(array, to)
    if pa.types.is_null(given) or array.null_count == len(array):
        return pa.nulls(len(array), to.arrow), None
    if pa.types.is_string(given) or pa.types.is_binary(given):
        return parse(array, to)
    if not deliverable(given, to):
        raise DataError(f"there is no exact cast from {given} to {to}")
    kind = kind_of(to)
    if kind == "decimal" and pa.types.is_integer(given):
        array = array.cast(pa.decimal128(38, 0))  # Arrow takes integers only into decimals that hold them all
    if pa.types.is_floating(given):
        return _from_floating(array, kind, to)
    if pa.types.is_timestamp(given) or pa.types.is_date(given):
        return _within_years(*_where_exact(array, to), kind)
    return _where_exact(array, to)


def delivered(array: pa.Array, row: int) -> str:
    """A cell's text as it was delivered; bytes that are not text as PostgreSQL writes them, `\\x00ff`."""
    if pa.types.is_binary(array.type):  # CSV: by far the most, so without a detour
        return readable(array[row].as_py())
    cell = _decoded(array.slice(row, 1))
    if pa.types.is_string(cell.type) or pa.types.is_binary(cell.type):
        return readable(cell.cast(pa.binary())[0].as_py())
    if pa.types.is_floating(cell.type):
        number = cell[0].as_py()
        return {"nan": "NaN"}.get(repr(number), repr(number))
    if pa.types.is_nested(cell.type):
        (value,) = nested(cell)
        return str(value) if as_json(value) is UNREAD else as_json(value)
    return str(cell.cast(pa.string())[0].as_py())


def _stored(given: pa.DataType) -> pa.DataType:
    if isinstance(given, pa.BaseExtensionType):
        return given.storage_type
    return given.value_type if pa.types.is_dictionary(given) else given


def _decoded(array: pa.Array) -> pa.Array:
    """Dictionaries, large and view texts in their plain form."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    if pa.types.is_large_binary(array.type) or pa.types.is_binary_view(array.type):
        return array.cast(pa.binary())
    return array


def _where_exact(array: pa.Array, to: ColumnType) -> Cast:
    """Arrow's safe cast; where it refuses the array, cell by cell."""
    try:
        return array.cast(to.arrow), None
    except pa.ArrowInvalid:
        pass
    bad = np.zeros(len(array), dtype=bool)
    pieces = []
    for row in range(len(array)):
        try:
            pieces.append(array.slice(row, 1).cast(to.arrow))
        except pa.ArrowInvalid:
            bad[row] = True
            pieces.append(pa.nulls(1, to.arrow))
    return pa.concat_arrays(pieces), pa.array(bad)


def _from_floating(array: pa.Array, kind: str, to: ColumnType) -> Cast:
    doubles = array.cast(pa.float64())
    if kind == "decimal":
        return _decimals(doubles, to)
    given = doubles.fill_null(0.0).to_numpy(zero_copy_only=False)
    good = np.isfinite(given)
    if kind == "integer":
        with np.errstate(invalid="ignore"):
            good &= (np.floor(given) == given) & (given >= -(2.0**63)) & (given < 2.0**63)
    if good.all():
        return doubles.cast(to.arrow), None
    return pc.if_else(pa.array(good), doubles, None).cast(to.arrow), pa.array(~good)


def _decimals(doubles: pa.Array, to: ColumnType) -> Cast:
    """What a double says with 15 significant digits: 16.500000000000002 is 16.50 and binary noise."""
    values, exact = from_doubles(doubles, to)
    rest = np.flatnonzero(~exact)
    if not len(rest):
        return values, None
    texts = [f"{number:.15g}" for number in doubles.take(pa.array(rest)).to_pylist()]
    cells, bad_cells = parse(pa.array(texts, pa.string()), to)
    values = with_cells(values, cells, rest)
    if bad_cells is None:
        return values, None
    bad = np.zeros(len(doubles), dtype=bool)
    bad[rest] = np.asarray(bad_cells)
    return values, pa.array(bad)


def _within_years(values: pa.Array, bad: pa.Array | None, kind: str) -> Cast:
    """Years 1 to 9999 only: what PostgreSQL, Python and every reader after them can hold."""
    kind = kind.split(" ")[0]
    plain = pc.cast(values, pa.timestamp("us")) if kind == "timestamp" else values
    bounds = [pa.scalar(text[kind]).cast(plain.type) for text in (_FIRST, _LAST)]
    good = pc.and_(pc.greater_equal(plain, bounds[0]), pc.less_equal(plain, bounds[1])).fill_null(True)
    if pc.all(good).as_py():
        return values, bad
    outside = pc.invert(good)
    bad = outside if bad is None else pc.or_(bad, outside)
    return pc.if_else(good, values, pa.scalar(None, values.type)), bad


def _small_decimal(given: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(given)) and given.precision <= 15  # digits that a double can hold


def _timestamp(zoned: bool) -> Callable[[pa.DataType], bool]:
    return lambda given: bool(pa.types.is_timestamp(given)) and (given.tz is not None) == zoned


def _double(given: pa.DataType) -> bool:
    return bool(given == pa.float64())  # a 32-bit float does not hold the cents of 123456.78


_TEXTS: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)
_DELIVERABLE: dict[str, tuple[Callable[[pa.DataType], bool], ...]] = {
    "integer": (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    "float": (pa.types.is_floating, pa.types.is_integer, _small_decimal),
    "decimal": (pa.types.is_decimal, pa.types.is_integer, _double),
    "text": _TEXTS,
    "boolean": (pa.types.is_boolean,),
    "date": (pa.types.is_date,),
    "timestamp": (_timestamp(zoned=False),),
    "timestamp with time zone": (_timestamp(zoned=True),),
    "time": (pa.types.is_time,),
    "uuid": (lambda given: bool(pa.types.is_fixed_size_binary(given)) and given.byte_width == 16, *_TEXTS[:3]),
    "bytes": (pa.types.is_fixed_size_binary, *_TEXTS[3:]),
    "json": (pa.types.is_nested, *_TEXTS[:3]),
}
