"""dbt's own docs, with its lineage graph, as one page; and what the site keeps of dbt's manifest and catalog.

Made when the marts were published; the last ones stay until then.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sluice import memory
from sluice.contract.errors import ToolError
from sluice.marts.dbt import run as dbt_run
from sluice.project import dbt_manifest, fingerprints, paths
from sluice.project.atomic import replacing, write_text
from sluice.project.paths import home
from sluice.site.facts import lineage
from sluice.warehouse.warehouse import Warehouse


def folder() -> Path:
    """Where they are kept between runs."""
    return home() / "dbt" / "docs"


def write_docs(warehouse: Warehouse, side: str) -> tuple[str, ...]:
    """Write dbt's docs of one side as one page that opens from `file://`. It shows the name readers use, `marts`.

    Those of the same dbt project, of the same dbt and Sluice, stay: they would say the same of either side.

    Returns:
        A warning, if columns have lost their lineage since the docs were written last.

    Raises:
        ToolError: dbt could not write them.
    """
    written_for = _versions(warehouse, side)
    if written_for is not None and written_for == _kept().get("written_for"):
        return ()
    run = dbt_run.run_dbt(["docs", "generate", "--static"], dbt_run.on_side(warehouse, side))
    written = run.target_path / "static_index.html"
    if not written.exists():
        raise ToolError(f"dbt did not write its docs page; see {run.log}")
    kept = lineage.extract(
        run.target_path / "manifest.json", run.target_path / "catalog.json", side, warehouse.schemas.marts
    )
    path, before = folder() / "project.json", _kept() or {"nodes": {}}
    with replacing(folder() / "index.html") as fresh:
        fresh.write_bytes(_as_readers_know_it(written.read_bytes(), warehouse, side))
    write_text(path, json.dumps({**kept, "tests_of": fingerprints.project(), "written_for": written_for}))
    memory.give_back()
    return lineage.lost(before, kept)


def _as_readers_know_it(page: bytes, warehouse: Warehouse, side: str) -> bytes:
    """The page with the names that readers use, and without folders of this machine: it may be put on the web.

    As bytes: one picture among its characters makes a text of it four times as large.
    """
    for each in sorted(warehouse.schemas.built, key=len, reverse=True):
        page = page.replace(warehouse.schemas.on_side(each, side).encode(), each.encode())
    for place in (home(), paths.root(), Path.home()):
        page = page.replace(f"{place}/".encode(), b"")
    return page


def _kept() -> dict[str, Any]:
    """What was written last, if its page is there too."""
    path = folder() / "project.json"
    if not path.exists() or not (folder() / "index.html").exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _versions(warehouse: Warehouse, side: str) -> list[str] | None:
    """What docs of the side would be made from; None if that is not known, and they are written."""
    try:
        manifest = json.loads((dbt_run.on_side(warehouse, side).target_path / "manifest.json").read_text("utf-8"))
        dbt = str(manifest["metadata"]["dbt_version"])
    except (OSError, ValueError, KeyError):
        return None
    return [fingerprints.project(), fingerprints.code(), dbt, warehouse.schemas.marts]


def has_current_tests() -> bool:
    """Whether `renew_tests` has nothing to do: the site knows the tests of the dbt project, or shows no models yet."""
    path = folder() / "project.json"
    return not path.exists() or json.loads(path.read_text(encoding="utf-8")).get("tests_of") == fingerprints.project()


def renew_tests(warehouse: Warehouse) -> None:
    """Let the site know the tests that the dbt project has now, also one that is newer than the marts.

    Models, columns and lineage stay as they were documented, for these are what readers have. Opens no connection, and
    reads the project only if it changed since.

    Raises:
        SluiceError: dbt cannot read the project; the site shows the tests it had.
    """
    if has_current_tests():
        return
    path, now = folder() / "project.json", fingerprints.project()
    kept = json.loads(path.read_text(encoding="utf-8"))
    run = dbt_run.run_dbt(["parse"], dbt_run.on_side(warehouse, "site"))  # no side: a build may be using its folder
    tests = dbt_manifest.tests_of(run.artifact("manifest"))
    for unique_id, node in kept["nodes"].items():
        node["tests"] = tests.get(unique_id, [])
    write_text(path, json.dumps({**kept, "tests_of": now}))


def framed(page: bytes, frame: str) -> bytes:
    """dbt's page with the site's frame: its colours by night, its width on a phone, the way back.

    Args:
        frame: what takes the place of the end of its head. A page that has no such place stays as it is.
    """
    script, place, body = page.rpartition(b"</script></head><body>")
    script = script.replace(b"</script", b"<\\/script")  # in a description or a query, it would end dbt's script
    return script + b"</script>" + frame.encode() + body if place else page
