"""What a change of the project changes, all in one: asked of git, the warehouse and dbt, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sluice.ledger.reading import read_only
from sluice.project import paths
from sluice.review import base as bases
from sluice.review import contracts
from sluice.review.verdicts import BatchVerdict, ContractChange, Judged
from sluice.warehouse.connection import look_into_warehouse


@dataclass(frozen=True, slots=True)
class Review:
    """The project against a commit.

    Attributes:
        base: what the user compares with.
        commit: the commit that it was.
        reasons: why the change needs a look before it is merged, one sentence each.
    """

    base: str
    commit: str
    contracts: tuple[ContractChange, ...]
    reasons: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "base": self.base,
            "commit": self.commit,
            "contracts": [_contract(each) for each in self.contracts],
            "exceeded": bool(self.reasons),
            "reasons": list(self.reasons),
        }


def of_project(ref: str | None, batches: int, max_rejected: float | None) -> Review:
    """Compare the project, as its files are now, with where it leaves a branch or commit.

    Args:
        ref: the branch or commit; the main branch if not given.
        batches: how many of the last batches of each changed contract are judged.
        max_rejected: share of a batch's rows that may be rejected, where more are than before.

    Raises:
        ConfigError: git has no such commit, or the contracts cannot be loaded.
        ToolError: the warehouse failed.
    """
    with bases.unpacked(paths.root(), ref) as base:
        warehouse = read_only(look_into_warehouse())
        changed = contracts.changed(base, warehouse, batches)
        return Review(base.ref, base.commit, changed, tuple(_reasons(changed, max_rejected)))


def _reasons(changed: tuple[ContractChange, ...], max_rejected: float | None) -> Iterator[str]:
    for contract in changed:
        for batch in contract.batches:
            yield from (f"{contract.dataset} {reason}" for reason in batch.reasons(max_rejected))


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
