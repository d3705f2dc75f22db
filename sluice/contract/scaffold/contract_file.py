"""Guesses -> the text of a file for contracts/, laid out as ruff would. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.contract.authoring.annotations import NAMES, quoted
from sluice.contract.authoring.names import class_name, in_words
from sluice.contract.batches import Monthly
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import Facts
from sluice.contract.scaffold.spellings import looks_like

WIDTH = 120
_IMPORTED = {"Contract", "Files", "Gate", "Monthly", "Single", "Annotated", "ArrowDecimal128", *NAMES}


def contract_file(facts: Facts, delimiter: str, guesses: Sequence[Guess], rows: int) -> str:
    """The module's text.

    Args:
        facts: the dataset's names, owner and batches; its model is of no interest.
        rows: of the sample.
    """
    name = class_name(facts.entity, _IMPORTED)
    lines = [
        f'"""{in_words(facts.entity)} of {facts.source}. A draft from a sample of {rows:,} rows: go through it, then',
        'take each `confirm` away."""',
        "",
        *_imports(facts, guesses),
        "",
        "",
        f"class {name}(pa.DataFrameModel):",
        '    """One row per record of the file."""  # confirm: what a row is',
        "",
        *(line for guess in guesses for line in _column(guess, rows)),
        "",
        "",
        *_contract(facts, name, delimiter),
    ]
    return "\n".join(lines) + "\n"


def _imports(facts: Facts, guesses: Sequence[Guess]) -> list[str]:
    kinds = {guess.annotation for guess in guesses}
    decimals = any(kind.startswith("Annotated") for kind in kinds)
    names = sorted(kind for kind in kinds if not kind.startswith("Annotated"))
    batches = "Monthly" if isinstance(facts.files.batches, Monthly) else "Single"
    imported = sorted(["Contract", "Files", "Gate", batches, *names, "column"], key=_as_ruff)
    return [
        "from __future__ import annotations",
        "",
        *(["from typing import Annotated", ""] if decimals else []),
        "import pandera.pandas as pa",
        *(["from pandera.engines.pandas_engine import ArrowDecimal128"] if decimals else []),
        f"from sluice import {', '.join(imported)}",
    ]


def _as_ruff(name: str) -> tuple[bool, str]:
    """Classes before functions, as ruff sorts imported names."""
    return name.islower(), name


def _column(guess: Guess, rows: int) -> list[str]:
    sample = f"{guess.span[0]} to {guess.span[1]} in the sample" if guess.span else ""
    type_words = "the type" if not sample or guess.bounds else f"the type; {sample}"
    looks = looks_like(guess.values) if guess.type.name == "text" else None
    lines = [
        *(
            [f"    # confirm: looks like {looks[0]}, kept as text; a model reads it by", f"    # {looks[1]}"]
            if looks
            else []
        ),
        f"    {guess.name}: {guess.annotation} = column(  # confirm: {type_words}",
        f"        {quoted(in_words(guess.name) + '.')},  # confirm: say what it holds, and its unit",
    ]
    if guess.source != guess.name:
        lines.append(f"        source={quoted(guess.source)},")
    if guess.unique:
        lines.append(f"        unique=True,  # confirm: all {rows:,} of the sample differ")
    lines += _codes(guess)
    if guess.bounds:
        least, most = guess.bounds
        lines.append(f"        ge={least},  # confirm: {sample}")
        if most:
            lines.append(f"        le={most},  # confirm: {sample}")
    if guess.nullable:
        empty = guess.values.null_count
        lines.append(f"        nullable=True,  # confirm: {empty:,} of {rows:,} are empty in the sample")
    if guess.pii:
        lines.append("        pii=True,  # confirm: its name says so")
    return [*lines, "    )"]


def _codes(guess: Guess) -> list[str]:
    if not guess.codes:
        return []
    words = [quoted(code) if isinstance(code, str) else str(code) for code in guess.codes]
    comment = "  # confirm: that there are no others"
    line = f"        isin=[{', '.join(words)}],{comment}"
    if len(line) <= WIDTH:
        return [line]
    return [f"        isin=[{comment}", *(f"            {word}," for word in words), "        ],"]


def _contract(facts: Facts, name: str, delimiter: str) -> list[str]:
    batches, files = facts.files.batches, facts.files
    monthly = isinstance(batches, Monthly)
    if isinstance(batches, Monthly):
        by = f", by={quoted(batches.by)}" if batches.by else ""
        named = f"Monthly(start={quoted(batches.start)}{by})"
    else:
        named = "Single()"
    limits = "max_rejected=0.05, rows_vs_last=(0.5, 2.0)" if monthly else "max_rejected=0.05"
    nulls = ", ".join(map(quoted, files.null_values))
    return [
        "CONTRACT = Contract(",
        f"    source={quoted(facts.source)},",
        f"    entity={quoted(facts.entity)},",
        f"    owner={quoted(facts.owner)},  # confirm: who is told when the gate closes",
        f"    description={quoted(facts.description)},  # confirm: what a reader should know",
        f"    schema={name},",
        "    files=Files(",
        f"        url={quoted(files.url)},  # confirm: where the deliveries will be",
        f"        batches={named},  # confirm: how they come",
        *([f"        delimiter={quoted(delimiter)},"] if delimiter != "," else []),
        *(["        multiline=True,  # confirm: that fields may hold line breaks"] if files.multiline else []),
        *([f"        null_values=({nulls}),  # confirm: what means null"] if len(files.null_values) > 1 else []),
        "    ),",
        f"    gate=Gate({limits}),  # confirm: how bad a delivery may be",
        ")",
    ]
