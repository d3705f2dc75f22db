"""Arrays of text to typed arrays, exactly or not at all. Pure.

What a spelling means is in grammars.py, one cell at a time. Here whole arrays take a vectorised way, which
serves only cells that are certain to mean the same there; what it leaves is read cell by cell. So a cell's
value never depends on its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.columns import ColumnType
from sluice.contract.values.grammars import kind_of, read_cell

# What may stand in a column for its vectorised way, and the shortest and longest cell. Arrow's own parsers
# take more than our grammars: hexadecimal integers, a plus sign, a time without seconds.
_ALPHABETS: dict[str, tuple[bytes, int, int]] = {
    "integer": (b"0123456789-", 1, 20),
    "float": (b"0123456789.-eE", 1, 300),
    "decimal": (b"0123456789.-", 1, 15),  # up to 15 digits, a double distinguishes decimals
    "date": (b"0123456789-", 10, 10),
    "timestamp": (b"0123456789-: T.", 19, 26),
}
# PostgreSQL and Python have no year 0, Arrow has.
_YEAR_1 = {kind: pa.scalar("0001-01-01").cast(arrow) for kind, arrow in
           {"date": pa.date32(), "timestamp": pa.timestamp("us")}.items()}  # fmt: skip


def parse(text: pa.Array, to: ColumnType) -> tuple[pa.Array, pa.Array | None]:
    """Texts (or bytes) as `to`: values, and a mask of the cells that spell none (no mask if all do)."""
    values = _whole(text, to)
    if values is not None:
        return values, None
    plain, held = np.asarray(_plain(text, to)), np.asarray(text.is_valid())
    if kind_of(to) != "text":  # an empty cell, in quotes or not, is not a value of any other type
        held &= ~np.asarray(pc.match_substring_regex(text.cast(pa.binary()), r"^[ \t]*$").fill_null(False))
    values = pa.nulls(len(text), to.arrow)
    read = _whole(text.filter(pa.array(plain)), to)
    if read is not None:
        values = with_cells(values, read, np.flatnonzero(plain))
    rest = np.flatnonzero(held if read is None else held & ~plain)
    bad = np.zeros(len(text), dtype=bool)
    cells: list[Any] = [None] * len(rest)
    for n, raw in enumerate(text.take(pa.array(rest)).cast(pa.binary()).to_pylist()):
        try:
            cells[n] = read_cell(raw, to)
        except ValueError:
            bad[rest[n]] = True
    return with_cells(values, pa.array(cells, to.arrow), rest), pa.array(bad) if bad.any() else None


def with_cells(values: pa.Array, cells: pa.Array, rows: np.ndarray) -> pa.Array:
    """`values`, of which `rows` are null, with `cells` in these rows."""
    indices = np.full(len(values), -1, dtype=np.int64)
    indices[rows] = np.arange(len(rows))
    return pc.coalesce(values, cells.take(pa.array(indices, mask=indices < 0)))


def from_doubles(doubles: pa.Array, to: ColumnType) -> tuple[pa.Array, np.ndarray]:
    """Doubles as the decimals they are the nearest double of, and which rows are so; the others are null.

    No two decimals of up to 15 significant digits share a nearest double, so equality proves the decimal.
    """
    precision, scale = to.arrow.precision, to.arrow.scale
    held = doubles.is_valid()
    if precision > 15:
        return pa.nulls(len(doubles), to.arrow), ~np.asarray(held)
    given = doubles.fill_null(0.0).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore"):
        units = np.rint(given * 10.0**scale)
        exact = (np.abs(units) < 10.0**precision) & (units / 10.0**scale == given)
    if not exact.all():
        units = np.where(exact, units, 0)
        held = pc.and_(held, pa.array(exact))
    halves = np.empty((len(units), 2), dtype=np.int64)  # a decimal128 is a little-endian 128-bit integer
    halves[:, 0] = units
    halves[:, 1] = halves[:, 0] >> 63
    return pa.Array.from_buffers(to.arrow, len(units), [held.buffers()[1], pa.py_buffer(halves)]), exact


def _whole(text: pa.Array, to: ColumnType) -> pa.Array | None:
    """The array read in one go, or None if any cell is in doubt."""
    kind = kind_of(to)
    try:
        if kind == "text":
            return None if b"\0" in _bytes(text) else text.cast(pa.binary()).cast(pa.string())  # checks UTF-8
        if kind == "boolean":
            return text.cast(pa.string()).cast(pa.bool_())
        return _whole_of_alphabet(text, kind, to)
    except pa.ArrowInvalid:
        return None


def _whole_of_alphabet(text: pa.Array, kind: str, to: ColumnType) -> pa.Array | None:
    if kind not in _ALPHABETS:
        return None
    alphabet, shortest, longest = _ALPHABETS[kind]
    other = _bytes(text).translate(None, alphabet)
    pointed = kind == "integer" and other and not other.strip(b".")
    sizes = pc.min_max(pc.binary_length(text)).as_py()
    if sizes["max"] is None:
        return pa.nulls(len(text), to.arrow)
    if (other and not pointed) or sizes["min"] < shortest or sizes["max"] > (15 if pointed else longest):
        return None
    if kind == "integer" and _zero_leads(text):  # 00501 is a code: as a number it would lose its zeros
        return None
    # The same buffers called text: every cell is ASCII.
    ascii_text = pa.Array.from_buffers(pa.string(), len(text), text.buffers(), text.null_count, text.offset)
    if pointed:
        return ascii_text.cast(pa.float64()).cast(pa.int64())
    if kind == "decimal" and to.arrow.precision <= 15:
        values, exact = from_doubles(ascii_text.cast(pa.float64()), to)
        return values if exact.all() else None
    values = ascii_text.cast(to.arrow)
    if kind == "float":
        return values if pc.all(pc.is_finite(values)).as_py() else None
    return values if kind not in _YEAR_1 or _from_year_1(values, kind) else None


def _zero_leads(text: pa.Array) -> bool:
    """Whether a cell begins with a zero, and another digit follows."""
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[text.offset : text.offset + len(text) + 1]
    cells = np.frombuffer(data, dtype=np.uint8)
    starts, sizes = ends[:-1], np.diff(ends)
    minus = np.zeros(len(starts), dtype=bool)
    minus[sizes > 0] = cells[starts[sizes > 0]] == 45
    starts = (starts + minus)[sizes - minus > 1]
    return bool(((cells[starts] == 48) & (cells[starts + 1] != 46)).any())


def _from_year_1(values: pa.Array, kind: str) -> bool:
    return bool(pc.all(pc.greater_equal(values, _YEAR_1[kind])).as_py())


def _plain(text: pa.Array, to: ColumnType) -> pa.Array:
    """Cells spelt in a common way that is safe for the vectorised way: one bad cell costs only itself."""
    kind = kind_of(to)
    patterns = {
        "integer": r"^-?(0|[1-9][0-9]{0,11})(\.0?)?$",
        "float": r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$",
        "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        "timestamp": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$",
    }
    if kind == "decimal":
        digits, scale = min(to.arrow.precision - to.arrow.scale, 8), min(to.arrow.scale, 5)
        patterns["decimal"] = rf"^-?[0-9]{{1,{digits}}}(\.[0-9]{{0,{scale}}})?$"
    if kind not in patterns:
        return pa.array(np.zeros(len(text), dtype=bool))
    return pc.match_substring_regex(text.cast(pa.binary()), patterns[kind]).fill_null(False)


def _bytes(text: pa.Array) -> bytes:
    """The cells' bytes, one after the other."""
    _, offsets, data = text.buffers()
    if data is None or len(text) == 0:
        return b""
    ends = np.frombuffer(offsets, dtype=np.int32)
    return data[int(ends[text.offset]) : int(ends[text.offset + len(text)])].to_pybytes()
