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
from sluice.source.dialects.comments import DELIMITERS, comment_of, is_comment, rule_of
from sluice.source.dialects.encoding import encoding_of
from sluice.source.dialects.titles import names_in_comment, narrow_titles, padded_titles
from sluice.source.dialects.undivided import rare_delimiter
from sluice.source.readers.csv_header import closed
from sluice.source.readers.csv_quotes import Quotes
from sluice.source.readers.csv_records import UNIT
from sluice.source.readers.encodings import marked

RARE = "^~\x01\x1f"  # tried where they are in the first line
MOST_LINES = 2000  # lines that are looked at
_ENCLOSED = [re.compile(rf"(?:^|[,;\t|]) *{sign}(?:[^{sign}]|{sign}{sign})*{sign} *(?=[,;\t|]|$)") for sign in "'\""]
_HIDING = re.compile(r"[,;|] +(?:\"[^\"]*\"|'[^']*') *(?=[,;|\r\n])|(?:\"[^\"]*\"|'[^']*') +[,;|]")
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
    comment = files.comment if "comment" in given else comment_of(lines)
    with_comments = lines
    if comment:
        lines = [line for line in lines if not line.startswith(comment)]
        found["comment"] = comment
    elif "comment" not in given and "delimiter" not in given and (rule := rule_of(lines)):
        lines = [line for line in lines if not line.startswith(rule)]
        found |= {"comment": rule, "delimiter": "|", "trim": True}
    shape = _best(lines, files, given, found.get("delimiter"))
    if "trim" not in given and (padded := _padded(lines, shape, files, given, found.get("delimiter"))):
        shape, found["trim"] = padded, True
    found |= {"delimiter": shape.delimiter, "quote": shape.quote, "escape": shape.escape}
    if comment and len(shape.delimiter) == 1 and not {"header", "names"} & given:
        sign = " " if shape.width == 1 and "delimiter" not in given else shape.delimiter
        if names := names_in_comment(with_comments, comment, sign):
            found |= {"delimiter": sign, "header": False, "names": names}
    if not skipped and shape.skip:
        found["skip"] = shape.skip
    return replace(files, **{name: value for name, value in found.items() if name not in given})  # type: ignore[arg-type]


def lines_of(head: bytes, files: Files) -> list[str]:
    """The lines of the head that are not comments."""
    text = head.decode(marked(head) or files.encoding, errors="replace").removeprefix("\ufeff")
    return [line for line in text.splitlines(keepends=True)[:MOST_LINES] if not is_comment(line, files)]


def header_of_other_width(head: bytes, files: Files) -> tuple[list[str], int, int] | None:
    """The names of a header that are more or fewer than the fields of the rows, the number of those, and the skip."""
    records, ends = _read(lines_of(head, files), files.delimiter, files.quote, files.escape)
    first = next((n for n, end in enumerate(ends) if end > files.skip), 0)
    for place in (first, first - 1) if first else (0,):  # one much narrower than the rows is taken for a title
        names, widths = records[place] if records else [], Counter(map(len, records[place + 1 :]))
        named = [name for name in names if name.strip()]
        width, rows = widths.most_common(1)[0] if widths else (0, 0)
        unlike = width > 1 and len(names) != width and rows * 2 > sum(widths.values())
        if unlike and len(named) > 1 and not any(re.match(r"\W*[0-9]", name) for name in named):
            return names, width, ends[place - 1] if place else 0
    return None


def _best(lines: Sequence[str], files: Files, given: frozenset[str], said: object) -> Shape:
    delimiters = [files.delimiter] if "delimiter" in given else list(str(said or _signs(lines)))
    quotes = [files.quote] if "quote" in given else _quotes(lines)
    text = "".join(lines)
    escapes = [files.escape] if "escape" in given else ["", *(["\\"] if '\\"' in text or "\\'" in text else [])]
    shapes = [
        _shape(lines, delimiter, quote, escape) for delimiter in delimiters for quote in quotes for escape in escapes
    ]
    best = max(shapes, key=lambda shape: shape.rank)  # the first of equals: the plainest
    if best.delimiter == "," and _are_decimal(lines):
        best = max((shape for shape in shapes if shape.delimiter == ";"), key=lambda shape: shape.rank, default=best)
    if "delimiter" not in given and not said and (rare := rare_delimiter(lines)):
        shape = max((_shape(lines, rare, quote, escapes[0]) for quote in quotes), key=lambda shape: shape.rank)
        if best.width == 1 or (len(rare) > 1 and (best.delimiter in rare or shape.width > best.width)):
            best = shape
    if "quote" not in given and best.share < 1 and '"' in text and "\t" in delimiters:
        bare = _shape(lines, "\t", "", "")  # inches in a file that knows no quotes
        best = max(best, bare, key=lambda shape: shape.rank)
    return best


