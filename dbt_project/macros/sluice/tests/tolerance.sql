{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- Tolerance by share for any generic data test, in the contracts' words:

        config:
          severity: error            # or warn
          meta: {tolerance: 0.01}    # share of the tested rows that may fail

    Up to the tolerance the test passes, beyond it fails (or warns). The true count is kept either way: dbt
    drops it when a test passes, so it goes into the result's adapter_response as rows_affected. -#}

{% macro get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
    {%- set tolerance = (config.get('meta') or {}).get('tolerance') -%}
    {%- if tolerance is none -%}
        {{ return(dbt.default__get_test_sql(main_sql, fail_calc, warn_if, error_if, limit)) }}
    {%- endif -%}
    {%- set tested = graph.nodes.get(model.attached_node) or graph.sources[model.depends_on.nodes | first] -%}
    {%- set relation = api.Relation.create(
        database=tested.database, schema=tested.schema, identifier=tested.alias or tested.identifier
    ) -%}
    with

    failing as (
        select {{ fail_calc }} as failures
        from (
            {{ main_sql }}
        ) as failing_rows
    ),

    tested as (
        select count(*) as row_count
        from {{ get_where_subquery(relation) }}
    )

    select
        failing.failures,
        failing.failures > {{ tolerance }} * tested.row_count as should_warn,
        failing.failures > {{ tolerance }} * tested.row_count as should_error
    from failing
    cross join tested
{%- endmacro %}


{% materialization test, default %}
    {%- set relations = dbt.materialization_test_default() -%}
    {%- set result = load_result('main') -%}
    {%- set failures = result['table'].rows[0]['failures'] | int -%}
    {%- do store_raw_result(
        name='main',
        message=failures ~ ' failing',
        code='SELECT',
        rows_affected=failures,
        agate_table=result['table']
    ) -%}
    {{ return(relations) }}
{% endmaterialization %}
