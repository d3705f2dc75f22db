{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- The one way a model of this project is incremental: whole loads come and go.

    A model names, in its config, the model whose loads it should hold:   **incremental_by_load('fct_trips')
    and reads only the rows that it lacks:                                where {{ of_due_loads('fct_trips') }}

    Loads held are read from the model's own table (a few index probes, never a scan), so nothing beside the
    table has to be kept true: each side catches up by itself from whatever it has, also after a crash.
    A full refresh and a first build are the case "holds nothing". -#}

{% macro incremental_by_load(loads_from) -%}
    {{ return(adapter.dispatch('incremental_by_load')(loads_from)) }}
{%- endmacro %}

{% macro postgres__incremental_by_load(loads_from) -%}
    {{ return({
        'materialized': 'incremental',
        'incremental_strategy': 'replace_loads',
        'on_schema_change': 'fail',
        'meta': {'loads_from': loads_from},
    }) }}
{%- endmacro %}


{#- Strategy `replace_loads`, in the transaction dbt has open: loads that are gone or replaced leave, due loads
    (the model's own rows, in temp_relation) come. -#}
{% macro get_incremental_replace_loads_sql(arg_dict) -%}
    {%- set target_relation = arg_dict['target_relation'] -%}
    {%- set expected = loads_in(ref(config.get('meta')['loads_from'])) | map(attribute='_load_id') | list -%}
    {%- set gone = loads_in(target_relation) | map(attribute='_load_id') | reject('in', expected) | list -%}
    {%- if gone %}
    delete from {{ target_relation }} where _load_id in ({{ gone | join(', ') }});
    {% endif -%}
    {{ get_incremental_append_sql(arg_dict) }}
{%- endmacro %}
