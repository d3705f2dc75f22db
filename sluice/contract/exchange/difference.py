"""What differs between two versions of a contract, and whom it breaks. Pure.

Two sides rely on a contract. Readers rely on what the table holds: a column that is gone breaks them, or nulls where
there were none, or rows that were rejected before. The provider relies on what is accepted: a file that passed may be
held now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Literal

from sluice.contract.batches import Batches, Single
from sluice.contract.checks import source_code
from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.keys import OF_KEYS
from sluice.contract.checks.version import lasting_sql_of, text_of, version_of
from sluice.contract.columns import Column
from sluice.contract.contract import Contract, Files, Freshness, Gate
from sluice.contract.derive.tables import holds
from sluice.contract.exchange.change import BOTH, FILES, NOBODY, READERS, Change, when
from sluice.contract.formatting import percent

LIMITS = ("max_bytes", "max_ratio", "max_rows", "max_field_bytes", "look_back")  # of which a higher one accepts more


def differences(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Every difference in what is demanded and promised, the breaking ones first."""
    found = [*_dataset(old, new), *_files(old.files, new.files), *_columns(old, new), *_checks(old, new)]
    found += [*_gate(old.gate, new.gate), *_freshness(old.freshness, new.freshness)]
    if not found and version_of(old) != version_of(new):
        found = [Change("it demands something else, in a way that is not named here", BOTH)]
    return tuple(sorted(found, key=lambda change: not change.breaks))


def _dataset(old: Contract, new: Contract) -> Iterator[Change]:
    if old.dataset_id != new.dataset_id:
        yield Change(f"the dataset is {new.dataset_id} instead of {old.dataset_id}: another table", BOTH)
    if old.owner != new.owner:
        yield Change(f"the owner is {new.owner} instead of {old.owner}")


def _files(old: Files, new: Files) -> Iterator[Change]:
    if type(old) is not type(new):
        yield Change(f"rows come from {type(new).__name__} instead of {type(old).__name__}", FILES)
    yield from _options(old, new, "files", ("batches",))
    was, now = old.batches, new.batches
    if type(was) is not type(now) or was.by != now.by:
        yield Change(f"batches are {_batches(now)} instead of {_batches(was)}", BOTH)
    if type(was) is type(now):
        yield from _options(was, now, "batches", ("by",))


def _options(old: Any, new: Any, of: str, but: tuple[str, ...]) -> Iterator[Change]:
    """What both of them say in another way, field by field."""
    for name in [part.name for part in fields(new) if hasattr(old, part.name) and part.name not in but]:
        was, now = getattr(old, name), getattr(new, name)
        if _steady(was) == _steady(now):
            continue
        harmless = name == "url" or (name in LIMITS and now > was)
        what = (
            "is another function" if callable(now) and callable(was) else f"is {_shown(now)} instead of {_shown(was)}"
        )
        yield Change(f"{of}: {name} {what}", when(not harmless, FILES))


def _steady(value: Any) -> Any:
    """A function, which is another object each time its file is read, as its source."""
    return source_code.text(value) if callable(value) else value


def _shown(value: Any) -> str:
    return getattr(value, "__name__", "a function") if callable(value) else repr(value)


def _batches(batches: Any) -> str:
    return type(batches).__name__ + (f" by {batches.by}" if batches.by else "")


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
    was, now = ({column.name: column for column in each.columns} for each in (old, new))
    for name in was.keys() - now.keys():
        yield Change(f"column {name} is gone: readers miss it, and files that still have it are held", BOTH)
    for name in now.keys() - was.keys():
        demanded, since = _is_demanded(now[name], new.files.batches), now[name].since
        of = f" of {since} and later" if since else ""
        why = f": files{of} without it are held" if demanded else ", which files need not have"
        yield Change(f"column {name} is new{why}", FILES if demanded else NOBODY)
    for name in was.keys() & now.keys():
        yield from _column(was[name], now[name])
    if was.keys() == now.keys() and [*was] != [*now]:
        yield Change("the columns are in another order")


def _column(old: Column, new: Column) -> Iterator[Change]:
    name = f"column {new.name}"
    if old.type != new.type:
        breaks = NOBODY if holds(new.type.sql, old.type.sql) else BOTH
        wider = "" if breaks else ", which holds every value of it"
        yield Change(f"{name} is {new.type} instead of {old.type}{wider}", breaks)
    yield from _nulls(old, new)
    if gone := [source for source in old.sources if source not in new.sources]:
        yield Change(f"{name} is not found as {', '.join(gone)} in files any more", FILES)
    elif old.sources != new.sources:
        yield Change(f"{name} is found as {', '.join(new.sources)} in files instead of {', '.join(old.sources)}")
    if old.unit != new.unit:
        yield Change(f"{name} is in {new.unit or 'no unit'} instead of {old.unit or 'no unit'}", READERS)
    if _demanded_from(new) < _demanded_from(old):
        yield Change(f"{name} must be in files that need not have had it", FILES)
    if _demanded_from(new) > _demanded_from(old):
        yield Change(f"{name} need not be in files {f'before {new.since}' if new.required else 'any more'}")
    if old.format != new.format:
        yield Change(f"{name} is read as {new.format or 'usual'} instead of {old.format or 'usual'}", FILES)
    if old.null_values != new.null_values:
        yield Change(f"{name} is read as null for {new.null_values!r} instead of {old.null_values!r}", FILES)
    if old.pii != new.pii:
        yield Change(f"{name} is {'marked' if new.pii else 'not marked any more'} as personal data")
    if old.description != new.description:
        yield Change(f"{name} is described as {new.description!r}")


