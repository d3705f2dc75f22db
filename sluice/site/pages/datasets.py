"""What the pages of datasets show, shaped from contracts and facts. Pure: reads and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from markupsafe import Markup

from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.version import version_of
from sluice.contract.contract import Contract
from sluice.contract.errors import ContractError
from sluice.contract.freshness import Age, age_of
from sluice.site.facts.ledger import Snapshot
from sluice.site.pages import plots
from sluice.site.pages.checks import CheckView, anchor
from sluice.site.pages.checks import views as views_of_checks
from sluice.site.pages.plots import Point

FEW = 18  # slots of the wide plot, at least: bars of two batches need not be as wide as the page


@dataclass(frozen=True, slots=True)
class DatasetView:
    """One dataset. `batches` are its last 30, `newest` among them, `age` that of its newest published one.

    `fault` says why no batch can be held against its contract (it has no checks, for one), which then has no version.
    """

    contract: Contract
    version: str
    fault: str
    newest: sa.Row | None
    published: sa.Row | None
    age: Age | None
    batches: tuple[sa.Row, ...]
    loads: tuple[sa.Row, ...]
    checks: tuple[CheckView, ...]
    reasons: tuple[tuple[str, str, int], ...]  # reason, anchor of its check, rows
    rows_plot: Markup
    rows_plot_wide: Markup
    share_plot: Markup

    @property
    def held(self) -> list[sa.Row]:
        """Batches whose gate is closed."""
        return [row for row in self.batches if row.status == "held"]

    @property
    def verdict(self) -> str:
        return self.newest.status if self.newest is not None else "no batch yet"


def view(contract: Contract, facts: Snapshot) -> DatasetView:
    """Everything of one dataset."""
    name = contract.dataset_id
    batches = facts.batches.get(name, [])
    newest = batches[-1] if batches else None
    published = facts.published.get(name)
    points = [Point(row.batch, float(row.rows_read or 0), float(row.rows_rejected or 0), row.status) for row in batches]
    shares = [Point(p.label, p.part / p.value if p.value else 0, state=p.state) for p in points]
    cap = contract.gate.max_rejected
    reasons = facts.reasons.get(newest.load_id, []) if newest is not None else []
    declared, fault = _declared(contract)
    return DatasetView(
        contract=contract,
        version="" if fault else version_of(contract),
        fault=fault,
        newest=newest,
        published=published,
        age=age_of(contract, published.batch) if published is not None else None,
        batches=tuple(batches),
        loads=tuple(facts.loads.get(name, ())),
        checks=views_of_checks(contract, declared, facts),
        reasons=tuple((reason, anchor(reason), count) for reason, count in reasons),
        rows_plot=plots.rows(points, f"Rows of {name} by batch"),
        rows_plot_wide=plots.rows(points, f"Rows of {name} by batch", 720, 110, max(FEW, len(points))),
        share_plot=plots.shares(shares, f"Share of rows of {name} in quarantine by batch", cap),
    )


def _declared(contract: Contract) -> tuple[tuple[Check, ...], str]:
    """The checks of the contract, or what is wrong with them: with one faulty contract there is still a site."""
    files = contract.files.batches
    try:
        return checks_of(contract, files.first), ""
    except ContractError as error:
        return (), str(error)
