"""The static pages that people browse, made at the end of a run; they need no server."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import ToolError
from flows import dbt_run
from flows.warehouse import MARTS, Warehouse, home


def docs_page(folder: Path | None = None) -> Path:
    """Where the dbt docs page is."""
    return (folder or home()) / "site" / "dbt" / "index.html"


def write_docs(warehouse: Warehouse, side: str) -> Path:
    """Write dbt's docs of one side as one page that opens from `file://`. It shows the name readers use, `marts`.

    Raises:
        ToolError: dbt could not write them.
    """
    run = dbt_run.run_dbt(
        ["docs", "generate", "--static"],
        url=warehouse.url,
        side=side,
        target=warehouse.target,
        home=home(),
        project=dbt_run.PROJECT,
    )
    written = run.target_path / "static_index.html"
    if not written.exists():
        raise ToolError(f"dbt wrote no docs page; see {run.log}")
    page = docs_page()
    page.parent.mkdir(parents=True, exist_ok=True)
    fresh = page.with_suffix(".new")
    text = written.read_text(encoding="utf-8").replace(side, MARTS)
    for place in (home(), dbt_run.PROJECT.parent, Path.home()):  # the page may be put on the web
        text = text.replace(f"{place}/", "")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(page)
    return page
