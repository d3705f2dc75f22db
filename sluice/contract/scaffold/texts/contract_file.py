"""Guesses -> the text of a file for contracts/, laid out as ruff would. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sluice.contract.authoring.annotations import NAMES, quoted
from sluice.contract.authoring.names import class_name, in_words
from sluice.contract.batches import CALENDARS, EachFile, Single
from sluice.contract.scaffold.guess import Guess
from sluice.contract.scaffold.new_dataset import NewDataset
from sluice.contract.scaffold.spellings import looks_like, undecided_words
from sluice.contract.scaffold.texts import source_lines
from sluice.contract.scaffold.texts.source_lines import written_tuple
from sluice.contract.sources import Table

WIDTH = 120
_PLURALS = {"date": "dates", "integer": "integers", "float": "numbers", "decimal": "numbers", "boolean": "booleans"}
_KINDS = {kind.__name__ for kind in (*CALENDARS, EachFile, Single)}
_IMPORTED = {"Contract", "Files", "Rows", "Table", "Gate", "Annotated", "ArrowDecimal128", *_KINDS, *NAMES}


def contract_file(new: NewDataset, guesses: Sequence[Guess], rows: int, filled: Sequence[str] = ()) -> str:
    """The module's text.

    Args:
        new: the dataset's names, owner and batches; its model is of no interest.
        rows: of the sample.
        filled: columns of which each record fills one, where the sample has rows that hold nothing.
    """
    name = class_name(new.entity, _IMPORTED)
    lines = [
        f'"""{in_words(new.entity)} of {new.source}. A draft from a sample of {rows:,} rows: review it, then',
        'remove each `confirm`."""',
        "",
        *_imports(new, guesses),
        *source_lines.function(new),
        "",
        "",
        f"class {name}(pa.DataFrameModel):",
        f'    """One row per record of {source_lines.origin(new)}."""  # confirm: this, and what each column holds',
        "",
        *(line for guess in guesses for line in _column(guess, rows)),
        *(_holding(guesses, filled) if filled or not any(map(_checked, guesses)) else []),
        "",
        "",
        *_contract(new, name),
    ]
    return "\n".join(lines) + "\n"


def _checked(guess: Guess) -> bool:
    return bool(not guess.nullable or guess.codes or guess.bounds or guess.unique or guess.totals)


def _holding(guesses: Sequence[Guess], filled: Sequence[str]) -> list[str]:
    """A check for rows that hold nothing, or a contract that would have none, and so could not close its gate."""
    held = " | ".join(f'rows["{name}"].notna()' for name in filled or [guess.name for guess in guesses[:3]])
    return [
        "",
        "    # confirm: rows of the sample hold nothing, or only a note; such rows are rejected."
        if filled
        else "    # confirm: the sample gives no check, so this is the first one; add what you know of the values.",
        '    @pa.dataframe_check(name="a row holds something")',
        "    def holds_something(cls, rows):  # noqa: N805",
        f"        return {held}",
    ]


def _imports(new: NewDataset, guesses: Sequence[Guess]) -> list[str]:
    kinds = {guess.annotation for guess in guesses}
    decimals = any(kind.startswith("Annotated") for kind in kinds)
    names = sorted(kind for kind in kinds if not kind.startswith("Annotated"))
    kinds_of_batches = [] if source_lines.is_whole(new) else [type(new.files.batches).__name__]
    origin = type(new.files).__name__
    imported = sorted(["Contract", origin, "Gate", *kinds_of_batches, *names, "column"], key=_as_ruff)
    return [
        "from __future__ import annotations",
        "",
        *(["from typing import Annotated", ""] if decimals else []),
        "import pandera.pandas as pa",
        *(["from pandera.engines.pandas_engine import ArrowDecimal128"] if decimals else []),
        *source_lines.imported(new, f"from sluice import {', '.join(imported)}"),
    ]


def _as_ruff(name: str) -> tuple[bool, str]:
    """Classes before functions, as ruff sorts imported names."""
    return name.islower(), name


