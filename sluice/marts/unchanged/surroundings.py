"""What the nodes of a project are built from beside their own text: loads, versions, environment."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.ledger.tables import batches
from sluice.marts.unchanged import steady
from sluice.marts.unchanged.inputs import Nodes
from sluice.project import fingerprints, paths
from sluice.project.datasets import contracts
from sluice.warehouse.postgres import catalog

ENV_VAR = re.compile(r"env_var\(\s*['\"](\w+)")
OF_SESSION = ("PGOPTIONS", "PGTZ", "TZ", "PGCLIENTENCODING", "PGDATESTYLE")


def nodes(connection: sa.Connection, manifest: Mapping[str, Any], loads: Sequence[int] | None = None) -> Nodes:
    """The nodes, and what they are built from.

    Args:
        loads: those that were published before; a source of which one came or went since is not known.
    """
    facts = {
        "dbt": manifest["metadata"]["dbt_version"],
        "adapter": version_of("dbt-postgres"),
        "executable": _executable(),
        "sluice": fingerprints.code(),
        "server": connection.dialect.server_version_info,
        "configuration": _configuration(),
        "environment": environment(manifest),
        "session": {name: os.environ.get(name) for name in OF_SESSION},
        "flags": {
            name: value for name, value in os.environ.items() if name.startswith("DBT_") and "SECRET" not in name
        },
    }
    around = json.dumps(facts, sort_keys=True, default=str)
    return Nodes(manifest, _sources(connection, manifest, loads), around, paths.dbt_project())


def _sources(connection: sa.Connection, manifest: Mapping[str, Any], before: Sequence[int] | None) -> dict[str, str]:
    """What the rows of each source are that is a dataset: its published loads, and its table. No other is known."""
    loads: dict[str, list[int]] = {}
    query = sa.select(batches.c.dataset, batches.c.load_id).where(batches.c.status == "published")
    for dataset, load_id in connection.execute(query.order_by(batches.c.load_id)).tuples():
        loads.setdefault(dataset, []).append(load_id)
    moved = set(before or ()) ^ {each for ids in loads.values() for each in ids} if before is not None else set()
    of_moved = sa.select(batches.c.dataset).where(batches.c.load_id.in_(moved))
    changed = set(connection.scalars(of_moved)) if moved else set()
    staging = paths.project().settings.schemas.staging
    shapes = catalog.shapes(connection, staging)
    return {
        name: json.dumps([source["identifier"], loads.get(source["identifier"], []), shapes[source["identifier"]]])
        for name, source in manifest["sources"].items()
        if source["schema"] == staging and source["identifier"] in ({*contracts()} & {*shapes}) - changed
    }


def _configuration() -> dict[str, str]:
    """What dbt's own files say beside the nodes: variables, dispatch, flags; of packages, too; and the profile."""
    project = paths.dbt_project()
    # Not by the whole path: a deployment may fetch the project into another folder each night
    files = {str(file.relative_to(project)): file for file in sorted(project.glob("dbt_packages/*/dbt_project.yml"))}
    files |= {f"profiles: {file.name}": file for file in _profiles()}
    files["dbt_project.yml"] = project / "dbt_project.yml"
    return {name: fingerprints.meaning(file).decode(errors="replace") for name, file in files.items() if file.exists()}


def _profiles() -> list[Path]:
    return sorted(Path(paths.profiles()).glob("*.yml"))


def environment(manifest: Mapping[str, Any]) -> dict[str, str | None]:
    """The variables that the files of the project name, and nodes and macros of packages, but for those of Sluice."""
    files = [*fingerprints.project_files(), *_profiles()]
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    texts += [node.get("raw_code") or "" for node in manifest["nodes"].values()]
    texts += [macro["macro_sql"] for macro in manifest["macros"].values() if not steady.is_of_dbt(macro)]
    names = {name for text in texts for name in ENV_VAR.findall(text)}
    return {n: os.environ.get(n) for n in sorted(names) if not n.startswith(("SLUICE_", "DBT_ENV_SECRET_SLUICE_"))}


def _executable() -> list[object]:
    named = paths.project().settings.dbt_executable
    return [] if named is None else [str(named), named.stat().st_mtime_ns if named.exists() else None]


def version_of(package: str) -> str:
    """Of an installed package; empty if it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
