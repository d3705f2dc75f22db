{#- Sluice's own: written by `sluice init --dbt`, do not edit. -#}
{#- Every schema that this project builds has two sides, which Sluice builds in turn: finance__a and finance__b. The name
    before that is the project's own. Snapshots have one table. dbt run by hand builds finance__dev. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if project_schema_name is defined -%}
        {%- set schema = project_schema_name(custom_schema_name, node) -%}
    {%- else -%}
        {%- set schema = dbt.generate_schema_name(custom_schema_name, node) -%}
    {%- endif -%}
    {{ schema | trim }}
    {%- if node is none or node.resource_type != 'snapshot' -%}
        {{ env_var('SLUICE_DBT_SIDE', '__dev') }}
    {%- endif -%}
{%- endmacro %}
