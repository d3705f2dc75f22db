{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- What loads.sql and by_load.sql are on Spark with Iceberg. -#}

{% macro spark__distinct_loads(relation) -%}
    select distinct _dataset, _batch, _load_id from {{ relation }}
{%- endmacro %}


{#- dbt-spark has its own strategies only. So the loads that are gone leave in a hook before, and the due ones are
    appended: two commits, and a build that stops between them is caught up by the next one. -#}
{% macro spark__incremental_by_load(loads_from) -%}
    {{ return({
        'materialized': 'incremental',
        'incremental_strategy': 'append',
        'on_schema_change': 'fail',
        'pre_hook': "{{ delete_gone_loads('" ~ loads_from ~ "') }}",
        'meta': {'loads_from': loads_from},
    }) }}
{%- endmacro %}


{#- Statement that deletes the loads which the model being built holds and should not; nothing where there are none. -#}
{% macro delete_gone_loads(loads_from) -%}
    {%- if execute and is_incremental() -%}
        {%- set expected = loads_in(ref(loads_from)) | map(attribute='_load_id') | list -%}
        {%- set gone = loads_in(this) | map(attribute='_load_id') | reject('in', expected) | list -%}
        {%- if gone -%}
            delete from {{ this }} where _load_id in ({{ gone | join(', ') }})
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
