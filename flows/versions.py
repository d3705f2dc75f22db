"""Versions of what a load is made by: Sluice's code, and the dbt project. A contract's is contracts/version.py."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flows import dbt_run

CODE = (Path(__file__).parent, Path(__file__).parents[1] / "contracts")
PROJECT_FILES = ("*.sql", "*.yml", "*.csv", "*.md")
NOT_PROJECT = {"target", "logs", "dbt_packages"}


@cache
def code() -> str:
    """Sluice's version, and twelve hexadecimal digits over its source: `0.1.0+3fa85f6457ab`."""
    digest = _digest(CODE[0].parent, (path for folder in CODE for path in sorted(folder.rglob("*.py"))))
    try:
        return f"{version('sluice')}+{digest[:12]}"
    except PackageNotFoundError:  # run from a folder, installed nowhere
        return digest[:12]


def project() -> str:
    """Fingerprint of the dbt project."""
    return _digest(dbt_run.PROJECT, project_files())


def project_files() -> list[Path]:
    """The dbt project's own files, in order."""
    return sorted(path for pattern in PROJECT_FILES for path in _files(pattern))


def _files(pattern: str) -> list[Path]:
    found = dbt_run.PROJECT.rglob(pattern)
    return [path for path in found if not NOT_PROJECT & set(path.relative_to(dbt_run.PROJECT).parts)]


def _digest(root: Path, files: Iterable[Path]) -> str:
    digest = sha256()
    for file in files:
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