def _column(guess: Guess, rows: int) -> list[str]:
    span = f"; {guess.span[0]} to {guess.span[1]} in the sample" if guess.span and not guess.pii else ""
    doubt = f"confirm: {_doubt(guess)}" if _doubt(guess) else "guessed"
    first = f"    {guess.name}: {guess.annotation} = column(  # {doubt}"
    lines = [
        *_hints(guess, rows),
        first + span if len(first + span) <= WIDTH else first,
        f"        {quoted(in_words(guess.name) + '.')},",
    ]
    if guess.source != guess.name:
        lines.append(f"        source={quoted(guess.source)},")
    if guess.format:
        lines.append(f"        format={quoted(guess.format)},")
    words = (*guess.words, *guess.words_of_others)
    if words:
        why = "confirm: what means null" if guess.words else "as in other columns"
        lines.append(f"        null_values={written_tuple(words)},  # {why}")
    if guess.totals:
        lines.append(f"        notin=[{', '.join(map(quoted, guess.totals))}],  # confirm: totals, not records")
    if guess.unique:
        lines.append(f"        unique=True,  # confirm: all {rows:,} of the sample differ")
    lines += _codes(guess)
    if guess.bounds:
        least, most = guess.bounds
        lines += [f"        ge={least},", *([f"        le={most},"] if most else [])]
        lines.append("        raise_warning=True,  # warns beyond; without it such rows are rejected")
    lines += _nulls(guess, rows)
    if guess.pii:
        lines.append("        pii=True,  # confirm: its name says so")
    return [*lines, "    )"]


def _doubt(guess: Guess) -> str:
    """Why the type itself is uncertain, if it is."""
    if guess.format or guess.odd[0] or guess.undecided or guess.words:
        return "the type"
    return ""


def _nulls(guess: Guess, rows: int) -> list[str]:
    empty = guess.values.null_count - guess.odd[0] - guess.damaged
    if guess.nullable:
        return [f"        nullable=True,  # {empty:,} of {rows:,} are empty in the sample"]
    if guess.required:
        return []
    return ['        nullable="warn",  # none is empty in the sample; nullable=False would reject']


def _hints(guess: Guess, rows: int) -> list[str]:
    """What a reader should know of the cells, above the column."""
    lines = []
    if guess.odd[0]:
        lines.append(f"    # confirm: {odd_words(guess, rows)}")
        lines.append("    # their rows are rejected; to take them as null: null_values=(...)")
    if guess.damaged:
        lines.append(f"    # confirm: {guess.damaged:,} of {rows:,} are not valid UTF-8; their rows are rejected")
    if guess.undecided:
        what, make = undecided_words(guess.undecided)
        lines += [f"    # confirm: {what}, kept as text;", f"    # {make}"]
    elif guess.type.name == "text" and (looks := looks_like(guess.values)):
        lines += [f"    # confirm: looks like {looks[0]}, kept as text; a model reads it by", f"    # {looks[1]}"]
    return lines


def odd_words(guess: Guess, rows: int) -> str:
    """`2 of 40 are not dates: '0000-00-00'`."""
    count, examples = guess.odd
    kind = guess.type.name.split("(")[0]
    telling = any(len(set(re.findall("[0-9]", text))) != 1 for text in examples)  # 0000-00-00 is nobody's birthday
    shown = ", ".join(map(repr, examples)) if not (guess.pii and telling) else "not shown, as they may be personal"
    return f"{count:,} of {rows:,} are not {_PLURALS.get(kind, 'times')}: {shown}"


def _codes(guess: Guess) -> list[str]:
    if not guess.codes:
        return []
    words = [quoted(code) if isinstance(code, str) else str(code) for code in guess.codes]
    warns = "        raise_warning=True,  # warns of others; without it their rows are rejected"
    line = f"        isin=[{', '.join(words)}],"
    if len(line) <= WIDTH:
        return [line, warns]
    return ["        isin=[", *(f"            {word}," for word in words), "        ],", warns]


def _contract(new: NewDataset, name: str) -> list[str]:
    batches = new.files.batches
    limits = f"max_rejected={new.max_rejected}"
    whole = isinstance(batches, Single) or not isinstance(new.files, Table)
    if whole:  # the rows of a table's last period grow from night to night
        limits += ", rows_vs_last=(0.5, 2.0)"
        limits += ', same_bytes="accept"' if isinstance(batches, Single) or not new.dated else ""
    return [
        f"# confirm: owner, {source_lines.to_confirm(new)}, and how bad a delivery may be (gate)",
        "CONTRACT = Contract(",
        f"    source={quoted(new.source)},",
        f"    entity={quoted(new.entity)},",
        f"    owner={quoted(new.owner)},  # who is alerted when the gate closes",
        f"    description={quoted(new.description)},",
        f"    schema={name},",
        *source_lines.files(new),
        f"    gate=Gate({limits}),",
        ")",
    ]
