"""What someone should look at, worst first, each with a link to the page with details. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sluice.contract.formatting import percent
from sluice.ledger.builds import UNTIL
from sluice.site.pages.datasets import DatasetView
from sluice.site.pages.models import BAD, ModelView

ITEMS = 20
LATER = ("stale", "late")  # nothing broke: data is old
LAST = ("warned", "warn", "rolled back")
LINES = 2  # of the reason why marts were not published; the run's page has all


@dataclass(frozen=True, slots=True)
class Item:
    """One line: a verdict's word, what it is about, why, and a link."""

    word: str
    subject: str
    why: str
    link: str


def items(
    datasets: Sequence[DatasetView],
    models: Sequence[ModelView],
    publication: sa.Row | None,
    last_run: Mapping[str, Any] | None,
) -> tuple[Item, ...]:
    """Marts that were not published, closed gates and broken loads, failed tests, old data; then warnings.

    Args:
        publication: of the marts readers have now, from `ops.publications`.
        last_run: as sluice/site/run_history.py keeps it.
    """
    found: list[Item] = []
    if last_run is not None and last_run["marts"]["verdict"] == "failed":
        lines = [line.strip() for reason in last_run["marts"]["reasons"] for line in reason.splitlines()]
        found.append(Item("failed", "marts", "; ".join(lines[:LINES]), "run.html#marts"))
    found += [item for view in datasets for item in _of_dataset(view)]
    reported = {view.contract.dataset_id for view in datasets}  # by its dataset: how old a source is
    found += [item for model in models for item in _of_model(model, reported)]
    if publication is not None and publication.kind == "rollback":
        why = f"since {publication.published_at:%Y-%m-%d %H:%M}, {UNTIL}"
        found.append(Item("rolled back", "marts", why, "run.html#marts"))
    found.sort(key=lambda item: (item.word in (*LATER, *LAST), item.word in LAST))
    return tuple(found[:ITEMS])


def _of_dataset(view: DatasetView) -> Iterable[Item]:
    name = view.contract.dataset_id
    page = f"datasets/{name}.html"
    if view.fault:
        yield Item("failed", name, view.fault, f"{page}#contract")
    for load in view.held:
        failing = [
            (check, incident)
            for check in view.checks
            for incident in check.incidents
            if incident.batch == load.batch and incident.outcome in ("failed", "errored")
        ]
        for check, incident in failing:
            limit = f" (tolerance {percent(check.tolerance)})" if check.tolerance is not None else ""
            why = f"{percent(incident.share)} of rows fail {check.name}{limit}"
            yield Item(incident.outcome, f"{name} {load.batch}", why, f"{page}#{check.anchor}")
        if not failing:
            more = "quarantine" if load is view.newest else "ledger"
            yield Item("held", f"{name} {load.batch}", "; ".join(load.reasons), f"{page}#{more}")
    if view.verdict in ("failed", "abandoned") and view.newest is not None:
        yield Item(view.verdict, f"{name} {view.newest.batch}", "; ".join(view.newest.reasons), f"{page}#ledger")
    if view.age is not None and view.published is not None and view.age.verdict != "fresh":
        why = f"the newest published batch, {view.published.batch}, ended {view.age.days:,} days ago"
        yield Item(view.age.verdict, name, why, page)
    if view.newest is not None and view.newest.warnings:
        yield Item("warned", f"{name} {view.newest.batch}", "; ".join(view.newest.warnings), f"{page}#checks")


def _of_model(model: ModelView, reported: set[str]) -> Iterable[Item]:
    page = f"models/{model.node.page}.html"
    if model.verdict in BAD or (model.verdict in LATER and model.node.name not in reported):
        yield Item(model.verdict, model.node.name, _first_line(model.result.message), page)  # type: ignore[union-attr]
    for test in model.tests:
        if test.result is not None and test.result.status in (*BAD, "warn"):
            why = f"{test.test.name}: {_first_line(test.result.message)}"
            yield Item(test.result.status, model.node.name, why, f"{page}#tests")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
