"""What of a draft needs a person's eye, worst first. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.authoring.annotations import quoted
from sluice.contract.batches import Calendar, Hourly
from sluice.contract.contract import DATING, Files
from sluice.contract.formatting import counted
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.misleading import MADE_UP
from sluice.contract.scaffold.new_dataset import NO_OWNER, NewDataset, Sample
from sluice.contract.scaffold.spellings import undecided_words
from sluice.contract.scaffold.texts.contract_file import odd_words
from sluice.contract.values.spellings import FINEST

MOST = 10  # doubts that are shown
SHOWN = 60  # characters of a malformed row
_READING = {
    "skip": "{lines} before the header left out, as not part of the table (skip)",
    "encoding": "read as {value} (encoding)",
    "escape": "{value} is read as an escape (escape)",
    "quote": "fields are enclosed in {value!r} (quote)",
    "sheet": "the sheet {value!r} is read (sheet)",
    "records": "rows are those of the array {value}; what stands beside it is not loaded (records)",
    "member": "the files {value} of the archive are joined (member)",
    "trim": "blanks around fields are left out (trim)",
    "comment": "lines that begin with {value} are left out (comment)",
    "multiline": "fields hold line breaks (multiline)",
    "header": "the first line is a row, and {named} (header, names)",
}


def dated(files: Files, guesses: Sequence[Guess]) -> Files:
    """The files, dated by the column whose values all lie in the sample's period, where the user names none."""
    batches = files.batches
    if isinstance(batches, Calendar) and batches.by is None:
        first, after = batches.window(batches.start)
        able = DATING[1:2] if isinstance(batches, Hourly) else DATING[:2]
        inside = [one.name for one in guesses if one.type.name in able and _within(one, first, after)]
        if len(inside) == 1:
            return replace(files, batches=replace(batches, by=inside[0]))
    return files


def datable(guesses: Sequence[Guess]) -> bool:
    """Whether a column of dates or times can distinguish batches: without one, each file may be a full snapshot."""
    return any(one.type.name in DATING for one in guesses)


def _within(one: Guess, first: object, after: object) -> bool:
    held = one.values.drop_null()
    bounds = [pa.scalar(moment).cast(held.type) for moment in (first, after)]
    return bool(len(held)) and bool(
        pc.all(pc.and_(pc.greater_equal(held, bounds[0]), pc.less(held, bounds[1]))).as_py()
    )


def doubts_of(new: NewDataset, guesses: Sequence[Guess], rows: int, first: Sequence[str] = ()) -> list[str]:
    """One line each, ordered by what it costs if it is wrong: rows read wrong, rows rejected, all else.

    Args:
        first: what is known to be uncertain of where the rows come from.
    """
    found = [*first, *_of_reading(new.files), *_of_values(guesses, rows), *_of_rest(guesses), *_of_owner(new)]
    more = len(found) - MOST
    return found if more <= 0 else [*found[:MOST], f"and {more:,} more in the draft"]


def of_encoding(files: Files, others: Sequence[str], guesses: Sequence[Guess]) -> list[str]:
    """What is said where the bytes of a text do not decide its encoding."""
    if not others:
        return []
    wide = [one.name for one in guesses if one.type.name == "text" and not _is_ascii(one)]
    where = f" in {', '.join(wide[:3])}" if wide else ""
    return [
        f"encoding: {files.encoding} is the likeliest, but {' or '.join(others[:3])} may be right: look at the letters"
        f"{where}; the other is read with --encoding {others[0]}"
    ]


def of_malformed(files: Files, sample: Sample, guesses: Sequence[Guess]) -> list[str]:
    """What is said of rows that were left out of the sample, as a load rejects them: footers, headers in between."""
    count, first = len(sample.malformed), next(iter(sample.malformed), "")
    if not count:
        return []
    personal = any(one.pii for one in guesses) and re.search("[@]|[0-9]{5}", first)
    shown = "not shown, as it may be personal" if personal else repr(first[:SHOWN])
    begin = {one and one[0] for one in (re.match(r"[^\W\d_]{3,}:?|[#(*=%/-]+", row) for row in sample.malformed)}
    word = begin.pop() if len(begin) == 1 and not files.comment else None
    alone = word is not None and not _begin([sample.names[0], *sample.columns[0].to_pylist()], word)
    way = f"; to leave out lines that begin so: --replace --comment {quoted(word)}" if word and alone else ""
    return [
        f"row is well-formed: {counted(count, 'row')} of {sample.rows + count:,} rejected, as malformed (another "
        f"number of fields, a stray quote, not an object) or the header again; the first: {shown}{way}"
    ]


def _begin(cells: Sequence[object], word: str) -> bool:
    """Whether a cell begins with the word."""
    texts = (cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell) for cell in cells)
    return any(text.startswith(word) for text in texts)


def _is_ascii(one: Guess) -> bool:
    return bool(pc.all(pc.string_is_ascii(one.values.drop_null())).as_py())


def _of_reading(files: Files) -> Iterator[str]:
    if files.delimiter not in ",;\t|":
        yield f"fields are separated by {files.delimiter!r} (delimiter)"
    for name, words in _READING.items():
        value = getattr(files, name)
        if value != Files.__dataclass_fields__[name].default:
            named = "the columns are named here" if files.names else "columns have made-up names"
            yield words.format(value=value, named=named, lines=counted(value, "line") if name == "skip" else "")


def _of_values(guesses: Sequence[Guess], rows: int) -> Iterator[str]:
    for one in guesses:
        if one.totals:
            yield f"{one.name}: {', '.join(map(repr, one.totals))} in the last rows: totals, which are rejected (notin)"
        if one.odd[0]:
            yield f"{one.name}: {odd_words(one, rows)}; such rows are rejected, unless null_values names them"
        if one.damaged:
            yield f"{one.name}: {one.damaged:,} of {rows:,} are not valid UTF-8; such rows are rejected"
        if one.undecided:
            yield f"{one.name}: {', kept as text; '.join(undecided_words(one.undecided))}"
    for one in guesses:
        if one.words:
            yield f"{one.name}: {', '.join(map(quoted, one.words))} is read as null (null_values)"
        if one.format == FINEST:
            yield f"{one.name}: times finer than a microsecond are cut to it (format); Text would keep every digit"
        elif one.format:
            yield f"{one.name}: read as {one.type}, written as {quoted(one.format)} (format)"
    unnamed = [one.name for one in guesses if MADE_UP.fullmatch(one.source)]
    if unnamed:
        yield f"{', '.join(unnamed[:5])}: without a name in the header"
    twice = [one.source for one in guesses if _numbered(one, guesses)]
    if twice:
        yield f"{', '.join(twice[:5])}: named by the place, as the header has the name more than once"


def _numbered(one: Guess, guesses: Sequence[Guess]) -> bool:
    stem, _, number = one.source.rpartition("_")
    return number.isdigit() and stem in {other.source for other in guesses}


def _of_rest(guesses: Sequence[Guess]) -> Iterator[str]:
    unique = [one.name for one in guesses if one.unique]
    if unique:
        yield f"{', '.join(unique[:5])}: unique and not null; a row that breaks it is rejected"
    personal = [one.name for one in guesses if one.pii]
    if personal:
        yield f"{', '.join(personal[:5])}: taken for personal data, and masked (pii)"
    coded = [one.name for one in guesses if one.codes]
    if coded:
        yield f"{', '.join(coded[:5])}: lists of codes; other values make a warning (isin)"


def _of_owner(new: NewDataset) -> Iterator[str]:
    if new.owner == NO_OWNER:
        yield f"owner: {NO_OWNER} is alerted when the gate closes; set it with --owner"
