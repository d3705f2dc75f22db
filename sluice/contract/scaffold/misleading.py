"""Cells and rows of a sample that may mean something else, the first line among them: each with its option. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from shlex import quote

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.authoring.annotations import quoted
from sluice.contract.columns import Column
from sluice.contract.contract import Files
from sluice.contract.errors import DataError
from sluice.contract.formatting import counted
from sluice.contract.scaffold.formats import Signs
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import Sample
from sluice.contract.scaffold.readings import reading_of
from sluice.contract.scaffold.rejected import hollow_of
from sluice.contract.scaffold.texts.source_lines import written_tuple
from sluice.contract.values.casts import read

_OF_ROWS = re.compile(  # no column is named by one: a UUID, an e-mail, a web address
    r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[^@\s]+@[^@\s]+\.[a-z]+|https?://\S+"
)
_YEAR = re.compile(r"\s*(1[6-9]|20|21)[0-9]{2}\s*")
MADE_UP = re.compile("column_[0-9]+")
_USUAL = re.compile(
    r"(^|_)(id|no|nr|key|code|name|title|type|kind|status|date|day|year|city|town|country|region|address|street|email|"
    r"description|text|comment|note|value|category|group|label|column)(_|$)"
)
SEEN = 1000  # rows that are looked at
LEAST = 5  # rows below a header, fewer show nothing
MOST_ABOVE = 10  # rows that may be lines above the header
FAR = 5  # how many times as far from zero as all other values a code for "no value" is
_NUMBERS = ("integer", "float", "decimal")
_CODES = re.compile(r"-?(99|9{3,6})(\.(0+|9+|25))?")  # -999, -999.25, 9999.0
_GROUPED = re.compile(r" *-?[1-9][0-9]{0,2}(\.[0-9]{3})+ *")
_TOTAL = re.compile(r"(?i)[ ]*(((grand|sub)[ -]?)?totals?|(zwischen)?summe|(ins)?gesamt|overall)[ ]*:?[ ]*")


def refuse_row_as_header(address: str, sample: Sample, guesses: Sequence[Guess]) -> None:
    """Refuse a file whose first line looks like a row.

    Raises:
        DataError: says how to state that it is one, or that it is not.
    """
    values = [one.source for one in guesses if _is_value(one)] or _in_letters_of_rows(guesses)
    if not values or _are_years(values, [one.source for one in guesses]):
        return
    if sample.misfit or sample.doubt:
        raise DataError(f"{address}: {sample.misfit or sample.doubt}")
    shown = "" if any(one.pii for one in guesses) else f" ({', '.join(map(repr, values[:3]))})"
    width = len(sample.names)
    example = ",".join(["id", "name", "amount", "...", "..."][: min(width, 5)])
    raise DataError(
        f"{address}: its first line{shown} looks like a row, not like the names of {width} columns; nothing was "
        f"written. If the file has no header, name its columns: --no-header --names {example} (without --names: "
        "column_1, column_2, ...; in a contract: Files(header=False, names=(...))). If these are names: --header. If "
        "the names stand further down: --skip N, where N is the number of lines above them"
    )


def _are_years(values: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the names that are values are years, and three or more years count up or down in the header."""
    years = [int(name) for name in names if _YEAR.fullmatch(name)]
    steps = {after - before for before, after in pairwise(years)}
    return len(years) > 2 and steps in ({1}, {-1}) and all(map(_YEAR.fullmatch, values))


def _is_value(one: Guess) -> bool:
    """Whether the name of a column is a value of it: `1001` over integers, `Berlin` over a column of towns."""
    if MADE_UP.fullmatch(one.source):
        return False
    if one.type.name == "text":
        held = one.values.drop_null()
        return bool(_OF_ROWS.fullmatch(one.source)) or (len(held) > 1 and _is_like(one.source, held[:1000]))
    column = Column(one.name, one.type, "", (), True, True, format=one.format)
    value, bad = read(pa.array([one.source.encode()], pa.binary()), column)
    if bad is not None or value[0].as_py() is None:
        return False
    if _YEAR.fullmatch(one.source):  # a year may name a column; is it among its values?
        least, most = (bound.as_py() for bound in pc.min_max(one.values).values())
        return least is not None and bool(least - 50 <= value[0].as_py() <= most + 50)
    return True


