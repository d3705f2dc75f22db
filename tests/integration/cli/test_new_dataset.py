"""From a sample file of no taxis to a mart that readers read, by the commands a user types."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.cli import new_dataset
from sluice.project.derived import stale_files
from tests.integration.conftest import connector_for
from tests.support.dataset_examples import assert_examples_hold
from tests.support.deliveries import parcels
from tests.support.repository import ROOT

PROJECT = ROOT
MART = """select status, count(*) as parcel_count
from {{ ref('stg_post__parcels') }}
group by status
"""
MART_YAML = """version: 2
models:
  - name: fct_parcels_by_status
    description: Parcels by their status. One row per status.
    columns:
      - {name: status, data_type: text, description: Status., data_tests: [unique, not_null]}
      - {name: parcel_count, data_type: bigint, description: Parcels., data_tests: [not_null]}
"""


def copy_without_taxis(to: Path) -> None:
    """The project as one would have it who throws the taxis out, to show that nothing needs them."""
    for folder in ("contracts", "flows", "dbt_project", "profiles"):
        shutil.copytree(PROJECT / folder, to / folder, ignore=shutil.ignore_patterns("target", "logs", "*tlc*"))
    for name in ("prefect.toml", "sluice.toml"):
        shutil.copy(PROJECT / name, to)
    project = to / "dbt_project"
    for folder in ("models/intermediate", "seeds", "tests"):
        shutil.rmtree(project / folder)
    for path in [
        *project.glob("models/*.yml"),
        *project.glob("models/marts/*.sql"),
        *project.glob("models/marts/*.yml"),
    ]:
        if path.name != "_groups.yml":
            path.unlink()


@pytest.mark.long
def test_a_sample_becomes_a_dataset_whose_mart_is_published(
    prefect_server: str, database: sa.URL, engine: sa.Engine, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    copy_without_taxis(project)
    block = f"warehouse-{str(database.database).replace('_', '-')}"
    connector_for(database).save(block)
    environment = {**os.environ, "SLUICE_WAREHOUSE": block, "SLUICE_HOME": str(tmp_path / "home")}
    parcels(project / "parcels_2024-01.csv")

    def sluice(*arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "sluice", *arguments]  # the copy: it lies first on Python's path
        said = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert said.returncode == code, said.stdout + said.stderr
        return said.stdout + said.stderr

    sample = ("--from", "parcels_2024-01.csv", "--batch", "2024-01", "--by", "sent_at")
    sluice("new", "post", "parcels", *sample)
    marts = project / "dbt_project/models/marts"
    for path in marts.glob("*post__parcels*"):
        path.unlink()
    said = sluice("run", "post__parcels")  # a project without a mart
    assert "no model of the dbt project is a mart" in said
    assert "select * from staging.post__parcels order by 1 limit 10" in said
    assert "Nothing new" in sluice("run", "post__parcels")

    (marts / "fct_parcels_by_status.sql").write_text(MART)
    (marts / "_fct_parcels_by_status.yml").write_text(MART_YAML)
    assert "select * from marts.fct_parcels_by_status order by 1 limit 10" in sluice("run", "post__parcels")
    for path in marts.glob("*parcels*"):
        path.rename(project / path.name)
    assert "readers have fct_parcels_by_status. They keep the old marts" in sluice("run", "post__parcels", code=5)

    with engine.connect() as connection:
        found = connection.execute(sa.text("select * from marts.fct_parcels_by_status order by 1")).all()
        staged = sa.inspect(connection).get_columns("post__parcels", "staging")
    columns = {column["name"]: str(column["type"]) for column in staged}
    assert [tuple(row) for row in found] == [("delivered", 40), ("lost", 40), ("sent", 40)]
    assert (columns["zip"], columns["price"], columns["insured"]) == ("TEXT", "NUMERIC(10, 2)", "BOOLEAN")


def test_a_drafts_example_rows_pass_and_fail_as_they_say(
    deliver, rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sluice.toml").touch()
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    sample = parcels(tmp_path / "parcels_2024-01.csv")
    new_dataset.new(
        new_dataset.DatasetRequest("post", "parcels", str(sample), "me@example.com", "2024-01", by="sent_at")
    )
    spec = importlib.util.spec_from_file_location("post_parcels", tmp_path / "contracts/post_parcels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "post_parcels", module)
    spec.loader.exec_module(module)
    assert stale_files([module.CONTRACT]) == {}
    assert_examples_hold(module.CONTRACT, tmp_path / "tests/data/post__parcels", tmp_path, deliver, rows)
