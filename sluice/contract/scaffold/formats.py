"""In which format a column of text is written, as far as its values decide it. Pure.

What they do not decide (`03/04/2024` may be of March or April) has no format and stays text.
"""

# ruff: noqa: RUF001 - letters of other alphabets are meant
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from unicodedata import category

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.columns import ColumnType, column_type
from sluice.contract.values.casts import cast
from sluice.contract.values.spellings import spelling

# A point that does not stand before three digits of a larger number: what follows it are decimals
_BEFORE_DECIMALS = r"^[ ]*-?([0-9]*\.([0-9]{1,2}|[0-9]{4,})|0\.[0-9]+|[0-9]{4,}\.[0-9]+)[ ]*$"
FIRST = 50  # cells that rule out most formats
_DATES = (
    *(f"%d{sign}%m{sign}%{year}" for sign, year in product("./-", "Yy")),
    *(f"%m{sign}%d{sign}%{year}" for sign, year in product("/-", "Yy")),
    *(f"%Y{sign}%m{sign}%d" for sign in "/.-"),
    *(f"%d{sign}%b{sign}%{year}" for sign, year in product("- ", "Yy")),
    "%b %d, %Y",
    "%d. %b %Y",
)
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_MOMENTS = tuple(f"{date}{between}{time}" for date, between, time in product(_DATES, (" ", "T"), _TIMES))
# No format is needed for these, unless a month or a day has one digit.
_ISO = re.compile(r"%Y-%m-%d([ T]%H:%M:%S(\.%f)?)?")
_ONE_DIGIT = r"^[0-9]{4}-([0-9]-[0-9]{1,2}|[0-9]{1,2}-[0-9])([ T]|$)"
_TRUTHS = (("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("j", "n"), ("ja", "nein"), ("oui", "non"),
           ("si", "no"), ("sí", "no"), ("s", "n"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Format:
    """A format, the type it gives, and the cells in the spelling of that type."""

    written: str
    type: ColumnType
    cells: pa.Array


@dataclass(frozen=True, slots=True)
class Signs:
    """What a file says of the signs in its numbers.

    Attributes:
        commas: whether commas separate its fields, so that one in a number is hardly its decimal sign.
        decimal: the decimal sign of its other columns, if they show one.
    """

    commas: bool = True
    decimal: str = ""


ORDINARY = Signs()


def formats_of(cells: pa.Array, signs: Signs) -> Iterator[Format]:
    """The formats that at least one of the first cells has, likeliest first; several where the cells do not decide.

    Args:
        cells: text, without null.
    """
    texts = pc.utf8_trim(cells, " \t\u00a0")
    yield from _truths(texts)
    yield from _moments("date", pa.date32(), _DATES, texts)
    yield from _moments("timestamp", pa.timestamp("us"), _MOMENTS, texts)
    yield from _numbers(texts, signs)


def _truths(texts: pa.Array) -> Iterator[Format]:
    words = set(pc.unique(pc.utf8_lower(texts[:1000])).to_pylist())
    if words != set(pc.unique(pc.utf8_lower(texts)).to_pylist()):
        return
    for true, false in _TRUTHS:
        if words == {true, false}:
            written = f"{true}/{false}"
            yield Format(written, column_type(pa.bool_()), spelling("boolean", written)(texts))


def _moments(kind: str, arrow: pa.DataType, known: tuple[str, ...], texts: pa.Array) -> Iterator[Format]:
    first = texts[:FIRST]
    if not pc.any(pc.match_substring_regex(first, r"[0-9][-/.: ].*[0-9]")).as_py():
        return
    short = pc.any(pc.match_substring_regex(texts, _ONE_DIGIT)).as_py()
    for written in known:
        if _ISO.fullmatch(written) and not short:
            continue
        read = spelling(kind, written)
        _, bad = cast(read(first), column_type(arrow))
        if bad is None or pc.sum(bad).as_py() * 5 < len(first):
            yield Format(written, column_type(arrow), read(texts))


def two_ways(cells: pa.Array) -> tuple[str, ...]:
    """Both formats of numbers whose one comma may stand between thousands or before decimals, as in `1,234`."""
    texts = pc.utf8_trim(cells, " \t\u00a0")
    plain = pc.match_substring_regex(texts, r"^-?([0-9]+|[1-9][0-9]{0,2},[0-9]{3})$")
    comma = pc.match_substring(texts, ",")
    return ("1,234", "1234,5") if pc.all(plain).as_py() and pc.any(comma).as_py() else ()


def decimal_sign(name: str, written: str | None, cells: pa.Array) -> str:
    """The decimal sign that a column of numbers shows: by its format, or by points that stand before no thousands.

    Args:
        name: of its type.
        cells: as the source spells them; typed where they were not text.
    """
    if name.split("(")[0] not in ("integer", "float", "decimal"):
        return ""
    if written is not None:
        signs = re.sub(r"[^.,]", "", written)
        ends = bool(re.search(r"[.,]5", written))
        return signs[-1:] if ends else {",": ".", ".": ","}.get(signs[-1:], "")
    shown = pa.types.is_binary(cells.type) and pc.any(pc.match_substring_regex(cells[:1000], _BEFORE_DECIMALS)).as_py()
    return "." if shown else ""


def _numbers(texts: pa.Array, file: Signs) -> Iterator[Format]:
    """The one format of numbers that the signs of the cells show."""
    first = texts[:1000].to_pylist()
    affixes = [found for text in first if (found := _affixes(text))]
    if len(affixes) * 5 < len(first) * 4:
        return
    before, after = max(set(affixes), key=affixes.count)
    bodies = [re.sub(r"[^0-9.,' \u00a0\u2009\u202f]", "", text).strip() for text in first if _affixes(text)]
    signs = _group_and_point(bodies, file)
    if signs is None:
        return
    group, point = signs
    if (group, point, before, after) == ("", ".", "", "") and not any(
        "(" in text or "\u2212" in text or text.endswith("-") for text in first
    ):
        return
    written = f"{before}1{group}234{point}{'5' if point else ''}{after}"
    if any(text.startswith("(") for text in first):
        written = f"({written})"
    for arrow in (pa.int64(), pa.float64()):
        yield Format(written, column_type(arrow), spelling("float", written)(texts))


_NUMBER = re.compile(
    r"[(+\-\u2212]?\s*([^0-9.,()+\-\s]{0,4})\s*[-\u2212]?"  # a sign, a currency
    r"([0-9.,][0-9.,' \u00a0\u2009\u202f]*?)\s*([^0-9.,()+\-\s]{0,4})[)\-]?"
)
# Currencies in letters; `kg` is not a sign of a number, nor is the X of a code X12.
_LETTERS = re.compile(
    r"EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|INR|BRL|MXN|ZAR|AUD|CAD|NZD|SGD|HKD|KRW|ILS|"
    r"AED|SAR|THB|IDR|MYR|PHP|VND|EGP|NGN|KES|ARS|CLP|COP|PEN|ISK|RSD|kr|Kč|zł|R\$|US\$|R|Rs|руб|грн|лв"
)
_APART = re.compile(r"[0-9][.,][0-9]|[^\W\d_]\$?[ \u00a0\u202f]+[-0-9]|[0-9][ \u00a0\u202f]+[^\W\d_]")


def _affixes(text: str) -> tuple[str, str] | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    signs = found[1] + found[3]
    if any(not letter.isalpha() and category(letter) != "Sc" and letter not in "%‰°" for letter in signs):
        return None  # `<5`, `5*` and `="007"` say more than their number
    if re.search(r"[^\W\d_]", signs) and not (_LETTERS.fullmatch(signs) and _APART.search(text)):
        return None
    return found[1], found[3]


def _group_and_point(bodies: list[str], file: Signs) -> tuple[str, str] | None:
    """The sign between thousands and the decimal sign; None if the numbers do not decide them, or are not numbers."""
    blank = any(re.search(r"[0-9][ \u00a0\u2009\u202f][0-9]{3}", body) for body in bodies)
    quote = any("'" in body for body in bodies)
    comma, point = any("," in body for body in bodies), any("." in body for body in bodies)
    group = " " if blank else "'" if quote else ""
    if comma and point:
        if group:
            return None
        last = [max(body.rfind(","), body.rfind(".")) for body in bodies if "," in body and "." in body]
        both = [body for body in bodies if "," in body and "." in body]
        if not both:  # some have a comma, others a point
            commas_group = all(re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+", body) for body in bodies if "," in body)
            points_group = all(re.fullmatch(r"[0-9]{1,3}(\.[0-9]{3})+", body) for body in bodies if "." in body)
            return (
                (",", ".")
                if commas_group and not points_group
                else (".", ",")
                if points_group and not commas_group
                else None
            )
        decimal = {body[place] for body, place in zip(both, last, strict=True)}
        return None if len(decimal) > 1 else (",", ".") if decimal == {"."} else (".", ",")
    if comma or point:
        sign = "," if comma else "."
        grouped = all(
            re.fullmatch(rf"[1-9][0-9]{{0,2}}({re.escape(sign)}[0-9]{{3}})+", body) for body in bodies if sign in body
        )
        several = any(body.count(sign) > 1 for body in bodies)
        if grouped and not group and not several and sign == file.decimal:
            return "", sign
        if sign == "." and not several:
            return (sign, "") if grouped and not group and file.decimal == "," else (group, ".")
        if grouped and not group:
            plain = [body for body in bodies if sign not in body]
            small = all(len(body) <= 3 for body in plain)
            sure = several or (plain and small) or (file.commas and sign == "," and small)
            return (sign, "") if sure else None
        return None if several else (group, sign)
    return group, ""
