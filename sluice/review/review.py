"""What a change of the project changes, all in one: asked of git, the warehouse and dbt, as plain values."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sluice.contract.errors import DataError
from sluice.ledger.reading import read_only
from sluice.marts.difference.difference import json_value
from sluice.project import paths
from sluice.review import base as bases
from sluice.review import contracts, models
from sluice.review.models import ModelChanges
from sluice.review.verdicts import BatchVerdict, ContractChange, Judged
from sluice.warehouse.connection import look_into_warehouse
from sluice.warehouse.engine import Capability
from sluice.warehouse.spark.connection import choice


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """What is asked for.

    Attributes:
        base: a branch or commit; the main branch if not given.
        batches: how many of the last batches of each changed contract are judged.
        max_rejected: share of a batch's rows that may be rejected, where more are than before.
        models: whether to build and compare the models that changed.
        keep: whether to leave what was built.
    """

    base: str | None = None
    batches: int = 3
    max_rejected: float | None = None
    models: bool = True
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """The project against a commit.

    Attributes:
        base: what the user compares with.
        commit: the commit that it was.
        models: None if they were not asked for.
        reasons: why the change needs a look before it is merged, one sentence each.
    """

    base: str
    commit: str
    contracts: tuple[ContractChange, ...]
    models: ModelChanges | None
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        failed = self.models.exit_code if self.models is not None else 0
        return failed or (DataError.exit_code if self.reasons else 0)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "base": self.base,
            "commit": self.commit,
            "contracts": [_contract(each) for each in self.contracts],
            "models": None if self.models is None else _models(self.models),
            "exceeded": bool(self.reasons),
            "reasons": list(self.reasons),
        }


def of_project(request: ReviewRequest) -> Review:
    """Compare the project, as its files are now, with where it leaves a branch or commit.

    Raises:
        ConfigError: git has no such commit, or the contracts cannot be loaded.
        BusyError: another review builds models.
        ToolError: the warehouse failed, or dbt cannot read the project.
    """
    choice.need(Capability.DIFF)
    with (
        bases.unpacked(paths.root(), request.base) as base,
        tempfile.TemporaryDirectory(prefix="sluice-dbt-") as folder,
    ):
        warehouse = read_only(look_into_warehouse())
        was = contracts.as_they_were(base)
        changed = contracts.changed(was, warehouse, request.batches)
        found = None
        if request.models:
            personal = {column.name for contract in was.values() for column in contract.columns if column.pii}
            found = models.compare(base, warehouse, personal, Path(folder), request.keep)
        return Review(base.ref, base.commit, changed, found, tuple(_reasons(changed, found, request.max_rejected)))


def _reasons(
    changed: tuple[ContractChange, ...], found: ModelChanges | None, max_rejected: float | None
) -> Iterator[str]:
    for contract in changed:
        for batch in contract.batches:
            yield from (f"{contract.dataset} {reason}" for reason in batch.reasons(max_rejected))
    if found is not None:
        if found.failures:
            yield ": ".join(line.strip() for line in found.failures.splitlines()[:2])
        yield from found.reasons


def _models(found: ModelChanges) -> dict[str, Any]:
    facts = {name: getattr(found, name) for name in ("built", "failures")}
    lists = {name: list(getattr(found, name)) for name in ("changed", "gone", "downstream", "notes")}
    return {**facts, **lists, "marts": [json_value(asdict(mart)) for mart in found.marts]}


def _contract(change: ContractChange) -> dict[str, Any]:
    changes = [{"what": each.what, "breaks": list(each.breaks)} for each in change.changes]
    return {
        "dataset": change.dataset,
        "state": change.state,
        "breaking": change.breaking,
        "changes": changes,
        "batches": [_batch(each) for each in change.batches],
        "not_judged": list(change.not_judged),
    }


def _batch(batch: BatchVerdict) -> dict[str, Any]:
    facts = {name: getattr(batch, name) for name in ("batch", "load", "status", "rows")}
    checks = [asdict(each) for each in batch.checks]
    both = {"before": _judged(batch.before), "now": _judged(batch.now)}
    return {**facts, **both, "checks": checks, "not_judged": list(batch.not_judged)}


def _judged(verdict: Judged | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {"rejected": verdict.rejected, "gate_open": not verdict.reasons, "reasons": list(verdict.reasons)}
