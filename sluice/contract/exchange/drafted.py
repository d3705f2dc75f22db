"""A contract of another standard -> the text of a contract file: a draft for a person to review. Pure.

What has no equal here is a comment beside its column, never left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

from sluice.contract.authoring.annotations import NAMES, quoted
from sluice.contract.authoring.names import class_name, column_names, in_words
from sluice.contract.columns import ColumnType

NO_CHECKS = {"unit", "since", "required", "severity"}  # arguments of column() that reject no row
WIDTH = 120
IMPORTED = {"Contract", "Files", "Gate", "Single", "Annotated", "ArrowDecimal128", *NAMES}


@dataclass(frozen=True, slots=True)
class DraftedColumn:
    """One column as another standard has it.

    Attributes:
        sources: its names in files, in order of preference.
        rules: arguments of `column()`, as Python writes them.
        notes: what has no equal, one phrase each.
    """

    sources: tuple[str, ...]
    type: ColumnType
    description: str = ""
    nullable: bool = True
    pii: bool = False
    rules: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Drafted:
    """A table as another standard has it."""

    name: str
    columns: Sequence[DraftedColumn]
    description: str = ""
    owner: str = ""
    notes: Sequence[str] = ()


def text(drafted: Drafted, source: str, entity: str, owner: str, url: str) -> str:
    """The contract file."""
    name = class_name(entity, IMPORTED)
    kinds = {column.type.annotation for column in drafted.columns}
    decimals = any(kind.startswith("Annotated") for kind in kinds)
    classes = sorted(["Contract", "Files", "Gate", "Single", *(kind for kind in kinds if kind in NAMES)])
    names = column_names(column.sources[0] for column in drafted.columns)
    checked = any(not column.nullable or column.rules.keys() - NO_CHECKS for column in drafted.columns)
    about = " ".join(drafted.description.split()) or f"{in_words(entity)} of {source}."
    return "\n".join(
        [
            f'"""{in_words(entity)} of {source}. A draft from another contract: review it, then',
            'remove each `confirm`."""',
            "",
            "from __future__ import annotations",
            "",
            *(["from typing import Annotated", ""] if decimals else []),
            "import pandera.pandas as pa",
            *(["from pandera.engines.pandas_engine import ArrowDecimal128"] if decimals else []),
            f"from sluice import {', '.join(classes)}, column",
            "",
            "",
            f"class {name}(pa.DataFrameModel):",
            *(line for note in drafted.notes for line in _comment(note)),
            *(line for each, column in zip(names, drafted.columns, strict=True) for line in _lines(each, column)),
            *([] if checked else _first_check(names)),
            "",
            "",
            "# confirm: url and batches, and how bad a delivery may be (gate)",
            "CONTRACT = Contract(",
            f"    source={quoted(source)},",
            f"    entity={quoted(entity)},",
            f"    owner={quoted(owner)},",
            f"    description={quoted(about)},",
            f"    schema={name},",
            f"    files=Files(url={quoted(url)}, batches=Single()),",
            '    gate=Gate(max_rejected=0.05, rows_vs_last=(0.5, 2.0), same_bytes="accept"),',
            ")",
            "",
        ]
    )


def _lines(name: str, column: DraftedColumn) -> Iterator[str]:
    for note in column.notes:
        yield from _comment(note)
    yield f"    {name}: {column.type.annotation} = column("
    yield f"        {quoted(' '.join(column.description.split()) or in_words(name) + '.')},"
    named = ", ".join(map(quoted, column.sources))
    facts = {"source": f"({named})" if len(column.sources) > 1 else named} if column.sources != (name,) else {}
    facts |= column.rules
    facts |= {"nullable": "True"} if column.nullable else {}
    facts |= {"pii": "True"} if column.pii else {}
    yield from (f"        {key}={value}," for key, value in facts.items())
    yield "    )"


def _comment(note: str) -> list[str]:
    first = "    # confirm: "
    return wrap(
        " ".join(note.split()), WIDTH, initial_indent=first, subsequent_indent="    #   ", break_on_hyphens=False
    )


def _first_check(names: Sequence[str]) -> list[str]:
    held = " | ".join(f'rows["{name}"].notna()' for name in names[:3])
    return [
        "",
        "    # confirm: the other contract has no rule, so this is the first one; add what you know of the values.",
        '    @pa.dataframe_check(name="a row holds something")',
        "    def holds_something(cls, rows):  # noqa: N805",
        f"        return {held}",
    ]
