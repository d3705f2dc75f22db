"""Column lineage: from SQL to tables' columns, and what happens where it cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sluice.site.facts import lineage
from sluice.site.facts.column_lineage import read

YELLOW, GREEN, ZONES = ("staging", "yellow"), ("staging", "green"), ("staging", "zones")
BOTH = {("yellow", "id", "computed"), ("yellow", "zone", "computed")}
TABLES = {YELLOW: ["id", "Tip", "zone"], GREEN: ["id", "tip", "zone"], ZONES: ["zone", "name"]}


def of(query: str, column: str) -> set[tuple[str, str, str]]:
    """Table, column and how, of one column of a query."""
    found = read(query, [column], TABLES)
    assert found.problems == ()
    return {(table[1], name, how) for table, name, how in found.origins[column]}


UNION = """
with unioned as (
    select id, "Tip" as tip from "db"."staging"."yellow"
    union all
    select id, tip from "db"."staging"."green"
), timed as (select * from unioned)
select timed.*, tip as tip_usd, coalesce(tip, 0) + 1 as tip_more, 1 as one from timed
"""


@pytest.mark.parametrize(
    ("column", "origins"),
    [
        ("id", {("yellow", "id", "as it is"), ("green", "id", "as it is")}),
        ("tip", {("yellow", "Tip", "renamed"), ("green", "tip", "as it is")}),
        ("tip_usd", {("yellow", "Tip", "renamed"), ("green", "tip", "renamed")}),
        ("tip_more", {("yellow", "Tip", "computed"), ("green", "tip", "computed")}),
        ("one", set()),
    ],
)
def test_a_column_behind_a_union_and_a_star_comes_from_both_tables(column: str, origins: set) -> None:
    assert of(UNION, column) == origins


@pytest.mark.parametrize(
    ("query", "origins"),
    [
        ("select id as c from staging.yellow", {("yellow", "id", "renamed")}),
        ("select c from (select upper(name) as c from staging.zones) as s", {("zones", "name", "computed")}),
        (
            "select (select max(z.name) from staging.zones as z where z.zone = y.zone) as c from staging.yellow as y",
            {("zones", "name", "computed")},
        ),
        (
            "select sum(id) over (partition by zone) as c from staging.yellow",
            {("yellow", "id", "computed"), ("yellow", "zone", "computed")},
        ),
        ("select count(*) as c from staging.yellow", set()),
        ("select e.c from __dbt__cte__fares as e", {("fares", "c", "as it is")}),
    ],
    ids=["renamed", "derived table", "correlated subquery", "window", "count", "ephemeral model"],
)
def test_a_column_is_followed_through_what_queries_are_built_from(query: str, origins: set) -> None:
    if "__dbt__cte__" in query:  # as dbt puts an ephemeral model into a query
        query = f"with __dbt__cte__fares as (select id as c from staging.yellow) {query}"
    assert of(query, "c") == origins


def test_columns_that_choose_and_join_rows_are_known_also_those_in_subqueries() -> None:
    query = """
        with u as (select id, zone from staging.yellow union all select id, zone from staging.green)
        select u.id from u
        join staging.zones as z on z.zone = u.zone
        where u.id in (select y.id from staging.yellow as y where y."Tip" > u.id)
        group by u.id having max(z.name) > 'a'
    """
    found = {(table[1], column, how) for table, column, how in read(query, ["id"], TABLES).rows_by}
    assert found == {
        ("zones", "zone", "joins rows"),
        ("yellow", "zone", "joins rows"),
        ("green", "zone", "joins rows"),
        ("yellow", "id", "chooses rows"),
        ("green", "id", "chooses rows"),
        ("yellow", "Tip", "chooses rows"),
        ("zones", "name", "chooses rows"),
    }


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("select id from staging.yellow where (", "Line 1"),
        ("select y.id from staging.yellow as x", "belongs to no known table"),
        ("select * from staging.unheard_of", "Cannot find column 'id'"),
        ("drop table staging.yellow", "is not a query"),
    ],
)
def test_what_cannot_be_followed_is_said_and_is_no_error(query: str, problem: str) -> None:
    found = read(query, ["id"], TABLES)
    assert found.origins == {"id": ()}
    assert problem in " ".join(found.problems)


def project(query: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """dbt's manifest and catalog of one source and one mart."""
    columns = {"price": {"name": "price", "type": "numeric", "index": 1, "comment": None}}
    shared = {"config": {}, "columns": {}, "description": "", "fqn": ["shop", "marts", "fct"]}
    source = {**shared, "resource_type": "source", "source_name": "shop", "name": "orders", "schema": "staging"}
    mart = {**shared, "resource_type": "model", "name": "fct", "schema": "marts__a", "compiled_code": query}
    manifest = {"sources": {"source.orders": source}, "nodes": {"model.fct": mart}}
    catalog = {"sources": {"source.orders": {"columns": columns}}, "nodes": {"model.fct": {"columns": columns}}}
    return manifest, catalog


def extracted(folder: Path, query: str) -> dict[str, Any]:
    """What the site keeps, as it comes back from its file."""
    for name, content in zip(("manifest", "catalog"), project(query), strict=True):
        (folder / f"{name}.json").write_text(json.dumps(content))
    kept = lineage.extract(folder / "manifest.json", folder / "catalog.json", "marts__a", "marts")
    (folder / "project.json").write_text(json.dumps(kept))
    return json.loads((folder / "project.json").read_text())


def test_a_column_that_loses_its_lineage_is_a_warning_and_one_that_never_had_any_is_none(tmp_path: Path) -> None:
    before = extracted(tmp_path, "select price from staging.orders")
    assert lineage.load(tmp_path / "project.json").nodes["model.fct"].parents == {
        "price": (("source.orders", "price", "as it is"),)
    }
    now = extracted(tmp_path, "select price from staging.orders where (")
    [warning] = lineage.lost(before, now)
    assert "1 column had a lineage and now has none: fct.price" in warning
    assert "fct: " in now["unread"][0]
    assert lineage.lost(now, now) == ()
    assert lineage.lost({"nodes": {}}, now) == ()


def test_the_lineage_that_an_earlier_version_kept_is_still_shown(tmp_path: Path) -> None:
    kept = extracted(tmp_path, "select price from staging.orders")
    node = kept["nodes"]["model.fct"]
    edge = {"dbt_node": "source.orders", "column": "price"}
    node["parents"] = {"price": [edge | {"lineage_type": "pass-through"}]}
    node["parents"]["__colibri_filter__"] = [edge | {"lineage_type": "filter"}]
    del node["rows_by"]
    (tmp_path / "project.json").write_text(json.dumps(kept))
    found = lineage.load(tmp_path / "project.json").nodes["model.fct"]
    assert found.parents == {"price": (("source.orders", "price", "as it is"),)}
    assert found.rows_by == ()


def test_a_model_is_a_mart_on_the_site_where_sluice_toml_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sluice.toml").write_text('[project]\nid = "shop-1"\n[marts]\nmodels = ["models/finance"]\n')
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    manifest, catalog = project("select price from staging.orders")
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    for folder, layer in (("finance", "marts"), ("other", "other"), ("marts", "models")):
        place = {"original_file_path": f"models/{folder}/fct.sql", "fqn": ["shop", folder, "fct"]}
        manifest["nodes"]["model.fct"] |= place
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        kept = lineage.extract(tmp_path / "manifest.json", tmp_path / "catalog.json", "marts__a", "marts")
        assert kept["nodes"]["model.fct"]["layer"] == layer
