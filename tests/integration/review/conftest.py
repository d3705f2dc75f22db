"""A project in a git repository, with loaded batches and published marts; and all that its warehouse holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support import reviewed
from tests.support.reviewed import Repository

RELATIONS = sa.text("""
    SELECT CAST(c.oid AS int), format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND n.nspname NOT LIKE 'pg_toast%' ORDER BY name
""")
ROWS = "SELECT count(*), md5(string_agg(CAST(t AS text), ',' ORDER BY CAST(t AS text))) FROM {} t"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sluice) -> Repository:
    """A project of which January and February are published, each without one row, and March is held."""
    root = tmp_path / "shop"
    monkeypatch.setenv("SLUICE_PROJECT", str(root))
    assert sluice("init", str(root)).code == 0
    monkeypatch.chdir(root)
    made = reviewed.begin(root)
    assert sluice("derive").code == 0
    made.commit()
    made.deliver("2024-01", [1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    made.deliver("2024-02", [5, 5, 5, 5, 5, 5, 5, 5, 5, -1])
    made.deliver("2024-03", [3, 3, 0, 0, 0])
    ran = sluice("run", "shop__orders", *("-b", "2024-01", "-b", "2024-02", "-b", "2024-03"))
    assert ran.code == 2, ran.err
    return made


@pytest.fixture
def data(engine: sa.Engine):
    """Every relation that is not PostgreSQL's own, and what it holds."""

    def read() -> list[tuple[Any, ...]]:
        with engine.connect() as connection:
            found = connection.execute(RELATIONS).tuples().all()
            return [(*each, *connection.execute(sa.text(ROWS.format(each[1]))).one()) for each in found]

    return read
