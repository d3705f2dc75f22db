"""What differs between two versions of a contract, and whom it breaks. Pure.

Two sides rely on a contract. Readers rely on what the table holds: a column that is gone breaks them, or nulls where
there were none, or rows that were rejected before. The provider relies on what is accepted: a file that passed may be
held now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.version import lasting_sql_of
from sluice.contract.columns import Column
from sluice.contract.contract import Contract, Gate
from sluice.contract.derive.tables import holds
from sluice.contract.formatting import percent

Side = Literal["readers", "files"]
NOBODY: tuple[Side, ...] = ()
READERS: tuple[Side, ...] = ("readers",)
FILES: tuple[Side, ...] = ("files",)
BOTH: tuple[Side, ...] = ("readers", "files")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        what: a sentence without its full stop.
        breaks: `readers` of the table, `files` that were accepted before; none of them if it is compatible.
    """

    what: str
    breaks: tuple[Side, ...] = NOBODY


def differences(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Every difference in what is demanded and promised, the breaking ones first."""
    found = [*_dataset(old, new), *_columns(old, new), *_checks(old, new), *_gate(old.gate, new.gate)]
    return tuple(sorted(found, key=lambda change: not change.breaks))


def _dataset(old: Contract, new: Contract) -> Iterator[Change]:
    if old.dataset_id != new.dataset_id:
        yield Change(f"the dataset is {new.dataset_id} instead of {old.dataset_id}: another table", BOTH)
    was, now = old.files.batches, new.files.batches
    if type(was) is not type(now) or was.by != now.by:
        yield Change(f"batches are {_batches(now)} instead of {_batches(was)}", BOTH)
    if old.owner != new.owner:
        yield Change(f"the owner is {new.owner} instead of {old.owner}")


def _batches(batches: Any) -> str:
    return type(batches).__name__ + (f" by {batches.by}" if batches.by else "")


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
    was, now = ({column.name: column for column in each.columns} for each in (old, new))
    for name in was.keys() - now.keys():
        yield Change(f"column {name} is gone: readers miss it, and files that still have it are held", BOTH)
    for name in now.keys() - was.keys():
        demanded = now[name].required and now[name].since is None
        why = ": files without it are held" if demanded else ", which files need not have"
        yield Change(f"column {name} is new{why}", FILES if demanded else NOBODY)
    for name in was.keys() & now.keys():
        yield from _column(was[name], now[name])


def _column(old: Column, new: Column) -> Iterator[Change]:
    name = f"column {new.name}"
    if old.type != new.type:
        breaks = NOBODY if holds(new.type.sql, old.type.sql) else BOTH
        wider = "" if breaks else ", which holds every value of it"
        yield Change(f"{name} is {new.type} instead of {old.type}{wider}", breaks)
    if new.nullable and not old.nullable:
        yield Change(f"{name} may be null now", READERS)
    if old.nullable and not new.nullable:
        yield Change(f"{name} may not be null any more", FILES)
    if gone := [source for source in old.sources if source not in new.sources]:
        yield Change(f"{name} is not found as {', '.join(gone)} in files any more", FILES)
    if old.unit != new.unit:
        yield Change(f"{name} is in {new.unit or 'no unit'} instead of {old.unit or 'no unit'}", READERS)
    if _demanded_from(new) < _demanded_from(old):
        yield Change(f"{name} must be in files that need not have had it", FILES)
    if old.format != new.format:
        yield Change(f"{name} is read as {new.format or 'usual'} instead of {old.format or 'usual'}", FILES)
    if old.pii != new.pii:
        yield Change(f"{name} is {'marked' if new.pii else 'not marked any more'} as personal data")
    if old.description != new.description:
        yield Change(f"{name} is described as {new.description!r}")


def _demanded_from(column: Column) -> str:
    """The first batch that must have it; one that need not have it comes after every batch."""
    return (column.since or "") if column.required else "~"


def _checks(old: Contract, new: Contract) -> Iterator[Change]:
    was, now = (_rules(each) for each in (old, new))
    for name in was.keys() - now.keys():
        rejects = was[name].severity == "error"
        yield Change(
            f"check {name!r} is gone" + (": rows that fail it come in" if rejects else ""), _if(rejects, READERS)
        )
    for name in now.keys() - was.keys():
        rejects = now[name].severity == "error"
        yield Change(
            f"check {name!r} is new" + (": rows that fail it are rejected" if rejects else ""), _if(rejects, FILES)
        )
    for name in was.keys() & now.keys():
        yield from _check(was[name], now[name])


def _rules(contract: Contract) -> Mapping[str, Check]:
    """Checks by name, but for those that follow from a column's own facts: not null, and dates in the batch."""
    silent = {f"{column.name} not null" for column in contract.columns} | {f"{contract.files.batches.by} in batch"}
    return {
        check.name: check for check in checks_of(contract, contract.files.batches.first) if check.name not in silent
    }


def _check(old: Check, new: Check) -> Iterator[Change]:
    name = f"check {new.name!r}"
    if old.severity != new.severity:
        looser = new.severity == "warn"
        yield Change(f"{name} {'only warns' if looser else 'rejects rows'} now", READERS if looser else FILES)
    elif (old.kind, lasting_sql_of(old), old.keep, old.looks_up) != (
        new.kind,
        lasting_sql_of(new),
        new.keep,
        new.looks_up,
    ):
        rejects = new.severity == "error"
        yield Change(f"{name} demands something else under the same name", _if(rejects, BOTH))
    if old.tolerance != new.tolerance and new.severity == "error":
        tighter = new.tolerance is not None and (old.tolerance is None or new.tolerance < old.tolerance)
        yield Change(f"{name} {_tolerated(new)} instead of: {_tolerated(old)}", _if(tighter, FILES))


def _tolerated(check: Check) -> str:
    if check.tolerance is None:
        return "closes the gate for no number of rows"
    return f"closes the gate for more than {percent(check.tolerance)} of the rows"


def _gate(old: Gate, new: Gate) -> Iterator[Change]:
    if old.max_rejected != new.max_rejected:
        what = f"at most {percent(new.max_rejected)} of the rows may be rejected instead of {percent(old.max_rejected)}"
        yield Change(what, _if(new.max_rejected < old.max_rejected, FILES))
    if old.rows_vs_last != new.rows_vs_last:
        was, now = old.rows_vs_last or (0.0, float("inf")), new.rows_vs_last or (0.0, float("inf"))
        tighter = now[0] > was[0] or now[1] < was[1]
        what = f"a batch has {now[0]} to {now[1]} times the rows of the one before instead of {was[0]} to {was[1]}"
        yield Change(what, _if(tighter, FILES))
    if old.rows_vs != new.rows_vs:
        before = "of the same weekday before" if new.rows_vs == "weekday" else "before"
        yield Change(f"the rows of a batch are compared with those of the one {before}", FILES)
    if old.rows_vs != new.rows_vs:
        yield Change(f"a batch is compared with the {new.rows_vs} one instead of the {old.rows_vs} one", FILES)
    if old.same_bytes != new.same_bytes:
        holds = new.same_bytes == "hold"
        yield Change(
            f"a file with the bytes of another batch is {'held' if holds else 'accepted'} now", _if(holds, FILES)
        )


def _if(condition: bool, breaks: tuple[Side, ...]) -> tuple[Side, ...]:
    return breaks if condition else NOBODY
