"""Tables of the guides, whose examples tests run, and the fields that the page of JSON lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.support.repository import ROOT

FREE = {"sample", "layers"}  # what is in them depends on the dataset
FIELDS = re.compile(r"`([a-z0-9_.\[\]]+)`")


def table(guide: str, first: str) -> list[list[str]]:
    """The rows of the table in docs/ whose first column has this title, without the marks of code."""
    text = (ROOT / "docs" / guide).read_text(encoding="utf-8")
    lines = text[text.index(f"\n| {first} |") + 1 :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line[1:-1].split("|")] for line in lines]


def json_fields() -> dict[str, set[str]]:
    """The fields by command, as the page lists them."""
    found: dict[str, set[str]] = {}
    for section in (ROOT / "docs/json.md").read_text().split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
        fields = {field for row in rows for field in FIELDS.findall(row)}
        for command in re.findall(r"`(?:sluice )?([a-z ]+)`", heading):
            found[command] = fields
    return found


def fields(document: Any, before: str = "") -> Iterator[str]:
    """Every field of a document, as the page writes them."""
    if isinstance(document, list):
        for each in document:
            yield from fields(each, f"{before}[]" if before else "")
    elif isinstance(document, dict):
        for name, value in document.items():
            path = f"{before}.{name}" if before else name
            yield path
            if name not in FREE:
                yield from fields(value, path)
