"""A project in a git repository, with loaded batches and published marts; and all that its warehouse holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sluice.cli import app
from tests.conftest import administrator, new_database, template_for
from tests.integration.conftest import connector_for
from tests.support import reviewed
from tests.support.reviewed import Repository

RELATIONS = sa.text("""
    SELECT CAST(c.oid AS int), format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND n.nspname NOT LIKE 'pg_toast%' ORDER BY name
""")
SESSIONS_END = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
ROWS = "SELECT count(*), md5(string_agg(CAST(t AS text), ',' ORDER BY CAST(t AS text))) FROM {} t"


@dataclass(frozen=True)
class Made:
    """What each test gets a copy of: the folders of a project and of its home, and a database."""

    folder: Path
    database: str


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_url: sa.URL, prefect_server: str) -> Iterator[Made]:
    """A project of which January and February are published, each without one row, and March is held."""
    folder = tmp_path_factory.mktemp("reviewed")
    root = folder / "shop"
    with new_database(postgres_url) as url, pytest.MonkeyPatch.context() as patch:
        connector_for(url).save("reviewed")
        patch.setenv("SLUICE_WAREHOUSE", "reviewed")
        patch.setenv("SLUICE_PROJECT", str(root))
        patch.setenv("SLUICE_HOME", str(folder / "home"))
        assert code_of("init", str(root)) == 0
        patch.chdir(root)
        project = reviewed.begin(root)
        assert code_of("derive") == 0
        project.commit()
        project.deliver("2024-01", [1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
        project.deliver("2024-02", [5, 5, 5, 5, 5, 5, 5, 5, 5, -1])
        project.deliver("2024-03", [3, 3, 0, 0, 0])
        assert code_of("run", "shop__orders", *("-b", "2024-01", "-b", "2024-02", "-b", "2024-03")) == 2
        patch.undo()
        with administrator(postgres_url) as connection:
            connection.execute(SESSIONS_END, {"name": url.database})  # a database with sessions is not copied
        yield Made(folder, str(url.database))


def code_of(*arguments: str) -> int:
    """How a command ends."""
    with pytest.raises(SystemExit) as stop:
        app.main(list(arguments))
    return int(stop.value.code or 0)


@pytest.fixture
def database(request: pytest.FixtureRequest, postgres_url: sa.URL) -> Iterator[sa.URL]:
    """A database for one test: with what was loaded and published, where it is for a repository."""
    named = {*request.fixturenames}
    template = (
        request.getfixturevalue("made").database if "repository" in named else template_for(request, postgres_url)
    )
    with new_database(postgres_url, template=template) as url:
        yield url


@pytest.fixture
def repository(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The project, to be changed, and its home."""
    for name in ("shop", "home"):
        shutil.copytree(made.folder / name, tmp_path / name, symlinks=True)
    root = tmp_path / "shop"
    monkeypatch.setenv("SLUICE_PROJECT", str(root))
    monkeypatch.chdir(root)
    return Repository(root)


@pytest.fixture
def data(engine: sa.Engine):
    """Every relation that is not PostgreSQL's own, and what it holds."""

    def read() -> list[tuple[Any, ...]]:
        with engine.connect() as connection:
            found = connection.execute(RELATIONS).tuples().all()
            return [(*each, *connection.execute(sa.text(ROWS.format(each[1]))).one()) for each in found]

    return read