def _is_like(name: str, texts: pa.Array) -> bool:
    """Whether a name is one of the texts, or has digits and letters where all of them do: `A1` over A2 and B7."""
    if bool(pc.any(pc.equal(texts, name)).as_py()):
        return True
    shapes = pc.replace_substring_regex(pc.replace_substring_regex(texts, "[0-9]", "0"), r"\p{L}", "a")
    digits = re.search("[0-9]", name)
    return bool(digits) and pc.unique(shapes).to_pylist() == [re.sub(r"[^\W\d_]", "a", re.sub("[0-9]", "0", name))]


def _in_letters_of_rows(guesses: Sequence[Guess]) -> list[str]:
    """The names, where each is in the letters of its column, and these differ: `AVENUE;avenue` over `PLACE;place`."""
    if any(one.type.name != "text" for one in guesses):
        return []
    cells = {one.source: one.values.drop_null()[:SEEN] for one in guesses}
    found = {name: letters for name, held in cells.items() if len(held) >= LEAST and (letters := _letters(held))}
    both = set(found.values()) == {"upper", "lower"}
    return list(found) if both and all(_letters(pa.array([name])) == one for name, one in found.items()) else []


def _letters(texts: pa.Array) -> str:
    """Whether all letters are capitals, or none is; nothing where some texts have both, or no letters."""
    able = {"upper": pc.utf8_is_upper, "lower": pc.utf8_is_lower}
    return next((name for name, is_so in able.items() if pc.all(is_so(texts)).as_py()), "")


def of_header(guesses: Sequence[Guess]) -> list[str]:
    """What is said where nothing shows that the first line holds names: all columns are text, and no name is usual."""
    named = [one for one in guesses if not MADE_UP.fullmatch(one.source)]
    if any(one.type.name != "text" for one in guesses) or any(_USUAL.search(one.name) for one in named) or not guesses:
        return []
    return [
        "header: the first line is taken for names, as nothing shows that it is a row; if it is one: --no-header "
        f"--names {','.join(['a', 'b', '...'][: len(guesses)])}"
    ]


def misleading(files: Files, sample: Sample, guesses: Sequence[Guess]) -> list[str]:
    """One line for each kind, what costs most first."""
    return [
        *_lines_in_quotes(sample),
        *_second_header(files, sample, guesses),
        *_hollow(sample, guesses),
        *_totals(guesses),
        *_thousands(sample, guesses),
        *_codes(guesses),
    ]


def _hollow(sample: Sample, guesses: Sequence[Guess]) -> Iterator[str]:
    """Rows that the draft rejects, as they hold nothing, or only a note."""
    if hollow := hollow_of(sample):
        shown = f"; the last: {hollow.note[:60]!r}" if hollow.note and not any(one.pii for one in guesses) else ""
        yield (
            f"a row holds something: {counted(hollow.count, 'row')} of {sample.rows:,} without a cell, or with a note "
            f"alone{shown}; such rows are rejected"
        )


def _lines_in_quotes(sample: Sample) -> Iterator[str]:
    """Whole lines in quotes, so that each is one cell with the delimiters in it."""
    if len(sample.names) > 1 or not pa.types.is_binary(sample.columns[0].type):
        return
    cells = [sample.names[0].encode(), *sample.columns[0][:SEEN].drop_null().to_pylist()]
    for sign in (b",", b";", b"\t", b"|"):
        if len(cells) > 2 and len({cell.count(sign) for cell in cells}) == 1 and sign in cells[0]:
            yield (
                f"quote: each line is one cell in quotes, with {sign.decode()!r} in it as often; to read it as "
                """columns, take off the quotes: sed 's/^"//; s/"\\r*$//; s/""/"/g' FILE > ROWS.csv"""
            )
            return


