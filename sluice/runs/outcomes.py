"""What came of a run, as frozen values. How Prefect's UI shows it is in sluice/runs/prefect_records.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sluice.contract.errors import BusyError, SluiceError
from sluice.contract.formatting import folded, percent, span
from sluice.contract.gate import AuditReport, Decision
from sluice.marts.dbt.results import DbtRun
from sluice.project.marts.chosen import no_marts

if TYPE_CHECKING:
    from sluice.marts.build import Built
    from sluice.runs.plan import Delivery


class Verdict(StrEnum):
    """What became of a batch, or of the marts, in one run. The machine's words: `shown` gives the console's."""

    PUBLISHED = "published"
    HELD = "held"
    RELEASED = "released"  # it was held, and published by manual override
    FAILED = "failed"
    BUSY = "busy"  # another run has the dataset
    UNCHANGED = "unchanged"  # nothing new
    NOT_DELIVERED = "not_delivered"  # no file yet, of a batch that nobody named
    NOT_BUILT = "not_built"  # of marts, where the flow left them out

    @property
    def shown(self) -> str:
        """As people read it."""
        return self.replace("_", " ")


EXPECTED = (SluiceError,)  # a run reports these and continues; anything else is a bug, and crashes it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one batch."""

    dataset_id: str
    batch: str
    verdict: Verdict
    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    exit_code: int = 0
    blank_lines: int = 0

    @classmethod
    def unchanged(cls, delivery: Delivery) -> Outcome:
        return cls(delivery.contract.dataset_id, delivery.batch, Verdict.UNCHANGED)

    @classmethod
    def not_delivered(cls, delivery: Delivery) -> Outcome:
        return cls(delivery.contract.dataset_id, delivery.batch, Verdict.NOT_DELIVERED)

    @classmethod
    def published(cls, delivery: Delivery, audit: AuditReport, decision: Decision, blank_lines: int = 0) -> Outcome:
        return cls._audited(delivery, Verdict.PUBLISHED, audit, decision, 0, blank_lines)

    @classmethod
    def held(cls, delivery: Delivery, audit: AuditReport, decision: Decision, blank_lines: int = 0) -> Outcome:
        return cls._audited(delivery, Verdict.HELD, audit, decision, 2, blank_lines)

    @classmethod
    def broken(cls, delivery: Delivery, error: SluiceError) -> Outcome:
        verdict = Verdict.BUSY if isinstance(error, BusyError) else Verdict.FAILED
        reason = error.reason(delivery.contract.dataset_id, delivery.batch)
        return cls(delivery.contract.dataset_id, delivery.batch, verdict, reasons=(reason,), exit_code=error.exit_code)

    @classmethod
    def _audited(
        cls,
        delivery: Delivery,
        verdict: Verdict,
        audit: AuditReport,
        decision: Decision,
        exit_code: int,
        blank_lines: int,
    ) -> Outcome:
        subject = (delivery.contract.dataset_id, delivery.batch, verdict)
        counts = (audit.rows, audit.accepted, audit.rejected)
        return cls(*subject, *counts, decision.reasons, decision.warnings, exit_code, blank_lines)

    @property
    def message(self) -> str:
        """One line that says why it was not published, and what to do next."""
        subject = f"{self.dataset_id} {self.batch}"
        if self.verdict is not Verdict.HELD:
            return f"{subject}: {'; '.join(self.reasons)}"
        closed = "; ".join(self.reasons)
        return f"{subject}: gate closed: {closed}. See them: sluice quarantine show {self.dataset_id} {self.batch}"


@dataclass(frozen=True, slots=True)
class Marts:
    """What became of the marts.

    Attributes:
        layers: dbt's nodes by layer: models, tests, and of both those that warned, and that failed.
        compared: each mart that is other than the one readers had, as one sentence.
        models: the marts that readers now have, by name.
    """

    verdict: Verdict
    side: str | None = None
    layers: tuple[tuple[str, int, int, int, int], ...] = ()
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    exit_code: int = 0
    compared: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    @classmethod
    def unchanged(cls, warnings: tuple[str, ...] = ()) -> Marts:
        return cls(Verdict.UNCHANGED, warnings=warnings)

    @classmethod
    def not_built(cls) -> Marts:
        return cls(Verdict.NOT_BUILT)

    @classmethod
    def published(cls, built: Built, warnings: tuple[str, ...] = ()) -> Marts:
        compared = tuple(str(mart) for mart in built.compared if mart.differs)
        if not built.models:
            warnings = (*warnings, no_marts())
        layers = layers_of(built.run)
        return cls(Verdict.PUBLISHED, built.side, layers, warnings=warnings, compared=compared, models=built.models)

    @classmethod
    def failed(cls, error: SluiceError) -> Marts:
        run = getattr(error, "run", None)
        layers = layers_of(run) if run else ()
        return cls(Verdict.FAILED, layers=layers, reasons=(str(error),), exit_code=error.exit_code)


