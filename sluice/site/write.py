"""Write the whole site: read the facts once, render every page, put it in place of the last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sluice.contract.contract import Contract
from sluice.ledger import builds
from sluice.project.datasets import contracts
from sluice.project.paths import home, project
from sluice.runs.outcomes import Summary
from sluice.site import dbt_docs, run_history
from sluice.site import folder as place
from sluice.site.facts import ledger, lineage
from sluice.site.pages import attention, commands, datasets, models, picture, wording
from sluice.site.pages.checks import share
from sluice.warehouse.warehouse import Warehouse


def write(
    warehouse: Warehouse | None,
    summary: Summary | None = None,
    run_id: str | None = None,
    known: Mapping[str, Contract] | None = None,
) -> Path:
    """Update the site from the ledger, the last dbt docs and the last runs, `summary` being the newest of them.

    Args:
        warehouse: none if it was never used; one that was opened to be looked into will do.
        known: the datasets that have a page; those of contracts/ if not given.

    Returns:
        The front page.

    Raises:
        ToolError: the disk or the database refuses; the last site stays.
    """
    if summary is not None:
        run_history.keep(home(), summary, run_id)
    known = contracts() if known is None else known
    read = ledger.read(warehouse, known)
    with place.fresh_site(home()) as folder:
        for path, page in _pages(read, known):
            target = folder / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(page, encoding="utf-8")
        docs = dbt_docs.folder() / "index.html"
        if docs.exists():
            (folder / "dbt").mkdir()
            framed = dbt_docs.framed(docs.read_bytes(), _render("dbt_docs.html", "../", {}))
            (folder / "dbt" / "index.html").write_bytes(framed)
    return place.front_page(home())


def _pages(read: ledger.Snapshot, known: Mapping[str, Contract]) -> Iterator[tuple[str, str]]:
    """Every page: its path in the site, and its text."""
    dbt = lineage.load(dbt_docs.folder() / "project.json")
    sets = [datasets.view(contract, read) for contract in known.values()]
    rows = models.commands(home(), (results[0] for results in read.dbt.values()))
    nodes = models.views(dbt, read, rows)
    common: dict[str, Any] = {
        "made": datetime.now(UTC),
        "facts": read,
        "datasets": sets,
        "known": set(known),
        "models": nodes,
        "runs": run_history.last(home()),
        "has_dbt": (dbt_docs.folder() / "index.html").exists(),
        "raw_pages": {view.node.name: view.node.page for view in nodes if view.node.kind == "source"},
        "mart_pages": {view.node.page for view in nodes if view.node.layer == "marts"},
        "unread": dbt.unread,
        "marts_schema": project().settings.schemas.marts,
    }
    urgent = attention.items(sets, nodes, read.publication, next(iter(common["runs"]), None))
    yield "index.html", _render("index.html", "", common, here="overview", attention=urgent)
    yield "run.html", _render("run.html", "", common, here="run")
    yield "lineage.html", _render("lineage.html", "", common, here="lineage", picture=picture.lineage(sets, nodes))
    for view in sets:
        yield f"datasets/{view.contract.dataset_id}.html", _render("dataset.html", "../", common, dataset=view)
    for model in nodes:
        yield f"models/{model.node.page}.html", _render("model.html", "../", common, model=model)


def _render(template: str, root: str, common: dict[str, Any], **own: Any) -> str:
    return _environment().get_template(f"{template}.j2").render(root=root, **{"here": "", **common, **own})


@cache
def _environment() -> Environment:
    """The templates; every value is escaped, in every template."""
    loader = PackageLoader("sluice.site")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= wording.FILTERS
    palette, css = (
        Markup((Path(__file__).parent / "templates" / f"{name}.css").read_text(encoding="utf-8"))
        for name in ("palette", "site")
    )
    made.globals |= {
        "version": _version(),
        "palette": palette,
        "css": css,
        "quarantine_show": commands.quarantine_show,
        "share": share,
        "until": builds.UNTIL,
    }
    return made


def _version() -> str:
    try:
        return version("sluice-elt")
    except PackageNotFoundError:
        return ""