def _second_header(files: Files, sample: Sample, guesses: Sequence[Guess]) -> Iterator[str]:
    """First rows that alone make columns text: units, the second line of a header, or lines above the header."""
    if sample.typed or not files.header:
        return
    most = min(MOST_ABOVE, sample.rows - LEAST)  # a column that is text below these is text anyway
    able = [
        (one, cells) for one, cells in zip(guesses, sample.columns, strict=True) if _is_typed(most, one, cells, sample)
    ]
    found: list[Guess] = []
    count = 0
    while able and not found and count < most:
        count += 1
        found = [one for one, cells in able if cells[count - 1].as_py() and _is_typed(count, one, cells, sample)]
    words = ", ".join(one.name for one in found[:5])
    sign = "" if files.delimiter == "," else f" --delimiter {quote(files.delimiter)}"
    if found and count == 1:
        names = ",".join(one.name for one in guesses[:5]) + (",..." if len(guesses) > 5 else "")
        yield (
            f"{words}: text because of the first row alone; if it is a second header line, or units: --replace "
            f"--no-header --skip {files.skip + 2} --names {names}{sign}"
        )
    elif found:
        yield (
            f"{words}: text because of the first {count} rows alone; if the names are in the last of these, and what "
            f"is above is not part of the table: --replace --skip {files.skip + count}{sign}"
        )


def _is_typed(count: int, one: Guess, cells: pa.Array, sample: Sample) -> bool:
    """Whether a column of text has a type without its first so many rows."""
    if count < 1 or one.type.name != "text" or one.undecided or not pa.types.is_binary(cells.type):
        return False
    some = (
        reading_of(one.name, part, False, Signs(sample.delimiter == ",")) for part in (cells[count:SEEN], cells[:SEEN])
    )
    return not pa.types.is_string(next(some).arrow) and bool(pa.types.is_string(next(some).arrow))


def _totals(guesses: Sequence[Guess]) -> Iterator[str]:
    for one in guesses:
        if one.type.name != "text":
            continue
        found = pc.unique(one.values.drop_null()).to_pylist()
        words = [word for word in found if _TOTAL.fullmatch(word) and word not in one.totals]  # is nobody's name
        count = pc.sum(pc.is_in(one.values, pa.array(words, one.values.type))).as_py() if words else 0
        if count and count * 2 < len(one.values):
            yield (
                f"{one.name}: {quoted(words[0])} in {counted(count, 'row')} looks like a total, and is loaded as a "
                f"record; to reject such rows: notin=[{', '.join(map(quoted, [*one.totals, *words[:3]]))}]"
            )


def _thousands(sample: Sample, guesses: Sequence[Guess]) -> Iterator[str]:
    """Numbers whose every point stands before three digits, in a file that has no comma between its fields."""
    if sample.typed or sample.delimiter == ",":
        return
    for one, cells in zip(guesses, sample.columns, strict=True):
        if one.type.name.split("(")[0] not in _NUMBERS or one.format or not pa.types.is_binary(cells.type):
            continue
        written = [cell.decode() for cell in pc.unique(cells[:SEEN].drop_null()).to_pylist() if b"." in cell]
        if written and all(map(_GROUPED.fullmatch, written)):
            yield (
                f"{one.name}: {written[0]} is read with a decimal point, as {one.type}; if the point stands between "
                'thousands: format="1.234"'
            )


def _codes(guesses: Sequence[Guess]) -> Iterator[str]:
    """Numbers far from all others that are written as codes for no value are."""
    for one in guesses:
        if one.type.name.split("(")[0] not in _NUMBERS or one.unique or one.format:
            continue
        held = one.values.drop_null()
        for value in pc.min_max(held).values() if len(held) else ():
            rest = held.filter(pc.not_equal(held, value))
            text = str(value.as_py())
            count = len(held) - len(rest)
            if not _CODES.fullmatch(text) or count < 2 or not len(rest):
                continue
            most = max(abs(bound.as_py()) for bound in pc.min_max(rest).values())
            if most * FAR <= abs(value.as_py()):
                short = text.removesuffix(".0")
                spelt = (short, f"{short}.0") if one.type.name != "integer" and "." not in short else (short,)
                yield (
                    f"{one.name}: {short} stands {count:,} times, far from all other values; if it means that there is "
                    f"none: null_values={written_tuple(spelt)}"
                )
                break
