"""`dbt deps`, run when a project's packages are not the ones that were installed last."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.environment import DbtPlace
from sluice.project.atomic import write_text

LISTS = ("packages.yml", "dependencies.yml")
LOCK = "package-lock.yml"  # which dbt writes


def install(place: DbtPlace) -> bool:
    """Install what the project lists, where that is needed. Returns whether it was.

    Raises:
        ToolError: dbt could not install them.
    """
    if not any((place.project / name).exists() for name in LISTS):
        return False
    note = place.home / "dbt" / "packages.sha256"
    there = any((place.project / name).is_dir() for name in ("dbt_packages", "dbt_modules"))
    if there and note.exists() and note.read_text(encoding="utf-8") == _digest(place.project):
        return False
    dbt_run.run_dbt(["deps"], place)
    write_text(note, _digest(place.project))
    return True


def _digest(project: Path) -> str:
    return sha256(b"\0".join(_contents(project))).hexdigest()


def _contents(project: Path) -> Iterator[bytes]:
    for name in (*LISTS, LOCK):
        path = project / name
        yield path.read_bytes() if path.exists() else b"-"
