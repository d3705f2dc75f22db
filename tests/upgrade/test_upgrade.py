"""What an older version left behind goes on being used: its warehouse, its `.sluice`, and its Prefect home."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg2
import pytest

from sluice.project.init.write import init
from sluice.warehouse import embedded
from tests.support.repository import ROOT

pytestmark = pytest.mark.long
KEPT = sorted(folder for folder in (ROOT / "tests/upgrade").glob("*/kept"))
OLD_FOLDER = "/tmp/sluice-{version}"  # where the older version worked; what was kept names it
PUBLISHED = "select load_id, dataset, batch, contract_version from ops.batches where status = 'published' order by 1"
# What is held is looked at again in each run, by every version: its newest load has the same contract and verdict.
HELD = "select dataset, batch, contract_version from ops.batches where status = 'held'"
BUILDS = "select build_id, status, coalesce(refreshed, '{}') from ops.builds order by build_id"
MARTS = "select trip_id, fare_amount_usd from marts.fct_trips order by 1"
OPEN = "select subject, kind, times_seen > 0 from ops.incidents where resolved_at is null"


class Upgraded:
    """A project of this version over what an older one left, and the command line there."""

    def __init__(self, kept: Path, folder: Path) -> None:
        self.folder = folder
        old = OLD_FOLDER.format(version=kept.parent.name)
        with tarfile.open(kept / "home.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        init(folder / "project", example="taxi")
        with gzip.open(kept / "prefect.sql.gz", "rt") as dump, sqlite3.connect(folder / "prefect/prefect.db") as made:
            made.executescript(dump.read().replace(old, str(folder)))
        self.url = embedded.start(folder / ".sluice").set(username="postgres")  # as which older versions worked
        with gzip.open(kept / "warehouse.sql.gz", "rt") as dump:
            self._execute(dump.read().replace(old, str(folder)))
        (folder / "user").mkdir()
        theirs = {name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "PREFECT_"))}
        self.environment = {
            **theirs,
            "HOME": str(folder / "user"),
            "SLUICE_HOME": str(folder / ".sluice"),
            "PREFECT_HOME": str(folder / "prefect"),
        }

    def _execute(self, statements: str) -> None:
        with psycopg2.connect(**self._where()) as connection, connection.cursor() as cursor:
            cursor.execute(statements)

    def _where(self) -> dict[str, str]:
        return {
            "host": str(self.url.query["host"]),
            "port": str(self.url.query["port"]),
            "user": str(self.url.username),
            "dbname": str(self.url.database),
        }

    def rows(self, query: str) -> Sequence[tuple[object, ...]]:
        with psycopg2.connect(**self._where()) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command, cwd=self.folder / "project", env=self.environment, capture_output=True, text=True
        )

    def run(self, dataset: str) -> subprocess.CompletedProcess[str]:
        said = self.command("sluice", "run", dataset, "--url", f"{self.folder}/files/{{entity}}_{{batch}}.parquet")
        assert "Traceback" not in said.stderr, said.stderr
        return said


@pytest.fixture(params=KEPT, ids=lambda kept: kept.parent.name)
def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Upgraded]:
    try:
        yield Upgraded(request.param, tmp_path)
    finally:
        embedded.remove(tmp_path / ".sluice")
        shutil.rmtree(tmp_path / "prefect", ignore_errors=True)


def test_what_an_older_version_left_is_used_as_it_is(upgraded: Upgraded) -> None:
    queries = (PUBLISHED, HELD, BUILDS, MARTS, OPEN)
    published, held, built, marts, incidents = (upgraded.rows(query) for query in queries)
    before = upgraded.command("sluice", "status")
    assert before.returncode == 3, before.stdout + before.stderr
    assert "sluice setup" in before.stderr

    for dataset in ("tlc__zones", "tlc__yellow_trips"):
        upgraded.run(dataset)
        assert upgraded.rows(PUBLISHED) == published, "no published batch is loaded again"
        assert upgraded.rows(HELD) == held
    after = upgraded.rows(BUILDS)
    assert after[: len(built)] == built
    assert [refreshed for _, _, refreshed in after[len(built) :]] in ([], [[]]), "built once at most, nothing refreshed"
    assert upgraded.rows(MARTS) == marts
    assert upgraded.rows(OPEN) == incidents
    status = upgraded.command("sluice", "status")
    assert (status.returncode, "Open: " in status.stdout) == (0, True), status.stdout + status.stderr

    kept = upgraded.command("prefect", "deployment", "inspect", "nightly/nightly")
    assert "'name': 'nightly'" in kept.stdout, kept.stdout + kept.stderr
    blocks = upgraded.command("prefect", "block", "ls")
    assert "sqlalchemy-connector" in blocks.stdout, blocks.stdout + blocks.stderr
    replayed = upgraded.command("sluice", "quarantine", "replay", "tlc__yellow_trips", "2025-01")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