def _are_decimal(lines: Sequence[str]) -> bool:
    """Whether commas stand within numbers, in lines that semicolons divide."""
    some = [line for line in lines if line.strip()]
    commas = [line for line in some if "," in line]
    within = sum(not re.search(r"(?<![0-9]),|,(?![0-9])", line) for line in commas)
    return within > 0.9 * len(commas) and sum(";" in line for line in some) > 0.9 * len(some)


def _padded(lines: Sequence[str], plain: Shape, files: Files, given: frozenset[str], said: object) -> Shape | None:
    """The shape without blanks around fields, if they hide quotes, or stand after each delimiter."""
    some = [line for line in lines[:200] if line.strip()]
    hiding = sum(bool(_HIDING.search(line)) for line in some)
    text = "".join(lines)
    sign = plain.delimiter.strip()
    if len(plain.delimiter.encode()) > 1:
        return None
    each = bool(sign) and sign in text and not re.search(rf"{re.escape(sign)}(?![ \r\n])", text)
    if not (hiding or each):
        return None
    written = replace(
        files, delimiter=plain.delimiter, quote=plain.quote, escape=plain.escape, multiline=True, trim=True
    )
    found = [
        _best(
            Quotes(replace(written, delimiter=sign, quote=quote))
            .trimmed(text.encode())
            .decode()
            .splitlines(keepends=True),
            replace(files, delimiter=sign, quote=quote),
            given | {"delimiter", "quote"},
            None,
        )
        for sign in ([plain.delimiter] if "delimiter" in given or said else _signs(lines))
        for quote in ([plain.quote] if "quote" in given else _quotes(lines))
    ]
    best = max(found, key=lambda shape: shape.rank)
    if best.width < 2 or best.rank[1] < plain.rank[1]:
        return None
    return best if each or best.rank[1] > plain.rank[1] or hiding * 2 > len(some) else None


def _signs(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "")
    return DELIMITERS + "".join(sign for sign in RARE if sign in first)


def _quotes(lines: Sequence[str]) -> list[str]:
    """What may enclose fields, the likeliest first."""
    seen = [line.rstrip("\r\n") for line in lines[:200] if line.strip()]
    single, double = (sum(bool(pattern.search(line)) for line in seen) for pattern in _ENCLOSED)
    if not single:
        return ['"']
    return ["'", '"'] if single * 2 > len(seen) and not double else ['"', "'"]


def _shape(lines: Sequence[str], delimiter: str, quote: str, escape: str) -> Shape:
    records, ends = _read(lines, delimiter, quote, escape)
    widths = Counter(map(len, records))
    if not widths:
        return Shape(delimiter, quote, escape, 0, 0.0, 0, 0)
    width, rows = max(widths.items(), key=lambda item: (item[1], item[0]))
    skip = narrow_titles(records, ends, width)
    after = [record for record, end in zip(records, ends, strict=True) if end > skip]
    header = len(after[0]) if after else 0
    return Shape(
        delimiter, quote, escape, width, rows / len(after or records), header, padded_titles(records, ends, skip)
    )


def _read(lines: Sequence[str], delimiter: str, quote: str, escape: str) -> tuple[list[list[str]], list[int]]:
    """The filled records, and the number of lines up to the end of each."""
    if len(delimiter) > 1:
        lines, delimiter = [line.replace(delimiter, UNIT) for line in lines], UNIT
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
        if reader.line_num == len(lines) and ends and ends[-1] * 2 > len(lines):
            return records, ends  # the sample's end cuts a field of several lines
        # Text after a closing quote, or a quote that stays open: read on without strictness, and rank it lower.
        return _loosely(lines, delimiter, quote, escape)
    return records, ends


def _loosely(lines: Sequence[str], delimiter: str, quote: str, escape: str) -> tuple[list[list[str]], list[int]]:
    records, ends = [], []
    for number, line in enumerate(lines, start=1):
        try:
            record = next(
                csv.reader(
                    [closed(line, delimiter, quote)],
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
