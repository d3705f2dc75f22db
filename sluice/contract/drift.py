"""Find a contract's columns in a file, and name every difference at once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from operator import itemgetter
from typing import TypeVar

import pyarrow as pa

from sluice.contract.authoring import patches
from sluice.contract.columns import Column
from sluice.contract.contract import Contract
from sluice.contract.errors import DataError
from sluice.contract.values.casts import deliverable

SHOWN = 20  # columns named in a message; a file of 10,000 strange columns needs no more to be known as one
COMPARED = 200  # unknown names that are compared with each missing one; each comparison takes some 20 µs
_Item = TypeVar("_Item")


class SchemaDrift(DataError):
    """The columns of a file are not the contract's: the gate stays closed.

    Attributes:
        missing: contract columns the file does not have.
        extra: the file's columns the contract does not know, or that stand twice.
        retyped: contract columns that came with a type which cannot stand for theirs.
    """

    def __init__(
        self,
        message: str,
        missing: Sequence[str] = (),
        extra: Sequence[str] = (),
        retyped: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.missing, self.extra, self.retyped = tuple(missing), tuple(extra), tuple(retyped)


def locate(
    contract: Contract, batch: str, names: Sequence[str], types: Sequence[pa.DataType] | None, where: str
) -> tuple[int | None, ...]:
    """For each contract column its place in the file; None for a column the file need not have and has not.

    Args:
        names: the file's column names, in order.
        types: their types; None for a file of text, where every cell is parsed.
        where: the file's address, for the message.

    Raises:
        SchemaDrift: naming every missing, extra, doubled and retyped column, with what would accept it.
    """
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    places = tuple(
        next((first[source] for source in column.sources if source in first), None) for column in contract.columns
    )
    found = list(zip(contract.columns, places, strict=True))
    missing = [column for column, place in found if place is None and column.required_in(batch)]
    extra = [name for name, place in sorted(first.items(), key=itemgetter(1)) if place not in places]
    extra = [name for name in extra if name not in contract.files.ignore]
    twice = [name for name, count in Counter(names).items() if count > 1]
    retyped = (
        []
        if types is None
        else [(c, types[p]) for c, p in found if p is not None and not deliverable(types[p], c.type)]
    )
    if not (missing or extra or twice or retyped):
        return places
    hints = _hints(missing, extra)
    if types is None and len(extra) == len(first) >= 2 * len(hints):
        raise _no_header(contract, batch, where, missing, extra)
    lines = [
        *_shown(missing, lambda column: _missing(column, hints)),
        *_shown(extra, lambda name: _extra(name, hints, contract.columns)),
        *_shown(twice, lambda name: f"doubled: {name!r} occurs {names.count(name)} times; drop one"),
        *_shown(retyped, lambda pair: _retyped(*pair)),
    ]
    given = {} if types is None else {name: types[place] for name, place in first.items()}
    patch = _patch(contract, batch, missing, [name for name in extra if name not in hints.values()], hints, given)
    patch += [patches.retyped(contract, *pair) for pair in retyped]
    lines += _as_patch(contract, patch, whole=None not in patch and not twice)
    raise SchemaDrift(
        f"{contract} {batch}: {where} does not have the contract's columns; nothing was loaded\n  "
        + "\n  ".join(lines),
        missing=[column.name for column in missing],
        extra=[*extra, *twice],
        retyped=[column.name for column, _ in retyped],
    )


def _no_header(
    contract: Contract, batch: str, where: str, missing: Sequence[Column], extra: Sequence[str]
) -> SchemaDrift:
    """No name of a file of text is known: its first line may be a row, which may be personal."""
    personal = any(column.pii for column in contract.columns)
    given = "" if personal else f" It has {', '.join(map(repr, extra[:SHOWN]))}{' ...' if len(extra) > SHOWN else ''}."
    return SchemaDrift(
        f"{contract} {batch}: the first line of {where} has none of the contract's columns; nothing was loaded.{given} "
        f"Does it have no header, or a delimiter other than {contract.files.delimiter!r}? "
        f"Expected are {', '.join(repr(column.sources[0]) for column in contract.columns[:SHOWN])}. If files come "
        "without a header from now on, set Files(header=False, names=(...)) with the names in the file's order; "
        "with lines before the header, Files(skip=...)",
        missing=[column.name for column in missing],
        extra=() if personal else extra,
    )


def _shown(items: Sequence[_Item], line: Callable[[_Item], str]) -> list[str]:
    lines = [line(item) for item in items[:SHOWN]]
    return lines if len(items) <= SHOWN else [*lines, f"... and {len(items) - SHOWN} more like this"]


def _patch(
    contract: Contract,
    batch: str,
    missing: Sequence[Column],
    new: Sequence[str],
    hints: Mapping[str, str],
    given: Mapping[str, pa.DataType],
) -> list[str | None]:
    """The lines that accept what is missing, renamed or new; None for what no line accepts."""
    known = {_plainest(source) for column in contract.columns for source in column.sources}
    taken = [column.name for column in contract.columns]
    lines: list[str | None] = [
        patches.renamed(column, hints[column.name])
        if column.name in hints
        else patches.missing(contract, column, batch)
        for column in missing
    ]
    for name in new[: SHOWN + 1]:
        lines.append(None if _plainest(name) in known else patches.extra(name, given.get(name), taken))
    return lines


def _as_patch(contract: Contract, patch: Sequence[str | None], whole: bool) -> list[str]:
    lines = [line for line in patch if line is not None]
    return [patches.heading(contract, whole), *(f"  {line}" for line in _shown(lines, str))] if lines else []


def _hints(missing: Sequence[Column], extra: Sequence[str]) -> dict[str, str]:
    """The name that each missing column may have now; no two have the same."""
    hints: dict[str, str] = {}
    for column in missing:
        if (name := _hint(column, [name for name in extra if name not in hints.values()])) is not None:
            hints[column.name] = name
    return hints


def _missing(column: Column, hints: Mapping[str, str]) -> str:
    old = " or ".join(repr(source) for source in column.sources)
    if column.name in hints:
        return f"missing: {column.name} ({old}); renamed {hints[column.name]!r}?"
    return f"missing: {column.name} ({old})"


def _hint(column: Column, extra: Sequence[str]) -> str | None:
    """The name it may have now: another case, blanks around it, much like one of its names, or short or long for it."""
    for source in column.sources:
        for name in extra:
            if _plainest(name) == _plainest(source):
                return name
    for source in column.sources:
        if near := get_close_matches(source, extra[:COMPARED], n=1, cutoff=0.7):
            return near[0]
    for source in column.sources:
        for name in extra[:COMPARED]:
            if _abbreviates(*sorted((_plainest(name), _plainest(source)), key=len)):
                return name
    return None


def _abbreviates(short: str, long: str) -> bool:
    """Whether a name has the other's first and last letter and some between, in order: `qty`, `quantity`."""
    letters = iter(long)
    return len(short) > 2 and (short[0], short[-1]) == (long[0], long[-1]) and all(each in letters for each in short)


def _extra(name: str, hints: Mapping[str, str], columns: Sequence[Column]) -> str:
    if name in hints.values():
        return f"extra: {name!r} (see above)"
    for column in columns:
        if _plainest(name) in map(_plainest, column.sources):
            return f"extra: {name!r}, in addition to {column.name}; drop one from the file"
    return f"extra: {name!r}"


def _plainest(name: str) -> str:
    return name.strip().casefold()


def _retyped(column: Column, given: pa.DataType) -> str:
    return f"retyped: {column.name} ({column.sources[0]!r}) is {given} in the file, not {column.type} as expected"
