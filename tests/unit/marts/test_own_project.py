"""What of another team's dbt project is refused before it is built, by dbt's manifest."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.contract.derive.schemas import Schemas
from sluice.marts.own_project.refusals import DbtProject

SCHEMAS = Schemas(others=("finance",), internal=("prep",))
SOURCE = {"source_name": "raw", "name": "orders", "schema": "raw"}


def node(name: str, kind: str = "model", materialized: str = "table", reads: tuple[str, ...] = (), **more: Any) -> Any:
    return {
        "resource_type": kind,
        "name": name,
        "alias": name,
        "schema": "finance__a",
        "fqn": ["acme", "marts", name],
        "original_file_path": f"models/marts/{name}.sql",
        "raw_code": "select 1",
        "config": {"materialized": materialized},
        "depends_on": {"nodes": list(reads)},
    } | more


def macro(name: str, text: str, *calls: str) -> dict[str, Any]:
    return {"name": name, "package_name": "acme", "macro_sql": text, "depends_on": {"macros": list(calls)}}


def refusals(*nodes: Any, macros: tuple[dict[str, Any], ...] = ()) -> list[str]:
    manifest = {
        "metadata": {"adapter_type": "postgres"},
        "nodes": {each["name"]: each for each in nodes},
        "sources": {"source.orders": SOURCE},
        "macros": {each["name"]: each for each in macros},
    }
    return list(DbtProject(manifest, SCHEMAS, "__a", "shop").refusals())


def test_a_mart_that_is_a_view_over_a_source_also_through_views_is_refused_with_the_line_to_write() -> None:
    prep = node("stg", materialized="view", reads=("source.orders",), schema="prep__a", fqn=["acme", "stg"])
    prep["original_file_path"] = "models/stg.sql"
    (said,) = refusals(prep, node("far", materialized="view", reads=("stg",)), node("kept", reads=("stg",)))
    assert said.startswith("mart far is a view over the source raw.orders, which both sides share")
    assert said.endswith("+materialized: table")
    (near,) = refusals(node("near", materialized="view", reads=("source.orders",)))
    assert near.startswith("mart near is a view over the source raw.orders")
    assert refusals(prep, node("kept", reads=("stg",)), node("over", materialized="view", reads=("kept",))) == []


@pytest.mark.parametrize("schema", ["marts", "finance", "finance__live", "ops"])
def test_a_snapshot_in_a_schema_of_readers_or_of_sluice_is_refused(schema: str) -> None:
    (said,) = refusals(node("history", "snapshot", "snapshot", schema=schema))
    assert said.startswith(f"snapshot history is in the schema {schema}, ")
    assert said.endswith("+schema: snapshots")
    assert refusals(node("history", "snapshot", "snapshot", schema="history")) == []


NAMING = [
    ("select * from finance.orders", "finance"),
    ('select * from "finance"."orders"', "finance"),
    ("select * from {{ target.schema }}.orders", "{{ target.schema }}"),
    ("select * from {{target.database}}.finance.orders", "finance"),
    ("select * from {{ target.database }}.{{ target.schema }}.orders", "{{ target.schema }}"),
    ('select * from x join "db"."finance"."orders" using (a)', "finance"),
    ("select * from {{ ref('a') }} as a,\n  finance.orders", "finance"),
    ("select * from a, b.c, marts__b.orders", "marts__b"),
    ("select extract(month from a.at) from finance.orders a", "finance"),
]


@pytest.mark.parametrize(("text", "schema"), NAMING)
def test_a_schema_written_into_a_model_is_refused_in_whichever_way_it_is_named(text: str, schema: str) -> None:
    (said,) = refusals(node("fixed", raw_code=text))
    assert said.startswith(f"model fixed names the schema {schema}: write ref(...) instead")


@pytest.mark.parametrize(
    "text",
    [
        "select finance.a, marts.b from {{ ref('a') }} finance join {{ ref('b') }} as marts on finance.a = marts.a",
        "select extract(day from d), finance.a from {{ ref('a') }} finance",
        "select extract(month from finance.sold_at), trim(both 'x' from finance.a) from {{ ref('a') }} finance",
        "select x is distinct from finance.a from {{ ref('a') }} finance -- from finance.a",
        "select * from {{ this.schema }}.orders, raw.finance",
        "select a from {{ ref('a') }} finance group by a, finance.b order by a, finance.b",
    ],
)
def test_a_column_of_an_alias_with_a_schema_s_name_is_not_refused(text: str) -> None:
    assert refusals(node("fine", raw_code=text)) == []


def test_a_hook_is_refused_for_what_a_macro_writes_that_its_macro_calls_however_deep() -> None:
    hook = node("logged", config={"materialized": "table", "post-hook": [{"sql": "{{ note(this) }}"}]})
    chain = (macro("note", "{{ more() }}", "more"), macro("more", "{{ last() }}", "last", "note"))
    writes = macro("last", "insert into audit.log select 1")
    (said,) = refusals(hook, macros=(*chain, writes))
    assert said.startswith("the post-hook of model logged writes to audit.log, outside of the sides")
    assert refusals(hook, macros=(*chain, macro("last", "select 1"))) == []


@pytest.mark.parametrize(
    ("hook", "writes", "target"),
    [
        ("{{ note('lake.audit_log') }}", "insert into {{ table }} select 1", "lake.audit_log"),
        ("{{ note('audit_log') }}", "insert into {{ table }} select 1", "audit_log"),
        ("{{ note(this, 'lake.audit_log') }}", "insert into {{ table }} select 1", "lake.audit_log"),
        ("{{ note(this, 'customer_id') }}", "create index on {{ table }} ({{ column }})", None),
        ("{{ note('a word') }}", "select {{ table }}", None),
        ("select 1 as x into lake.made from {{ this }}", "", "lake.made"),
        ("insert into {{ this }} select a into_b from {{ ref('x') }}", "", None),
        ("refresh materialized view concurrently lake.mv", "", "lake.mv"),
        ("refresh materialized view {{ this }}", "", None),
    ],
)
def test_a_hook_is_refused_for_a_name_that_it_hands_to_a_macro_and_for_every_way_to_write(
    hook: str, writes: str, target: str | None
) -> None:
    model = node("logged", config={"materialized": "table", "post-hook": [{"sql": hook}]})
    said = refusals(model, macros=(macro("note", writes),))
    assert [f"writes to {target}, outside" in each for each in said] == ([True] if target else [])
