"""What the marts are made of: the published loads, and the dbt project. Reads the ledger and the project's files."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from flows import dbt_run, ledger

PROJECT_FILES = ("*.sql", "*.yml", "*.csv", "*.md")
NOT_PROJECT = {"target", "logs", "dbt_packages"}


def loads(connection: sa.Connection) -> list[int]:
    """Numbers of the published loads, in order."""
    batches = ledger.batches
    published = sa.select(batches.c.load_id).where(batches.c.status == "published").order_by(batches.c.load_id)
    return [int(load) for load in connection.scalars(published)]


def project() -> str:
    """Fingerprint of the dbt project."""
    digest = sha256()
    for file in files():
        digest.update(str(file.relative_to(dbt_run.PROJECT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def fingerprint(loads: Sequence[int], project: str) -> str:
    """Fingerprint of both together."""
    return sha256(f"{','.join(map(str, loads))} {project}".encode()).hexdigest()


def files() -> list[Path]:
    """The dbt project's own files, in order."""
    return sorted(path for pattern in PROJECT_FILES for path in _files(pattern))


def _files(pattern: str) -> list[Path]:
    found = dbt_run.PROJECT.rglob(pattern)
    return [path for path in found if not NOT_PROJECT & set(path.relative_to(dbt_run.PROJECT).parts)]
