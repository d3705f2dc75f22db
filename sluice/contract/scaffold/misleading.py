"""Cells and rows of a sample that are read, and may mean something else: each with the option that says so. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from shlex import quote

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.authoring.annotations import quoted
from sluice.contract.contract import Files
from sluice.contract.formatting import counted
from sluice.contract.scaffold.formats import Signs
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import Sample
from sluice.contract.scaffold.readings import reading_of
from sluice.contract.scaffold.rejected import hollow_of
from sluice.contract.scaffold.texts.source_lines import written_tuple

SEEN = 1000  # rows that are looked at
LEAST = 5  # rows below a second header, fewer show nothing
MOST_ABOVE = 10  # rows that may be lines above the header
FAR = 5  # how many times as far from zero as all other values a code for "no value" is
_NUMBERS = ("integer", "float", "decimal")
_CODES = re.compile(r"-?(99|9{3,6})(\.(0+|9+|25))?")  # -999, -999.25, 9999.0
_GROUPED = re.compile(r" *-?[1-9][0-9]{0,2}(\.[0-9]{3})+ *")
_TOTAL = re.compile(r"(?i)[ ]*(((grand|sub)[ -]?)?totals?|(zwischen)?summe|(ins)?gesamt|overall)[ ]*:?[ ]*")


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
