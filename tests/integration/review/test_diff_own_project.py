"""`sluice diff` of a dbt project of several schemas that was not made for Sluice; real dbt."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from sluice.marts import candidate
from sluice.project import paths
from sluice.review import base, models
from tests.integration.marts.test_own_project import Team, team  # noqa: F401 - a fixture
from tests.support import dbt_shop

DIM = "models/marts/sales/dim_customers.sql"


@pytest.mark.long
def test_models_of_several_schemas_are_built_beside_each_and_compared(team: Team, tmp_path: Path) -> None:  # noqa: F811
    def diff(keep: bool) -> models.ModelChanges:
        folder = tmp_path / f"kept {keep}"
        folder.mkdir()
        with base.unpacked(paths.root(), None) as was:
            return models.compare(was, team.warehouse, (), folder, keep)

    def schemas() -> set[str]:
        return {*sa.inspect(team.warehouse.engine).get_schema_names()}

    team.settings(*dbt_shop.TOML)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for call in (["init", "-qb", "main"], ["add", "-A"], ["commit", "-qm", "As it was"]):
        subprocess.run([*git, *call], cwd=team.root, check=True)
    team.build()
    candidate.publish_passed(team.warehouse)
    there = schemas()
    dbt_shop.put(team.project, DIM, dbt_shop.FILES[DIM].replace("k.label", "upper(k.label) as label"))

    kept = diff(keep=True)
    assert (kept.changed, kept.downstream, kept.built, kept.failures) == (("dim_customers",), (), 1, "")
    [mart] = kept.marts
    assert (mart.mart, mart.state, mart.added, mart.removed) == ("sales.dim_customers", "changed", 7, 7)
    assert schemas() - there == {"marts__diff", "finance__diff", "sales__diff", "staging__diff", "reference__diff"}
    assert team.count("sales__diff.dim_customers") == 7
    assert team.sql("SELECT DISTINCT label FROM sales.dim_customers") == [("Germany",)]

    assert diff(keep=False).marts == kept.marts
    assert schemas() == there
