"""What a changed contract makes of batches that were loaded before, as values. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.contract.contract import hide
from sluice.contract.exchange.change import Change
from sluice.contract.formatting import counted, percent
from sluice.contract.gate import AuditReport, Decision


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict of one contract on one batch.

    Attributes:
        reasons: why the gate would be closed; empty if it would be open.
        failing: rows that fail each check, by its name.
        samples: of failing rows, by the name of the check; personal values are masked.
        left_out: names of the checks that could not be judged.
        unknown: what could not be judged, one sentence each.
    """

    rejected: int
    reasons: tuple[str, ...]
    failing: Mapping[str, int]
    samples: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckCount:
    """One check in which the two contracts differ.

    Attributes:
        before, now: rows that fail it; None where there is no such check.
        sample: rows that fail it now.
    """

    check: str
    before: int | None
    now: int | None
    sample: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        was, now = ("no such check" if each is None else f"{each:,} failing" for each in (self.before, self.now))
        return f"{self.check}: {was} before, {now} now"


@dataclass(frozen=True, slots=True)
class BatchVerdict:
    """One batch by both contracts.

    Attributes:
        status: of its load: `published` or `held`.
        rows: of its file.
        before, now: the verdicts of the contract as it was and as it is; None where the rows cannot be judged.
        checks: those in which they differ.
        not_judged: what could not be judged, and why, one sentence each.
    """

    batch: str
    load: int
    status: str
    rows: int
    before: Judged | None = None
    now: Judged | None = None
    checks: tuple[CheckCount, ...] = ()
    not_judged: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """Its numbers in words."""
        if self.before is None or self.now is None:
            return f"{self.batch}: not judged"
        share = percent(self.now.rejected / self.rows if self.rows else 0.0)
        was, now = ("closed" if each.reasons else "open" for each in (self.before, self.now))
        gate = f"gate {now}" if was == now else f"gate {was} before, {now} now"
        return (
            f"{self.batch}: {counted(self.rows, 'row')}, {self.before.rejected:,} rejected before, "
            f"{self.now.rejected:,} now ({share}); {gate}"
        )

    def reasons(self, max_rejected: float | None) -> Iterator[str]:
        """Why the change should not be merged without a look.

        Args:
            max_rejected: share of the rows that may be rejected, where more are than before.
        """
        if self.before is None or self.now is None:
            return
        if self.now.reasons and not self.before.reasons:
            yield f"{self.batch} would be held: {'; '.join(self.now.reasons)}"
        more = self.now.rejected - self.before.rejected
        share = self.now.rejected / self.rows if self.rows else 0.0
        if max_rejected is not None and more > 0 and share > max_rejected:
            yield f"{self.batch}: {percent(share)} of its rows would be rejected (at most {percent(max_rejected)})"


@dataclass(frozen=True, slots=True)
class ContractChange:
    """One contract that is not what it was.

    Attributes:
        state: `new`, `gone` or `changed`.
        changes: what differs, of one that changed.
        batches: the last ones, judged by both; empty where nothing differs in what is demanded of rows.
        not_judged: what no batch can be judged by, one sentence each.
    """

    dataset: str
    state: str
    changes: tuple[Change, ...] = ()
    batches: tuple[BatchVerdict, ...] = ()
    not_judged: tuple[str, ...] = ()

    @property
    def breaking(self) -> bool:
        """Whether it breaks readers, or files that were accepted before."""
        return any(change.breaks for change in self.changes)

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if self.state != "changed":
            return self.state
        return "breaking" if self.breaking else "compatible"


def judged(
    report: AuditReport,
    decision: Decision,
    personal: Collection[str],
    left_out: Collection[str] = (),
    unknown: Iterable[str] = (),
) -> Judged:
    """The verdict of an audit.

    Args:
        personal: columns that are masked in samples.
    """
    failing = {result.name: result.failing for result in report.checks}
    samples = {
        result.name: tuple(hide(dict(row), personal) for row in result.sample)
        for result in report.checks
        if result.sample
    }
    reasons = () if decision.open else decision.reasons
    return Judged(report.rejected, reasons, failing, samples, frozenset(left_out), tuple(unknown))


def counts(before: Judged, now: Judged) -> tuple[CheckCount, ...]:
    """The checks that another number of rows fails; not those that either could not judge."""
    found = []
    for name in dict.fromkeys((*before.failing, *now.failing)):
        was, are = before.failing.get(name), now.failing.get(name)
        if name not in before.left_out | now.left_out and was != are and (was or are):
            found.append(CheckCount(name, was, are, now.samples.get(name, ())))
    return tuple(found)
