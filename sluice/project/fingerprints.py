"""Fingerprints of what a load is made by: Sluice's code and the dbt project."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sluice.project import paths

ENGINE = Path(__file__).parents[1]
PROJECT_FILES = ("*.sql", "*.yml", "*.csv", "*.md")
NOT_PROJECT = {"target", "logs", "dbt_packages"}


@cache
def code() -> str:
    """Sluice's version, and twelve hexadecimal digits over its source: `0.1.0+3fa85f6457ab`."""
    digest = _digest(ENGINE, sorted(ENGINE.rglob("*.py")))
    try:
        return f"{version('sluice-elt')}+{digest[:12]}"
    except PackageNotFoundError:  # run from a folder, installed nowhere
        return digest[:12]


def project() -> str:
    """Fingerprint of the dbt project."""
    return _digest(paths.dbt_project(), project_files())


def project_files() -> list[Path]:
    """The dbt project's own files, in order."""
    return sorted(path for pattern in PROJECT_FILES for path in _files(pattern))


def _files(pattern: str) -> list[Path]:
    found = paths.dbt_project().rglob(pattern)
    return [path for path in found if not NOT_PROJECT & set(path.relative_to(paths.dbt_project()).parts)]


def _digest(root: Path, files: Iterable[Path]) -> str:
    digest = sha256()
    for file in files:
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
