"""What divides the lines of a text that no usual delimiter divides: rarer signs, blanks that align columns. Pure."""

# ruff: noqa: RUF001 - signs of other alphabets are meant
from __future__ import annotations

import re
from collections.abc import Sequence
from shlex import quote

from sluice.contract.errors import DataError

MOST_LINES = 200
LEAST = 10  # lines without a header that show what divides them
# All lines show the columns' widths; as a header, pandas would change the first.
_BY_WIDTH = (
    "import pandas; pandas.read_fwf('FILE', header=None, infer_nrows=10**9, dtype=str, keep_default_na=False)"
    ".to_csv('ROWS.csv', index=False, header=False)"
)
_BY_WORD = (
    "import csv; csv.writer(open('ROWS.csv', 'w')).writerows(line.split() for line in open('FILE') if line.strip()"
)
_SEVERAL = re.compile(r"[:;|,~^#@!&%$§¦\t]{2,4}")  # signs that stand for one delimiter together
_ALONE = "§¦¬│｜，；þ"  # outside of ASCII
_SEEMING = ":#!$&@*=\\/ "
_WEAK = "/ "  # they stand in paths, dates, names and sentences, too
_COLONS = re.compile(
    r"(?<!\d)\d{1,2}:[0-5]\d(?!\d)|://|^[0-9A-Fa-f:.]+$"
)  # times, addresses, hardware addresses, ratios
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:[.,][0-9]+)?(?:[eE][-+]?[0-9]+)?")
_QUOTED = re.compile(r'"[^"]*"')
_BLANKS = re.compile(" +")


def rare_delimiter(lines: Sequence[str]) -> str:
    """Several signs, a colon, or a sign outside of ASCII that divide every line into as many fields; "" if none do."""
    some = _some(lines)
    if len(some) < 2:
        return ""
    for signs in dict.fromkeys(_SEVERAL.findall(some[0])):
        alone = any(set(line.replace(signs, "")) & set(signs) for line in some)
        if (
            (count := _count(some, signs))
            and not alone
            and not some[0].endswith(signs)
            and (count > 1 or _usual(signs))
        ):
            return signs
    if (sign := next((sign for sign in _ALONE if _count(some, sign) > 1), "")) or _count(some, ":") < 2:
        return sign
    return "" if _has_colons(some) else ":"


def seeming_delimiter(lines: Sequence[str]) -> str:
    """A sign that divides every line of one column into as many fields, and may be meant to; "" if none does."""
    some = _some(lines)
    for sign in _SEEMING if len(some) > 2 else "":
        if not _count(some, sign) or (sign == ":" and _has_colons(some)):
            continue
        records = [line.split(sign) for line in some]
        if sign not in _WEAK or _typed(records) or (sign == " " and _coded(records)):
            return sign
    return ""


def doubt_of(lines: Sequence[str]) -> str:
    """What is said of a text of one column whose lines a sign seems to divide; "" if none does."""
    sign = seeming_delimiter(lines)
    return sign and (
        f"delimiter: each line is read as one column, though {sign!r} divides every line into as many fields; if these "
        f"are columns, draft again with --replace --delimiter {quote(sign)}"
    )


def refuse_aligned(lines: Sequence[str], address: str, comment: str = "") -> None:
    """Refuse a text of one column whose lines are columns of fixed width: no option divides them.

    Raises:
        DataError: says how to convert it, and how to read it as one column.
    """
    if is_aligned(lines):
        one = len({len(line.split()) for line in lines if line.strip()}) == 1  # a word is a cell
        marked = f" and not line.startswith({comment!r})" if comment else ""
        command = f"{_BY_WORD}{marked})" if one else _BY_WIDTH
        raise DataError(
            f"{address}: its lines are aligned in columns of fixed width, which no option divides; nothing was "
            f'written. Make CSV of it: python -c "{command}", or give the rows by a '
            "function (sluice new ... --function) that reads the file so. If a line is one text: --delimiter ,"
        )


def is_aligned(lines: Sequence[str]) -> bool:
    """Whether blanks align the lines into columns of fixed width."""
    some = [line.expandtabs() for line in _some(lines)]
    if len(some) < 3:
        return False
    least = len(some) - (1 if len(some) > 4 else 0) if len(some) < 20 else len(some) * 0.9  # one may be a title
    width = max(map(len, some))
    padded = [line.ljust(width) for line in some]
    gutters = [place for place, column in enumerate(zip(*padded, strict=True)) if column.count(" ") >= least]
    return any(_divides(place, some) for place in gutters)


def _divides(place: int, lines: Sequence[str]) -> bool:
    """Whether text stands on both sides of a gutter in most lines, and blanks of several lengths at it."""
    both = [line for line in lines if line[:place].strip() and line[place:].strip()]
    found = [next((run for run in _BLANKS.finditer(line) if run.start() <= place < run.end()), None) for line in both]
    sizes = [len(run[0]) for run in found if run]
    wide = sum(size > 1 for size in sizes)
    return len(both) > len(lines) * 0.8 and wide * 2 >= len(lines) and len(set(sizes)) > 1


def _some(lines: Sequence[str]) -> list[str]:
    """The first filled lines, with what stands in quotes hidden, as signs in it divide nothing."""
    some = [line.rstrip("\r\n") for line in lines if line.strip()][:MOST_LINES]
    return [_QUOTED.sub(lambda found: '"' * len(found[0]), line) for line in some]


def _count(lines: Sequence[str], signs: str) -> int:
    """How often the signs are in each line; 0 if not in all as often."""
    counts = {line.count(signs) for line in lines}
    return counts.pop() if len(counts) == 1 else 0


def _usual(signs: str) -> bool:
    """Whether one of the signs usually separates fields, so that it would divide the lines alone, too."""
    return bool(set(signs) & set(",;\t|"))


def _has_colons(lines: Sequence[str]) -> bool:
    """Whether the values themselves have colons, as times and addresses do."""
    return sum(bool(_COLONS.search(line)) for line in lines[1:]) * 2 > len(lines) - 1


def _coded(records: Sequence[Sequence[str]]) -> bool:
    """Whether two or more fields of many records hold digits alone, and others words: no sentences, no telephones."""
    columns = list(zip(*records, strict=True))
    digits = sum(all(map(str.isdecimal, cells)) for cells in columns)
    return len(records) >= LEAST and 1 < digits < len(columns)


def _typed(records: Sequence[Sequence[str]]) -> bool:
    """Whether three or more fields hold a column of numbers under a name; or only numbers, some with a fraction."""
    header, *rows = records
    if len(header) < 3:
        return False
    numbers = [all(_NUMBER.fullmatch(row[place]) for row in rows) for place in range(len(header))]
    if not any(_NUMBER.fullmatch(name) for name in header):
        return any(numbers) and all(header)
    return all(numbers) and any(re.search(r"[.,]", "".join(row)) for row in rows)
