"""Values as a source spells them, made into the spelling that parse.py reads: `column(format=...)`. Pure.

A format of dates and times is Python's (`%d/%m/%Y`); `us` cuts times to microseconds, also those of a typed file. One
of numbers is the number 1234.5 as the source writes it: `1.234,5`, `$1,234.5`, `1 234,5 €`, `1234.5%`, `(1,234.5)`
where parentheses mean minus. One of truth values is two words, `yes/no`. A cell spelt otherwise is not a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.columns import Column, ColumnType
from sluice.contract.errors import ContractError

FINEST = "us"  # a format of times: digits finer than a microsecond are cut off
UNREAD = "?"  # spells no value of any type that has formats
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BLANKS = "[ \u00a0\u2009\u202f]"  # what stands for a blank between thousands
_PARTS = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>[0-9]{1,2})",
    "d": r"(?P<d>[0-9]{1,2})",
    "b": r"(?P<b>[A-Za-z]{3})[A-Za-z]*\.?",
    "B": r"(?P<b>[A-Za-z]{3})[A-Za-z]*\.?",
    "H": r"(?P<H>[0-9]{1,2})",
    "I": r"(?P<I>[0-9]{1,2})",
    "M": r"(?P<M>[0-9]{2})",
    "S": r"(?P<S>[0-9]{2})",
    "f": r"(?P<f>[0-9]{1,6})",
    "p": r"(?P<p>[AaPp])\.?[Mm]\.?",
    "z": r"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
    "%": "%",
}
_NUMBER = re.compile(
    r"(?P<open>\(?)(?P<before>[^0-9()]*)1(?P<group>[^0-9]?)234(?:(?P<point>[^0-9])5)?(?P<after>[^0-9()]*)(?P<close>\)?)"
)


def check_format(name: str, kind: ColumnType, written: str) -> None:
    """Refuse a format that does not fit the column's type.

    Raises:
        ContractError: says how to write it.
    """
    try:
        spelling(kind.name.split("(")[0], written)
    except (KeyError, ValueError) as error:
        raise ContractError(f"{name}: format={written!r} does not fit {kind}: {error}") from None


def spelt(cells: pa.Array, column: Column) -> pa.Array:
    """The cells in the spelling that parse.py reads, as text; `?` for a cell that is not written as `format` says.

    An empty cell, in quotes or not, becomes null.
    """
    texts = pc.utf8_trim(_texts(cells), " \t\u00a0")
    made = spelling(column.type.name.split("(")[0], column.format or "")(texts)
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), made)


def without_words(cells: pa.Array, words: tuple[str, ...]) -> pa.Array:
    """The cells, those that are one of the words null."""
    given = pc.is_in(cells, pa.array([word.encode() for word in words], pa.binary()).cast(cells.type))
    return pc.if_else(given, pa.scalar(None, cells.type), cells)


@lru_cache(maxsize=512)
def spelling(kind: str, written: str) -> Callable[[pa.Array], pa.Array]:
    """What turns texts written in a format into texts that parse.py reads.

    Raises:
        ValueError: the format is not one of this kind of type.
    """
    if written == FINEST and kind.startswith("timestamp"):
        return lambda texts: pc.replace_substring_regex(texts, r"(\.[0-9]{6})[0-9]+", r"\1")
    if kind in ("date", "timestamp", "timestamp with time zone", "time"):
        return _Moments(kind, written)
    if kind in ("integer", "float", "decimal"):
        return _Numbers(written)
    if kind == "boolean":
        return _Truths(written)
    raise ValueError(f"only dates, times, numbers and booleans have a format, not {kind}")


def _texts(cells: pa.Array) -> pa.Array:
    """The cells as text; those that are not UTF-8 are `?`."""
    try:
        return cells.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text(raw) for raw in cells.cast(pa.binary()).to_pylist()], pa.string())


def _text(raw: bytes | None) -> str | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return UNREAD


class _Moments:
    """Dates and times."""

    def __init__(self, kind: str, written: str) -> None:
        pattern, place = "", 0
        while place < len(written):
            if written[place] == "%":
                place += 1
                if written[place : place + 1] not in _PARTS:
                    raise ValueError(f"%{written[place : place + 1]} is not one of {' '.join('%' + p for p in _PARTS)}")
                touching = written[place + 1 : place + 2] == "%" or (place > 2 and written[place - 3] == "%")
                part = _PARTS[written[place]]  # where no sign parts them, both digits must be there
                pattern += part.replace("{1,2}", "{2}") if touching else part
            else:
                pattern += re.escape(written[place])
            place += 1
        self._pattern = f"^{pattern}$"
        parts = set(re.compile(self._pattern).groupindex)
        self._zoned = kind == "timestamp with time zone"
        if (kind != "time" and not ({"d", "m"} <= parts or {"d", "b"} <= parts)) or (
            not parts & {"Y", "y"} and kind != "time"
        ):
            raise ValueError("a date needs day, month and year, as in %d/%m/%Y")
        if kind != "date" and not parts & {"H", "I"}:
            raise ValueError("a time needs hours, as in %H:%M")
        if self._zoned and "z" not in parts:
            raise ValueError("a time with a zone needs %z")
        if ("I" in parts) != ("p" in parts):
            raise ValueError("%I and %p go together")
        self._kind = kind

    def __call__(self, texts: pa.Array) -> pa.Array:
        found = pc.extract_regex(texts, self._pattern)
        parts = {field.name: found.field(n) for n, field in enumerate(found.type)}
        good = np.asarray(found.is_valid()) if found.null_count else np.ones(len(texts), dtype=bool)
        pieces = [] if self._kind == "time" else [self._date(parts)]
        if self._kind != "date":
            pieces.append(self._time(parts))
        made = pieces[0] if len(pieces) == 1 else pc.binary_join_element_wise(*pieces, " ")
        if self._zoned:
            made = pc.binary_join_element_wise(made, parts["z"], "")
        made = pc.if_else(pa.array(good), made, UNREAD).fill_null(UNREAD)
        return pc.if_else(texts.is_valid(), made, pa.scalar(None, pa.string()))

    def _date(self, parts: dict[str, pa.Array]) -> pa.Array:
        if "Y" in parts:
            year = parts["Y"]
        else:  # as POSIX has it: 69 to 99 are of the last century
            late = pc.greater_equal(parts["y"], "69")
            year = pc.binary_join_element_wise(pc.if_else(late, "19", "20"), parts["y"], "")
        if "b" in parts:
            number = pc.add(pc.index_in(pc.utf8_lower(parts["b"]), pa.array(MONTHS)), 1)
            month = number.cast(pa.string())
        else:
            month = parts["m"]
        return pc.binary_join_element_wise(year, _two(month), _two(parts["d"]), "-")

    def _time(self, parts: dict[str, pa.Array]) -> pa.Array:
        zero = pa.scalar("00")
        if "I" in parts:
            given = pc.if_else(pc.equal(parts["I"], ""), None, parts["I"]).cast(pa.int64())
            right = pc.and_(pc.greater_equal(given, 1), pc.less_equal(given, 12))
            twelve = pc.if_else(pc.equal(given, 12), 0, given)
            late = pc.equal(pc.utf8_lower(parts["p"]), "p")
            hours = pc.if_else(right, pc.if_else(late, pc.add(twelve, 12), twelve), None).cast(pa.string())
        else:
            hours = parts["H"]
        minutes = parts.get("M", zero)
        seconds = parts.get("S", zero)
        made = pc.binary_join_element_wise(_two(hours), minutes, seconds, ":")
        return pc.binary_join_element_wise(made, parts["f"], ".") if "f" in parts else made


def _two(digits: pa.Array) -> pa.Array:
    return pc.utf8_lpad(digits, 2, "0")


class _Numbers:
    """Numbers."""

    def __init__(self, written: str) -> None:
        found = _NUMBER.fullmatch(written.strip())
        if found is None or bool(found["open"]) != bool(found["close"]) or found["group"] == found["point"] != "":
            raise ValueError('write the number 1234.5 as the source does: "1.234,5" or "$1,234.5"')
        group, self._point = found["group"], found["point"] or ""
        self._group = _BLANKS if group and re.fullmatch(_BLANKS, group) else re.escape(group)
        before, after = (_affix(found[part]) for part in ("before", "after"))
        whole = rf"(?:[0-9]{{1,3}}(?:{self._group}[0-9]{{3}})+|[0-9]+)" if group else "[0-9]+"
        if self._point:
            point = re.escape(self._point)
            whole = rf"(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)"
        signed = rf"-?{before}-?{whole}{after}-?"
        self._pattern = rf"^(?:{signed}|\({before}{whole}{after}\))$" if found["open"] else f"^{signed}$"
        self._affixes = [part for part in (before, after) if part]

    def __call__(self, texts: pa.Array) -> pa.Array:
        plain = pc.replace_substring(texts, "\u2212", "-")  # the minus of typesetters
        good = pc.match_substring_regex(plain, self._pattern)
        good = pc.and_(good, pc.less_equal(pc.count_substring(plain, "-"), 1))
        minus = pc.match_substring_regex(plain, r"[-(]")
        digits = plain
        for affix in self._affixes:
            digits = pc.replace_substring_regex(digits, affix, "")
        if self._group:
            digits = pc.replace_substring_regex(digits, self._group, "")
        digits = pc.replace_substring_regex(digits, r"[-()]", "")
        if self._point and self._point != ".":
            digits = pc.replace_substring(digits, self._point, ".")
        digits = pc.replace_substring_regex(digits, "^0+([0-9])", r"\1")  # a format says that it is a number
        made = pc.binary_join_element_wise(pc.if_else(minus, "-", ""), digits, "")
        return pc.if_else(good, made, UNREAD)


def _affix(text: str) -> str:
    """A currency's or percent sign, as a pattern; blanks around it may be there or not."""
    sign = re.escape(text.strip(" \u00a0"))
    return rf"{_BLANKS}*{sign}{_BLANKS}*" if sign else ""


class _Truths:
    """Truth values."""

    def __init__(self, written: str) -> None:
        words = [word.strip().lower() for word in written.split("/")]
        if len(words) != 2 or not all(words) or words[0] == words[1]:
            raise ValueError('write the words for true and false: "yes/no"')
        self._true, self._false = words

    def __call__(self, texts: pa.Array) -> pa.Array:
        given = pc.utf8_lower(texts)
        rest = pc.if_else(pc.equal(given, self._false), "false", UNREAD)
        return pc.if_else(pc.equal(given, self._true), "true", rest)
