"""`sluice marts` in a project without any dataset, with real dbt: built, compared, published, rolled back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.repository import ROOT

SETTINGS = """
[project]
id = "shop"
[paths]
profiles = "{profiles}"
[marts.gate]
removed = 0.1
"""
ORDERS = "{{{{ config(materialized='table') }}}} select n as order_id, n * 10 as amount from generate_series(1, {}) n"
TESTED = """
models: [{name: orders, columns: [{name: order_id, data_tests: [unique]}, {name: amount, data_tests: [not_null]}]}]
"""


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A project with one mart, of so many orders."""
    models = tmp_path / "shop" / "dbt_project" / "models" / "marts"
    models.mkdir(parents=True)
    (tmp_path / "shop" / "sluice.toml").write_text(SETTINGS.format(profiles=ROOT / "profiles"))
    (models.parents[1] / "dbt_project.yml").write_text("name: shop\nprofile: sluice\n")
    shutil.copytree(ROOT / "dbt_project/macros/sluice", models.parents[1] / "macros/sluice")
    (models / "marts.yml").write_text(TESTED)
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path / "shop"))

    def write(count: int) -> None:
        (models / "orders.sql").write_text(ORDERS.format(count))

    return write


def test_marts_are_built_compared_held_published_and_rolled_back_without_a_dataset(
    orders: Callable[[int], None], sluice, engine: sa.Engine
) -> None:
    def readers_have() -> int:
        with engine.connect() as connection:
            return int(connection.scalar(sa.text("SELECT count(*) FROM marts.orders")) or 0)

    none = sluice("marts", "diff")
    assert (none.code, "never built. Build them: sluice marts build" in none.err) == (5, True)
    orders(20)
    built = sluice("marts", "build", "--json")
    assert built.code == 0, built.err
    assert json.loads(built.out)["models"] == ["orders"]
    with engine.connect() as connection:
        assert not sa.inspect(connection).has_table("orders", schema="marts")
    published = sluice("marts", "publish")
    assert (published.code, readers_have()) == (0, 20), published.err

    orders(10)
    assert sluice("marts", "build").code == 0
    assert "orders: 20 rows before, 10 now; keys +0 -10, 0 changed" in sluice("marts", "diff").out
    held = sluice("marts", "publish", "--json")
    assert (held.code, readers_have()) == (2, 20)
    reason = "orders: 10 rows removed, 50% of 20 ([marts] gate allows 10%)"
    assert reason in held.err
    assert (json.loads(held.out)["models"], json.loads(held.out)["reasons"]) == ([], [reason])
    assert "marts held" in sluice("alerts").out
    assert sluice("marts", "publish", "--why", "half of them were tests").code == 0
    assert readers_have() == 10

    assert sluice("marts", "rollback").code == 0
    assert readers_have() == 20
    out = sluice("marts", "publish")
    assert (out.code, "was taken out by a rollback" in out.err) == (5, True)
    assert readers_have() == 20


def test_a_project_without_a_mart_is_warned_that_readers_get_nothing(
    orders: Callable[[int], None], sluice, tmp_path: Path
) -> None:
    orders(20)
    (tmp_path / "shop/dbt_project/models/marts").rename(tmp_path / "shop/dbt_project/models/core")
    built = sluice("marts", "build")
    assert built.code == 0, built.err
    assert "no model of the dbt project is a mart ([marts] models in sluice.toml: models/marts)" in built.err
    published = sluice("marts", "publish")
    assert (published.code, "there is nothing to publish" in published.err) == (5, True)
