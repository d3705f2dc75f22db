"""What type a column of text has, and how its cells are to be read: format, words for null, odd cells. Pure.

Types are tried with the parsers that will read the files later, so a guess never promises what a load cannot hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract import columns
from sluice.contract.columns import column_type
from sluice.contract.scaffold.formats import Signs, formats_of, two_ways
from sluice.contract.values.casts import cast
from sluice.contract.values.spellings import UNREAD

# Integers, with points between thousands or without; and of these, what only an integer is
_POINTS = r"^[ ]*-?([0-9]+|[1-9][0-9]{0,2}(\.[0-9]{3})+)[ ]*$"
_NOT_ONE_POINT = r"^[^.]*(\..*\..*)?$"
FIRST_ROWS = 1000  # tried before all others, as most types are ruled out by a few cells
MOST_UNREAD = 0.05  # share of cells; the gate that a draft has stays closed beyond it
LEAST_ROWS = 10  # fewer do not say which of them are odd

MONEY, WIDE_MONEY = pa.decimal128(*columns.MONEY), pa.decimal128(18, 2)
ZONED = pa.timestamp("us", "UTC")
MONEY_NAME = re.compile(
    r"(^|_)(amount|price|cost|fee|fare|tax|total|tip|paid|salary|charge|surcharge|discount|revenue|usd|eur|gbp)(_|$)"
)
# What is measured or paid may have a fraction in the next file, where the sample has none.
_MEASURE = re.compile(
    r"(^|_)(value|measurement|reading|rate|ratio|share|percent|percentage|pct|average|avg|mean|median|temperature|temp|"
    r"latitude|longitude|lat|lon|lng|weight|height|distance|speed|depth)(_(kg|g|lb|c|f|km|m|cm|mm|mi|kmh|mph))?$"
)
_PRICE = re.compile(r"(^|_)(price|cost|fee|fare|amount)s?(_(usd|eur|gbp|chf))?$")
# Digits that are not a number.
_NUMBERLESS = re.compile(
    r"(^|_)(zip|zip_?code|post_?code|postal(_code)?|plz|phone|telephone|tel|fax|mobile|iban|bic|isbn|ean|upc|gtin|sku|"
    r"barcode|imei|fips|cusip|isin|ssn|siren|siret)(_|$)"
)
_ORDER = (pa.int64(), MONEY, WIDE_MONEY, pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us"), ZONED)
_NULLS = (
    *("NULL", "Null", "null", "NA", "N/A", "n/a", "N.A.", "n.a.", "NaN", "nan", "NAN", "None", "none", r"\N", "#N/A"),
    *("<NA>", "-", "--", ".", "..", "...", ":", "?", "*", "missing", "Missing", "unknown", "Unknown", "not available"),
)
# Cells that may be odd in a column whose other cells all have one type: they are rejected, and named in the draft.
_ODD_DATE = r"^[ ]*[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T][0-9:.]+)?[ ]*$"
_ODD_NUMBER = r"(?i)^[ ]*[-+]?(inf|infinity|nan|[0-9.]+e[+]?[0-9]{3,}|#(div/0|ref|value|name|num|null)[!?])[ ]*$"


@dataclass(frozen=True, slots=True)
class Reading:
    """A type for a column of text, and what reads its cells; as in `Guess`."""

    arrow: pa.DataType
    format: str | None = None
    words: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    closing: bool = False


def reading_of(name: str, cells: pa.Array, whole: bool, signs: Signs) -> Reading:
    """The type of a column of text: one that reads all cells, or all but words for null and a few odd ones."""
    held = cells.filter(pc.invert(pc.match_substring_regex(cells, r"^[ \t]*$").fill_null(True)))
    if not len(held):
        return Reading(pa.string())
    plain = _as_it_is(name, held, signs)
    if plain is not None:
        return Reading(plain)
    words = pa.array([word.encode() for word in _NULLS])
    given = pc.is_in(held, words)
    found: tuple[str, ...] = ()
    if pc.any(given).as_py():
        rest = held.filter(pc.invert(given))
        found = tuple(sorted(word.decode() for word in pc.unique(held.filter(given)).to_pylist()))
        if not len(rest):
            return Reading(pa.string())
        if (arrow := _as_it_is(name, rest, signs)) is not None:
            return Reading(arrow, None, found)
    else:
        rest = held
    return _with_format(rest, found, signs) or _with_odd(name, rest, found, whole) or Reading(pa.string())


def _as_it_is(name: str, held: pa.Array, signs: Signs) -> pa.DataType | None:
    """The type that needs no format; None if the points stand between thousands.

    A decimal comma elsewhere in the file is not enough to say so: a degree of latitude has a point there, too. There
    must be numbers below a thousand, or above a million.
    """
    grouped = signs.decimal == "," and not _MEASURE.search(name) and _all(held, _POINTS) and _any(held, _NOT_ONE_POINT)
    return None if grouped and _any(held, r"\.") else _plain(name, held)


def _plain(name: str, held: pa.Array) -> pa.DataType | None:
    """The type that reads every cell as it is; text if a number would lose something; None if there is none."""
    if _any(held, r"^[ \t]*-?0[0-9]+[ \t]*$"):  # 00501 is a postcode; as a number it would lose its zeros
        return pa.string()
    if _NUMBERLESS.search(name) and _all(held, r"^[ \t]*[0-9]+[ \t]*$"):  # the next file may have zeros before them
        return pa.string()
    if _any(held, r"^[0-9]+[eE][0-9]+$") and not _any(held, r"\."):  # 9535e6 is a voucher
        return pa.string()
    for arrow in _ORDER:
        kind = column_type(arrow)
        if cast(held[:FIRST_ROWS], kind)[1] is None and cast(held, kind)[1] is None and _likely(name, arrow, held):
            return _exact(held) if arrow == pa.float64() else arrow
    return None


def _exact(held: pa.Array) -> pa.DataType:
    """Float; or the decimal that holds digits which a double would round, or text."""
    long = pc.match_substring_regex(held, r"[0-9](?:\.?[0-9]){15,}")
    if not pc.any(long).as_py() or _any(held, r"[eE]"):
        return pa.float64()
    numbers = [Decimal(raw.decode().strip()) for raw in held.filter(long).to_pylist()]
    if all(Decimal(repr(float(number))) == number for number in numbers):
        return pa.float64()
    texts = [raw.decode().strip().lstrip("-") for raw in held.to_pylist()]
    scale = max(len(text.partition(".")[2]) for text in texts)
    whole = max(len(text.partition(".")[0]) for text in texts)
    return pa.decimal128(min(38, whole + scale + 4), scale) if whole + scale <= 38 else pa.string()


def _with_format(held: pa.Array, words: tuple[str, ...], signs: Signs) -> Reading | None:
    """A type by a format that all cells have, or all but a few that look like it."""
    texts = _texts(held)
    if texts is None:
        return None
    found: list[tuple[str, pa.DataType, int]] = []
    for one in formats_of(texts, signs):
        if found and one.type.arrow != found[0][1]:
            break
        arrow = one.type.arrow
        if arrow in (pa.int64(), pa.float64()):
            read = one.cells.filter(pc.not_equal(one.cells, UNREAD)).cast(pa.binary())
            if arrow == pa.int64() and not _likely("", arrow, read):  # $1,500.00 may be followed by $1,500.50
                continue
            arrow = _plain("", read) or pa.string() if arrow == pa.float64() else arrow
            if pa.types.is_string(arrow) or pa.types.is_boolean(arrow):
                continue
        bad = cast(one.cells, column_type(arrow))[1]
        if bad is None:
            found.append((one.written, arrow, 0))
        elif pc.sum(bad).as_py() <= MOST_UNREAD * len(held) and _all(held.filter(bad), _ODD_DATE):
            found.append((one.written, arrow, pc.sum(bad).as_py()))
    if not found:
        ways = two_ways(texts)
        return Reading(pa.string(), undecided=ways) if ways else None
    best = [one for one in found if one[2] == min(each[2] for each in found)]
    if len(best) > 1:  # day or month first: nothing in the sample says which
        return Reading(pa.string(), undecided=tuple(one[0] for one in best))
    return Reading(best[0][1], best[0][0], words)


def _with_odd(name: str, held: pa.Array, words: tuple[str, ...], whole: bool) -> Reading | None:
    """A type that reads all cells but a few, which no reader would take for values."""
    for arrow in (pa.int64(), MONEY, WIDE_MONEY, pa.float64(), pa.date32(), pa.timestamp("us"), ZONED):
        bad = cast(held, column_type(arrow))[1]
        if bad is None:
            continue
        count = pc.sum(bad).as_py()
        if count > max(1, MOST_UNREAD * len(held)) or len(held) < LEAST_ROWS:
            continue
        odd, rest = held.filter(bad), held.filter(pc.invert(bad))
        closing = (
            whole and count == 1 and bool(bad[len(bad) - 1].as_py()) and _all(odd, r"(?i)^[^0-9]*[a-z]{3}[^0-9]*$")
        )
        pattern = _ODD_DATE if pa.types.is_temporal(arrow) else _ODD_NUMBER
        if (closing or _all(odd, pattern)) and _plain(name, rest) == arrow:
            return Reading(arrow, None, words, closing=closing)
    return None


def _texts(held: pa.Array) -> pa.Array | None:
    try:
        return held.cast(pa.string())
    except pa.ArrowInvalid:
        return None


def _likely(name: str, arrow: pa.DataType, held: pa.Array) -> bool:
    """Whether the type is not only possible: 10.00 may be an integer, and 1 the boolean true."""
    if arrow in (pa.int64(), MONEY, WIDE_MONEY) and _MEASURE.search(name):
        return False
    if arrow == pa.int64():
        return not _any(held, r"\.(0[0-9]|[ \t]*$)") and not _looks_like_money(name, held)
    if arrow == pa.float64():
        return not _any(held, r"^[ \t]*[-+]?[0-9]{17,}[ \t]*$")  # a number too long for an integer loses digits
    if arrow == MONEY:
        return _looks_like_money(name, held) and not _any(held, r"^[ \t]*-?[0-9]{7}")
    if arrow == WIDE_MONEY:
        return _looks_like_money(name, held)
    return arrow != pa.bool_() or _any(held, "[A-Za-z]")


def _looks_like_money(name: str, held: pa.Array) -> bool:
    named = _PRICE.search(name) or (MONEY_NAME.search(name) and _any(held, r"\."))
    return bool(named) or _all(held, r"\.[0-9]{2}[ \t]*$")


def _any(cells: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, pattern)).as_py())


def _all(cells: pa.Array, pattern: str) -> bool:
    return bool(np.all(np.asarray(pc.match_substring_regex(cells, pattern))))
