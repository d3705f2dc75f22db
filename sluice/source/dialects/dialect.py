"""How a CSV file is written, from its first bytes: encoding, delimiter, quotes, lines before the header. Pure.

A proposal for `sluice new`; a contract states it, and a load never guesses.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sluice.contract.contract import Files
from sluice.source.dialects.encoding import encoding_of
from sluice.source.readers.encodings import marked

DELIMITERS = ",;\t|"
MOST_LINES = 2000  # lines that are looked at
MOST_SKIPPED = 50  # lines before a header
_SEP = re.compile(r'"?sep=([^\r\n"])"?[ \t]*$', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shape:
    """The records of a text as one reading of it gives them.

    Attributes:
        share: of the records that have the most common number of fields.
        skip: lines before the first record with that number.
    """

    delimiter: str
    quote: str
    escape: str
    width: int
    share: float
    header: int
    skip: int

    @property
    def rank(self) -> tuple[bool, float, bool, bool, int]:
        """Higher is likelier: a table at all, one number of fields, a header that has it too, at once, many fields."""
        return (self.width > 1, round(self.share, 2), self.header == self.width, self.skip == 0, self.width)


def proposed(head: bytes, files: Files, given: frozenset[str]) -> Files:
    """`files` with what the head of the file shows.

    Args:
        head: the first bytes, in whole lines if there are more.
        given: the options that the user set, which stay.
    """
    encoding = files.encoding if "encoding" in given else encoding_of(head).name
    text = head.decode(marked(head) or encoding, errors="replace").removeprefix("\ufeff")
    lines = text.splitlines(keepends=True)[:MOST_LINES]
    found: dict[str, object] = {"encoding": encoding}
    skipped = 0
    if "skip" in given:
        lines = lines[files.skip :]
    first = next((n for n, line in enumerate(lines) if line.strip()), 0)
    if lines and (said := _SEP.fullmatch(lines[first].rstrip("\r\n"))):
        found["delimiter"] = said[1]
        lines, skipped = lines[first + 1 :], first + 1
    comment = files.comment if "comment" in given else _comment(lines)
    if comment:
        lines = [line for line in lines if not line.startswith(comment)]
        found["comment"] = comment
    shape = _best(lines, files, given, found.get("delimiter"))
    found |= {"delimiter": shape.delimiter, "quote": shape.quote, "escape": shape.escape}
    if not skipped and shape.skip:
        found["skip"] = shape.skip
    return replace(files, **{name: value for name, value in found.items() if name not in given})  # type: ignore[arg-type]


def _comment(lines: Sequence[str]) -> str:
    """`#` where the first lines begin with it and no header does: a header has as many fields as the next line."""
    head = [line for line in lines if line.strip()][:MOST_SKIPPED]
    marked_lines = [line for line in head if line.startswith("#")]
    plain = next((line for line in head if not line.startswith("#")), "")
    if not marked_lines or not head[0].startswith("#"):
        return ""
    last = marked_lines[-1]
    delimiter = max(DELIMITERS, key=plain.count)
    if plain.count(delimiter) and last.count(delimiter) == plain.count(delimiter) and len(marked_lines) == 1:
        return ""  # `#id,name` is the header
    return "#"


def comment_of_json(head: bytes) -> str:
    """How lines above the first record begin that are not JSON."""
    found = re.match(rb"(?:\xef\xbb\xbf)?\s*(#|//)", head)
    return found[1].decode() if found else ""


def _best(lines: Sequence[str], files: Files, given: frozenset[str], said: object) -> Shape:
    delimiters = files.delimiter if "delimiter" in given else str(said or DELIMITERS)
    quotes = [files.quote] if "quote" in given else ['"', *(["'"] if _single_quoted(lines) else [])]
    text = "".join(lines)
    escapes = [files.escape] if "escape" in given else ["", *(["\\"] if '\\"' in text or "\\'" in text else [])]
    shapes = [
        _shape(lines, delimiter, quote, escape) for delimiter in delimiters for quote in quotes for escape in escapes
    ]
    best = max(shapes, key=lambda shape: shape.rank)  # the first of equals: the plainest
    if "quote" not in given and best.share < 1 and '"' in text and "\t" in delimiters:
        bare = _shape(lines, "\t", "", "")  # inches in a file that knows no quotes
        best = max(best, bare, key=lambda shape: shape.rank)
    return best


def _single_quoted(lines: Sequence[str]) -> bool:
    fields = re.compile(r"(?:^|[,;\t|])'[^']*'(?=[,;\t|]|$)")
    seen = [line.rstrip("\r\n") for line in lines[:100] if line.strip()]
    return bool(seen) and sum(bool(fields.search(line)) for line in seen) * 2 > len(seen)


def _shape(lines: Sequence[str], delimiter: str, quote: str, escape: str) -> Shape:
    records, ends = _read(lines, delimiter, quote, escape)
    widths = Counter(map(len, records))
    if not widths:
        return Shape(delimiter, quote, escape, 0, 0.0, 0, 0)
    width, rows = max(widths.items(), key=lambda item: (item[1], item[0]))
    skip = _skip(records, ends, width)
    after = [record for record, end in zip(records, ends, strict=True) if end > skip]
    header = len(after[0]) if after else 0
    return Shape(delimiter, quote, escape, width, rows / len(after or records), header, skip)


def _skip(records: Sequence[Sequence[str]], ends: Sequence[int], width: int) -> int:
    """Lines before the header: records that are narrower than the rows by more than an unnamed field."""
    first = next((n for n, record in enumerate(records) if len(record) == width), 0)
    if not 0 < first <= MOST_SKIPPED or width == 1:
        return 0
    if len(records[first - 1]) == width - 1 and width > 2 and all(records[first - 1]):
        first -= 1  # a header, and rows with one field more than it names
    return ends[first - 1] if first else 0


def _read(lines: Sequence[str], delimiter: str, quote: str, escape: str) -> tuple[list[list[str]], list[int]]:
    """The filled records, and the number of lines up to the end of each."""
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=escape or None,
        strict=bool(quote),
    )
    records, ends = [], []
    try:
        for record in reader:
            if record:
                records.append(record)
                ends.append(reader.line_num)
    except csv.Error:
        # Text after a closing quote, or a quote that stays open: read on without strictness, and rank it lower.
        return _loosely(lines, delimiter, quote, escape)
    return records, ends


def _loosely(lines: Sequence[str], delimiter: str, quote: str, escape: str) -> tuple[list[list[str]], list[int]]:
    records, ends = [], []
    for number, line in enumerate(lines, start=1):
        try:
            record = next(
                csv.reader(
                    [line],
                    delimiter=delimiter,
                    quotechar=quote or None,
                    quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
                    escapechar=escape or None,
                    strict=bool(quote),
                ),
                [],
            )
        except csv.Error:
            record = [line] * 1
        if record:
            records.append(record)
            ends.append(number)
    return records, ends
