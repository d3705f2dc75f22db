"""Lines of comment above the rows of a file of text. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sluice.contract.contract import Files

DELIMITERS = ",;\t|"
MOST_SKIPPED = 50  # lines before a header
_MARKS = ("#", "//", "%")
_RULE = re.compile(r"(?=.*(?:--|==))(?=.*[|+])[-|+=: ]+")


def comment_of(lines: Sequence[str]) -> str:
    """The mark that the first lines begin with and no header does: a header has as many fields as the next line."""
    head = [line for line in lines if line.strip()][:MOST_SKIPPED]
    mark = next((mark for mark in _MARKS if head and head[0].startswith(mark)), "")
    if not mark:
        return ""
    marked_lines = [line for line in head if line.startswith(mark)]
    plain = next((line for line in head if not line.startswith(mark)), "")
    last = marked_lines[-1]
    delimiter = max(DELIMITERS, key=plain.count)
    if plain.count(delimiter) and last.count(delimiter) == plain.count(delimiter) and len(marked_lines) == 1:
        return ""  # `#id,name` is the header
    return mark


def rule_of(lines: Sequence[str]) -> str:
    """How the lines begin that a table in text is ruled with, as Markdown and SQL shells draw it; "" if it has none."""
    head = [line.rstrip() for line in lines if line.strip()][:3]
    rules = [line for line in head if _RULE.fullmatch(line)]
    if not rules or not any("|" in line for line in head if line not in rules):
        return ""
    begin = re.match(r"\+|[ |:]*[-=]{1,3}", rules[0])
    return begin[0] if begin else ""


def is_rule(mark: str) -> bool:
    """Whether lines that begin with the mark are those of a ruled table."""
    return bool(mark) and set(mark) <= set("|+-=: ")


def comment_of_json(head: bytes) -> str:
    """How lines above the first record begin that are not JSON."""
    found = re.match(rb"(?:\xef\xbb\xbf)?\s*(#|//)", head)
    return found[1].decode() if found else ""


def is_comment(line: str, files: Files) -> bool:
    """Whether a line is left out."""
    return bool(files.comment) and line.startswith(files.comment)
