{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- How tables are made on Spark: dbt-spark's own macros, with Iceberg for all of them and no configuration, so that
    a model's configuration is the same on each engine. -#}

{% macro spark__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {%- if language != 'sql' -%}
        {{ exceptions.raise_compiler_error('on Spark, Sluice builds models in SQL only') }}
    {%- endif -%}
    {%- set enforced = config.get('contract').enforced if config.get('contract') else false -%}
    {%- if temporary -%}
        create or replace temporary view {{ relation }} as
        {{ keeping_constraints(compiled_code) if enforced else compiled_code }}
    {%- else -%}
        {%- if enforced -%}
            {{ get_assert_columns_equivalent(compiled_code) }}
            {%- set compiled_code = keeping_constraints(get_select_subquery(compiled_code)) -%}
        {%- endif -%}
        create or replace table {{ relation }}
        using iceberg
        {{ options_clause() }}
        {{ tblproperties_clause() }}
        {{ partition_cols(label="partitioned by") }}
        {{ location_clause() }}
        {{ comment_clause() }}
        as
        {{ compiled_code }}
    {%- endif -%}
{%- endmacro %}


{#- A table that is built from nothing is replaced by `create or replace`, in one commit that keeps its history; dbt
    would drop it first. -#}
{% macro spark__drop_relation(relation) -%}
    {%- set replaced = (
        relation.type == 'table' and model is defined and model.resource_type == 'model'
        and config.get('materialized') in ('table', 'incremental')
    ) -%}
    {%- if not replaced -%}
        {%- call statement('drop_relation', auto_begin=False) -%}
            drop {{ relation.type }} if exists {{ relation }}
        {%- endcall -%}
    {%- endif -%}
{%- endmacro %}


{#- Comments of columns would be one commit each. This is also the one macro that dbt-spark calls after every way of
    filling a table, so the keys are looked at here. -#}
{% macro spark__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- if config.get('contract') and config.get('contract').enforced and config.get('materialized') != 'view' -%}
        {%- do check_keys(relation, model) -%}
    {%- endif -%}
{%- endmacro %}


{#- Nothing: Iceberg has no constraints, and those of the contract are looked at as rows come in. -#}
{% macro spark__persist_constraints(relation, model) -%}
{%- endmacro %}


{% macro spark__create_csv_table(model, agate_table) -%}
    {%- set sql -%}
        create table {{ this.render() }} (
            {%- for name in agate_table.column_names %}
            {{ adapter.quote(name) }} {{ spark_seed_type(model, agate_table, name, loop.index0) }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        )
        using iceberg
        {{ partition_cols(label="partitioned by") }}
        {{ location_clause() }}
        {{ comment_clause() }}
    {%- endset -%}
    {%- call statement('_') -%}
        {{ sql }}
    {%- endcall -%}
    {{ return(sql) }}
{%- endmacro %}


{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set statements = [] -%}
    {%- for chunk in agate_table.rows | batch(get_batch_size()) -%}
        {%- set sql -%}
            insert into {{ this.render() }} values
            {%- for row in chunk %}
            (
                {%- for value in row -%}
                    {%- set name = agate_table.column_names[loop.index0] -%}
                    cast({{ spark_literal(value) }} as {{ spark_seed_type(model, agate_table, name, loop.index0) }})
                    {{- ', ' if not loop.last }}
                {%- endfor -%}
            ){{ ',' if not loop.last }}
            {%- endfor %}
        {%- endset -%}
        {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
        {%- do statements.append(sql) -%}
    {%- endfor -%}
    {{ return(statements | first) }}
{%- endmacro %}


{#- The type of a seed's column. `text` is PostgreSQL's name of it. -#}
{% macro spark_seed_type(model, agate_table, name, place) -%}
    {%- set wanted = model['config'].get('column_types', {}).get(name, adapter.convert_type(agate_table, place)) -%}
    {{ return('string' if wanted | lower == 'text' else wanted) }}
{%- endmacro %}


{% macro spark_literal(value) -%}
    {%- if value is none -%}
        {{ return('null') }}
    {%- endif -%}
    {{ return("'" ~ value | string | replace('\\', '\\\\') | replace("'", "\\'") ~ "'") }}
{%- endmacro %}