def _nulls(old: Column, new: Column) -> Iterator[Change]:
    was, now = _of_null(old), _of_null(new)
    if was == now:
        return
    warned = "" if now == "accepted" else ", with a warning"
    if now == "rejected":
        yield Change(f"column {new.name} may not be null any more", FILES)
    elif was == "rejected":
        yield Change(f"column {new.name} may be null now{warned}", READERS)
    else:
        yield Change(f"column {new.name} may be null{warned or ' without a warning'} now")


def _of_null(column: Column) -> Literal["accepted", "warned of", "rejected"]:
    """What becomes of a row without a value there."""
    if column.warns_of_null or (not column.nullable and column.severity == "warn"):
        return "warned of"
    return "accepted" if column.nullable else "rejected"


def _is_demanded(column: Column, batches: Batches) -> bool:
    """Whether files that are still to come must have it. Batches of a calendar come for ever."""
    return column.required_in(batches.first) if isinstance(batches, Single) else column.required


def _demanded_from(column: Column) -> str:
    """The first batch that must have it; one that need not have it comes after every batch."""
    return (column.since or "") if column.required else "~"


def _checks(old: Contract, new: Contract) -> Iterator[Change]:
    was, now = (_rules(each) for each in (old, new))
    one_sided = _not_null(old, was) ^ _not_null(new, now)  # where only one has it, its column's change says so
    was, now = ({name: rule for name, rule in rules.items() if name not in one_sided} for rules in (was, now))
    for name in was.keys() - now.keys():
        rejects = was[name].severity == "error"
        yield Change(
            f"check {name!r} is gone" + (": rows that fail it come in" if rejects else ""), when(rejects, READERS)
        )
    for name in now.keys() - was.keys():
        rejects = now[name].severity == "error"
        yield Change(
            f"check {name!r} is new" + (": rows that fail it are rejected" if rejects else ""), when(rejects, FILES)
        )
    for name in was.keys() & now.keys():
        yield from _check(was[name], now[name])


def _rules(contract: Contract) -> Mapping[str, Check]:
    """Checks by name, but for that of dates in the batch, which follows from the calendar."""
    first, silent = contract.files.batches.first, f"{contract.files.batches.by} in batch"
    return {check.name: check for check in checks_of(contract, first) if check.name != silent}


def _not_null(contract: Contract, rules: Mapping[str, Check]) -> set[str]:
    return {f"{column.name} not null" for column in contract.columns} & rules.keys()


def _check(old: Check, new: Check) -> Iterator[Change]:
    name = f"check {new.name!r}"
    of_null = new.name == f"{''.join(new.columns)} not null"  # the column's change says the rest
    if old.severity != new.severity and not of_null:
        looser = new.severity == "warn"
        yield Change(f"{name} {'only warns' if looser else 'rejects rows'} now", READERS if looser else FILES)
    elif not of_null and _demand(old) != _demand(new):
        rejects = new.severity == "error"
        yield Change(f"{name} demands something else under the same name", when(rejects, BOTH))
    if old.tolerance != new.tolerance:
        tighter = new.tolerance is not None and (old.tolerance is None or new.tolerance < old.tolerance)
        what = f"{name} {_tolerated(new)} instead of: {_tolerated(old)}"
        yield Change(what, when(tighter and new.severity == "error", FILES))


def _demand(check: Check) -> tuple[object, ...]:
    """What it asks of rows: SQL where it has some, else its arguments or the source of its function."""
    text = lasting_sql_of(check) if check.kind in OF_KEYS else text_of(check)
    return check.kind, text, check.keep, check.looks_up


def _tolerated(check: Check) -> str:
    if check.severity == "warn":
        return f"warns of more than {percent(check.tolerance or 0)} of the rows"
    if check.tolerance is None:
        return "closes the gate for no number of rows"
    return f"closes the gate for more than {percent(check.tolerance)} of the rows"


def _gate(old: Gate, new: Gate) -> Iterator[Change]:
    if old.max_rejected != new.max_rejected:
        what = f"at most {percent(new.max_rejected)} of the rows may be rejected instead of {percent(old.max_rejected)}"
        yield Change(what, when(new.max_rejected < old.max_rejected, FILES))
    if old.rows_vs_last != new.rows_vs_last:
        was, now = old.rows_vs_last or (0.0, float("inf")), new.rows_vs_last or (0.0, float("inf"))
        tighter = now[0] > was[0] or now[1] < was[1]
        what = f"a batch has {now[0]} to {now[1]} times the rows of the one before instead of {was[0]} to {was[1]}"
        yield Change(what, when(tighter, FILES))
    if old.rows_vs != new.rows_vs:
        before = "of the same weekday before" if new.rows_vs == "weekday" else "before"
        yield Change(f"the rows of a batch are compared with those of the one {before}", FILES)
    if old.same_bytes != new.same_bytes:
        holds = new.same_bytes == "hold"
        yield Change(
            f"a file with the bytes of another batch is {'held' if holds else 'accepted'} now", when(holds, FILES)
        )


def _freshness(old: Freshness | None, new: Freshness | None) -> Iterator[Change]:
    for name in ("warn_after", "error_after"):
        was, now = (getattr(each, name, None) for each in (old, new))
        if was != now:
            looser = was is not None and (now is None or now > was)
            yield Change(
                f"freshness: {name} is {now or 'not set'} instead of {was or 'not set'}", when(looser, READERS)
            )
