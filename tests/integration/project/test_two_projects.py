"""Two projects in one process have two warehouses; in one database they have their own schemas, and run at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.project import paths
from sluice.project.init.write import init
from sluice.warehouse import embedded
from sluice.warehouse.connection import BLOCK_VARIABLE, open_warehouse
from tests.integration.conftest import connector_for
from tests.support.deliveries import parcels


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (paths.VARIABLE, "SLUICE_HOME", BLOCK_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def test_each_of_two_projects_in_one_process_has_its_own_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [init(tmp_path / name).root for name in ("one", "two")]
    try:
        for root in roots:
            monkeypatch.setenv(paths.VARIABLE, str(root))
            with open_warehouse().engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE staging.mine (name text)"))
                connection.execute(sa.text("INSERT INTO staging.mine VALUES (:name)"), {"name": root.name})
        for root in (*roots, *roots):
            monkeypatch.setenv(paths.VARIABLE, str(root))
            with open_warehouse().engine.connect() as connection:
                assert connection.execute(sa.text("SELECT name FROM staging.mine")).scalars().all() == [root.name]
    finally:
        for root in roots:
            embedded.remove(root / ".sluice")


@pytest.mark.long
def test_two_projects_in_one_database_run_at_once(tmp_path: Path, prefect_server: str, database: sa.URL) -> None:
    connector_for(database).save("shared-database")
    names = {"shop": ("staging", "quarantine", "ops", "marts"), "bank": ("b_raw", "b_bad", "b_ops", "b_marts")}
    environment = {**os.environ, BLOCK_VARIABLE: "shared-database"}

    def command(root: Path, *arguments: str) -> subprocess.Popen[str]:
        given = {**environment, paths.VARIABLE: str(root), "SLUICE_HOME": str(root / ".sluice")}
        call = [sys.executable, "-m", "sluice", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(call, cwd=root, env=given, stdout=pipe, stderr=pipe, text=True)

    def ended(running: subprocess.Popen[str]) -> str:
        said, errors = running.communicate(timeout=300)
        assert running.returncode == 0, said + errors
        return said

    roots = [init(tmp_path / name).root for name in names]
    for root in roots:
        keys = dict(zip(("staging", "quarantine", "ops", "marts"), names[root.name], strict=True))
        with (root / "sluice.toml").open("a") as settings:
            settings.write("\n".join(["", "[schemas]", *(f'{key} = "{name}"' for key, name in keys.items()), ""]))
        parcels(root / "orders_2024-01.csv")
        ended(command(root, "new", root.name, "orders", "--from", "orders_2024-01.csv"))
    for running in [command(root, "run") for root in roots]:
        assert "published" in ended(running)
    for running in [command(root, "run") for root in roots]:
        assert "Nothing new" in ended(running)
    with sa.create_engine(database).connect() as connection:
        for project, (staging, _, ops, marts) in names.items():
            count = f"select count(*) from {marts}.fct_{project}__orders"
            assert connection.scalar(sa.text(count)) == connection.scalar(
                sa.text(f"select count(*) from {staging}.{project}__orders")
            )
            assert connection.scalars(sa.text(f"select distinct dataset from {ops}.batches")).all() == [
                f"{project}__orders"
            ]
