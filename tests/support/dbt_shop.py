"""A dbt project as a team has it, not made for Sluice: profile, schemas, snapshots, seeds, package, hooks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

AREAS = ("finance", "sales", "people", "stock")  # published schemas
RAW = """
CREATE SCHEMA raw;
CREATE TABLE raw.orders AS SELECT n AS order_id, n % 7 AS customer_id, n * 10 AS amount FROM generate_series(1, 40) n;
CREATE TABLE raw.customers AS SELECT n AS customer_id, 'c' || n AS name, 'DE' AS country FROM generate_series(0, 6) n;
"""
SCHEMA_NAME = """
{% macro generate_schema_name(custom_schema_name, node) -%}
    {% if custom_schema_name is none %}{{ target.schema }}{% else %}{{ custom_schema_name | trim }}{% endif %}
{%- endmacro %}
"""
PROJECT = """
name: acme
profile: acme_warehouse
models:
  acme:
    staging: {+materialized: view, +schema: staging}
    marts: {+materialized: table, +post-hook: "analyze {{ this }}"}
  shared: {+schema: reference}
seeds:
  acme: {+schema: reference}
snapshots:
  acme: {+schema: history}
on-run-end: "select 1"
"""
FILES = {
    "dbt_project.yml": PROJECT,
    "packages.yml": "packages:\n  - local: ../shared\n",
    "selectors.yml": "selectors:\n  - name: published\n    definition: {method: tag, value: published}\n",
    "seeds/countries.csv": "country,label\nDE,Germany\nFR,France\n",
    "macros/generate_schema_name.sql": SCHEMA_NAME,
    "models/staging/stg_orders.sql": "select * from {{ source('raw', 'orders') }}",
    "models/staging/stg_customers.sql": "select * from {{ source('raw', 'customers') }}",
    "models/staging/int_big_orders.sql": "{{ config(materialized='ephemeral') }}\n"
    "select * from {{ ref('stg_orders') }} where amount > {{ shared.cents(1) }}",
    "models/marts/finance/fct_orders.sql": "{{ config(materialized='incremental', unique_key='order_id') }}\n"
    "select * from {{ ref('stg_orders') }}\n"
    "{% if is_incremental() %}where order_id > (select max(order_id) from {{ this }}){% endif %}",
    "models/marts/finance/rpt_totals.sql": "{{ config(materialized='view') }}\n"
    "select customer_id, sum(amount) as amount from {{ ref('fct_orders') }} group by customer_id",
    "models/marts/sales/dim_customers.sql": "select c.*, k.label from {{ ref('stg_customers') }} c\n"
    "left join {{ ref('countries') }} k using (country)",
    "models/marts/sales/dim_names.sql": "select customer_id, name, dbt_valid_from from {{ ref('customer_names') }}\n"
    "where customer_id in (select customer_id from {{ ref('int_big_orders') }})",
    "snapshots/customer_names.sql": "{% snapshot customer_names %}\n"
    "{{ config(strategy='check', unique_key='customer_id', check_cols=['name']) }}\n"
    "select customer_id, name from {{ ref('stg_customers') }}\n{% endsnapshot %}",
    "models/models.yml": """
sources: [{name: raw, schema: raw, tables: [{name: orders}, {name: customers}]}]
models:
  - {name: fct_orders, config: {schema: finance}, columns: [{name: order_id, data_tests: [unique, not_null]}]}
  - {name: rpt_totals, config: {schema: finance}, columns: [{name: customer_id, data_tests: [unique]}]}
  - {name: dim_customers, config: {schema: sales}, columns: [{name: name, data_tests: [not_null]}]}
  - {name: dim_names, config: {schema: sales}}
unit_tests:
  - name: totals_are_sums
    model: rpt_totals
    given: [{input: ref('fct_orders'), rows: [{customer_id: 1, amount: 2}, {customer_id: 1, amount: 3}]}]
    expect: {rows: [{customer_id: 1, amount: 5}]}
""",
    "../shared/dbt_project.yml": "name: shared\nversion: 1.0.0\n",
    "../shared/macros/cents.sql": "{% macro cents(euros) %}({{ euros }} * 100){% endmacro %}",
    "../shared/models/calendar.sql": "{{ config(materialized='table') }}\n"
    "select date '2024-01-01' + n as day from generate_series(0, 9) n",
}
TOML = ("schemas = []", 'schemas = ["finance", "sales"]'), ("internal = []", 'internal = ["staging", "reference"]')
SMALL = 8  # models in FILES


def make(root: Path, models: int = SMALL) -> Path:
    """Write the project, with as many models as asked for, and return its folder. It knows nothing of Sluice."""
    project = root / "transform"
    for name, text in {**FILES, **dict(_more(models - SMALL))}.items():
        put(project, name, text)
    return project


def put(project: Path, name: str, text: str) -> None:
    """Write one file of the project."""
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.strip() + "\n")


def remove(project: Path) -> None:
    shutil.rmtree(project)


def _more(count: int) -> Iterator[tuple[str, str]]:
    """More models, spread over the areas: a view, an ephemeral model, and two tables over them, again and again."""
    for number in range(count):
        area = AREAS[number // 4 % len(AREAS)]
        first = number - number % 4
        if number % 4 == 0:
            yield f"models/staging/view_{number}.sql", f"select *, {number} as version from {{{{ ref('stg_orders') }}}}"
        elif number % 4 == 1:
            yield f"models/staging/part_{number}.sql", _select("ephemeral", f"view_{first}")
        else:
            parent = f"part_{first + 1}" if number % 4 == 2 else f"mart_{number - 1}"
            yield f"models/marts/{area}/mart_{number}.sql", _select("table", parent, f", schema='{area}'")


def _select(kind: str, parent: str, more: str = "") -> str:
    return f"{{{{ config(materialized='{kind}'{more}) }}}}\nselect * from {{{{ ref('{parent}') }}}}"