def layers_of(run: DbtRun) -> tuple[tuple[str, int, int, int, int], ...]:
    """(layer, models, tests, warnings, failed) of a dbt run, in the order the data takes.

    A test counts where its node is.
    """
    layers = {name: [0, 0, 0, 0] for name in ("seeds", "staging", "intermediate", "marts")}
    for node in run.nodes:
        if node.resource_type == "exposure":
            continue
        counts = layers.setdefault(node.layer, [0, 0, 0, 0])
        counts[1 if node.resource_type in ("test", "unit_test") else 0] += 1
        counts[2] += node.status == "warn"
        counts[3] += node.failed
    return tuple((name, *counts) for name, counts in layers.items() if sum(counts))  # type: ignore[misc]


class RunFailed(SluiceError):
    """A run that did not do all it was to do. Carries its summary; `exit_code` is that of the worst."""

    def __init__(self, message: str, summary: Summary, exit_code: int) -> None:
        super().__init__(message)
        self.summary = summary
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run.

    Attributes:
        site: the front page; if it could not be written, `warnings` say why.
        stale: which sources are too old, one sentence each.
    """

    outcomes: tuple[Outcome, ...]
    marts: Marts
    site: str | None = None
    warnings: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    def __str__(self) -> str:
        verdicts = Counter(outcome.verdict for outcome in self.outcomes)
        batches = ", ".join(f"{count} {verdict.shown}" for verdict, count in verdicts.items())
        warn = sum(layer[3] for layer in self.marts.layers)
        warnings = f", {warn} dbt test{' warns' if warn == 1 else 's warn'}" if warn else ""
        return f"{batches or 'no batch'}; marts: {self.marts.verdict.shown}{warnings}"

    def raise_worst(self) -> None:
        """Raise RunFailed if anything was not published. A broken tool outweighs bad data, bad data a busy one."""
        bad = [outcome for outcome in self.outcomes if outcome.exit_code]
        messages = [outcome.message for outcome in bad] + list(self.marts.reasons)
        if messages:
            codes = {outcome.exit_code for outcome in bad} | ({self.marts.exit_code} - {0})
            raise RunFailed("\n".join(messages), self, next(c for c in (5, 3, 2, 4) if c in codes))

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "batches": [asdict(outcome) for outcome in self.outcomes],
            "marts": asdict(self.marts),
            "site": self.site,
            "warnings": list(self.warnings),
            "stale": list(self.stale),
        }


def in_short(error: BaseException) -> str:
    """One line of an error that a warning can hold."""
    text = str(error).strip().splitlines()
    what = text[0][:300] if text else "no reason given"
    return what if isinstance(error, SluiceError) else f"{type(error).__name__}: {what}"


def run_name() -> str:
    """The flow run's name: which datasets and batches it was asked for."""
    from prefect.runtime import flow_run

    asked = flow_run.get_parameters()
    return name_of(asked.get("datasets"), asked.get("batches"))


def name_of(datasets: Sequence[str] | None, batches: Sequence[str] | None) -> str:
    """A run's name, by what it was asked for."""
    return f"{','.join(datasets or ['all datasets'])} {','.join(batches or ['what is new'])}"[:200]


def _shown(outcome: Outcome, batch: str) -> dict[str, str]:
    numbers = [f"{n:,}" if outcome.rows else "" for n in (outcome.rows, outcome.accepted, outcome.rejected)]
    share = percent(outcome.rejected / outcome.rows) if outcome.rows else ""
    names = ("dataset", "batch", "verdict", "read", "accepted", "rejected", "share rejected")
    return dict(zip(names, (outcome.dataset_id, batch, outcome.verdict.shown, *numbers, share), strict=True))


def rows_of(summary: Summary) -> Sequence[dict[str, str]]:
    """The outcomes as the console's table shows them."""
    return [_shown(group[0], span([each.batch for each in group])) for group in by_line(summary.outcomes)]


def by_line(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """The outcomes of each line that is shown: one, or all of a dataset to which nothing happened, if they are many."""
    quiet = (Verdict.UNCHANGED, Verdict.NOT_DELIVERED)
    return folded(outcomes, lambda one: (one.dataset_id, one.verdict) if one.verdict in quiet else None)
