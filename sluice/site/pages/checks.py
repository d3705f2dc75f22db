"""The view of a check, and where it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from markupsafe import Markup

from sluice.contract.checks.compile import Check
from sluice.contract.checks.names import SHAPE_CHECK, parse_check_name
from sluice.contract.checks.version import sql_of
from sluice.contract.contract import Contract, masked
from sluice.contract.gate import CANARY
from sluice.project.paths import project
from sluice.site.facts.ledger import Snapshot
from sluice.site.pages import commands, plots
from sluice.site.pages.plots import Point
from sluice.site.pages.wording import REJECTED

INCIDENTS = 3  # batches listed at a check that passed in spite of failing rows; its plot shows the others
WORST = ("errored", "failed", "warned")


@dataclass(frozen=True, slots=True)
class Incident:
    """A batch in which rows failed a check; `command` shows those rows, where they are in quarantine."""

    batch: str
    outcome: str
    failing: int
    share: float
    command: str | None


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check: what it demands and how it went. `newest` is its result in the newest batch, if it is on record."""

    name: str
    anchor: str
    severity: str
    tolerance: float | None
    sql: str
    way: str
    newest: sa.Row | None
    outcome: str
    plot: Markup
    incidents: tuple[Incident, ...]
    sample: tuple[Mapping[str, Any], ...]
    sample_of: str

    @property
    def went_wrong(self) -> bool:
        """In one of the last batches; rows that were just rejected do not count."""
        return any(incident.outcome != "passed" for incident in self.incidents)

    def word(self, outcome: str, failing: int | None) -> str:
        """An outcome for readers: of a check that passed and rejected rows, that it did."""
        return REJECTED if outcome == "passed" and failing and self.severity == "error" else outcome

    @property
    def of_rows(self) -> bool:
        """Whether it is about the rows of the file; the canary rows are Sluice's own."""
        return self.name != CANARY

    @property
    def columns(self) -> list[str]:
        """Of the sample."""
        return list(dict.fromkeys(name for row in self.sample for name in row))


def anchor(check: str) -> str:
    """A check's place on its dataset's page: readable, and unlike that of any other check."""
    readable = re.sub(r"[^a-z0-9]+", "-", check.lower()).strip("-")[:40]
    return f"check-{readable}-{sha256(check.encode()).hexdigest()[:6]}"


def views(contract: Contract, checks: Iterable[Check], facts: Snapshot) -> tuple[CheckView, ...]:
    """Those of the contract, and others that the last batches were held against; what went wrong comes first."""
    batches = facts.batches.get(contract.dataset_id, [])
    declared = {check.name: check for check in checks}
    seen = {name: None for row in batches for name in facts.checks.get(row.load_id, {})}
    views = [_check(contract, name, declared.get(name), facts) for name in dict.fromkeys([*declared, *seen])]
    return tuple(sorted(views, key=_urgency))


def _urgency(check: CheckView) -> tuple[int, int]:
    worst = min((WORST.index(i.outcome) for i in check.incidents if i.outcome in WORST), default=len(WORST))
    return worst, 0 if check.newest is not None and check.newest.failing else 1


def _check(contract: Contract, name: str, check: Check | None, facts: Snapshot) -> CheckView:
    batches = facts.batches.get(contract.dataset_id, [])
    results = [(row, facts.checks.get(row.load_id, {}).get(name)) for row in batches]
    found = [(row, result) for row, result in results if result is not None]
    newest = results[-1][1] if results else None
    last = check or (found[-1][1] if found else None)
    tolerance = last.tolerance if last is not None else None
    points = [Point(row.batch, share(result), state=result.outcome) for row, result in found]
    sample = facts.samples.get((contract.dataset_id, name))
    return CheckView(
        name=name,
        anchor=anchor(name),
        severity=last.severity if last is not None else "error",
        tolerance=tolerance,
        sql=(sql_of(check) or "") if check is not None else "",
        way=way(contract, name, check),
        newest=newest,
        outcome=newest.outcome if newest else "passed" if results and of_reading(contract, name) else "not run",
        plot=plots.shares(points, f"Share of rows that fail {name} by batch", tolerance),
        incidents=tuple(
            Incident(row.batch, result.outcome, result.failing, share(result), _command(contract, row, result))
            for row, result in _worth_telling(found[::-1])
        ),
        sample=tuple(_shown(contract, row) for row in sample.sample) if sample is not None else (),
        sample_of=sample.batch if sample is not None else "",
    )


def _worth_telling(results: list[tuple[sa.Row, sa.Row]]) -> list[tuple[sa.Row, sa.Row]]:
    """What went wrong, and after it, of the results whose failing rows were just rejected, the newest."""
    passed = [result for _, result in results if result.outcome == "passed" and result.failing][:INCIDENTS]
    shown = [(row, result) for row, result in results if result.outcome != "passed" or result in passed]
    return sorted(shown, key=lambda pair: pair[1].outcome == "passed")


def _command(contract: Contract, load: sa.Row, result: sa.Row) -> str | None:
    if result.severity != "error" or not result.failing or load.status not in ("published", "held"):
        return None  # rows of a warning stay with the others; what failed or was replaced left none
    return commands.quarantined_rows(contract, load.load_id, result.check_name, project().settings.schemas)


def share(result: sa.Row) -> float:
    """Of the rows a check looked at, those that failed."""
    return result.failing / result.rows if result.rows else 0.0


def _shown(contract: Contract, row: Mapping[str, Any]) -> dict[str, Any]:
    """Masked when it was kept, and again: a column may have been declared personal since. In the contract's order."""
    order = ["_row_number", *(column.name for column in contract.columns)]
    names = [*(name for name in order if name in row), *(name for name in row if name not in order)]
    return masked(contract, {name: row[name] for name in names})


WAYS = {
    "row": "Evaluated for each row, in one scan of the database.",
    "unique": "A grouped query, in the database.",
    "aggregate": "Evaluated for the whole batch, in the database.",
    "reference": "Keys are looked up in the published rows of the other dataset, in the database.",
    "across_batches": "Keys are looked up in the other published batches, in the database.",
}


def way(contract: Contract, name: str, check: Check | None) -> str:
    """Of a check that the ledger or the contract names; `check` is None if the contract does not list it."""
    if check is not None:
        across = f"Cannot be run: it looks across rows ({check.across})." if check.across else None
        return WAYS.get(check.kind) or across or f"In pandas ({check.untraced})."
    if name == CANARY:
        return (
            "Two rows that must be rejected are added to each batch and removed again: this shows that the audit works."
        )
    if of_reading(contract, name):
        return "Evaluated while the file is read."
    return "From another version of the contract; the current one does not have this check."


def of_reading(contract: Contract, name: str) -> bool:
    """Whether it is one of those that are on record only for batches in which a row failed them."""
    return name == SHAPE_CHECK or name in map(parse_check_name, contract.columns)
