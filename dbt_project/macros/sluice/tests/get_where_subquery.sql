{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- dbt's own, with two words more for a test's `where`, so that a night's tests cost what its batch costs:

    __in_newest_batches__   rows of each dataset's newest batch to arrive; for views over staging
    __in_newest_loads__     rows of each dataset's newest load; for tables that take in whole loads

    What must hold in every row is a constraint too, which the database checks as the row comes in. -#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if not where -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- if '__in_newest_batches__' in where -%}
        {%- set where = where | replace('__in_newest_batches__', in_newest_batches()) -%}
    {%- endif -%}
    {%- if '__in_newest_loads__' in where -%}
        {%- set where = where | replace('__in_newest_loads__', in_newest_loads(relation)) -%}
    {%- endif -%}
    {{ return('(select * from ' ~ relation ~ ' where ' ~ where ~ ') as tested_rows') }}
{%- endmacro %}


{#- Both give literals: those of batches leave just their partitions to read, and the planner sees how few
    rows they are. -#}

{#- From the ledger itself: staging holds what it calls published at any moment, and a test's `where` cannot
    make the test wait for a model. -#}
{% macro in_newest_batches() -%}
    {%- if execute -%}
        {%- set ledger = graph.sources['source.' ~ project_name ~ '.ops.batches'].relation_name -%}
        {%- set loads = run_query(
            "select dataset as _dataset, batch as _batch, load_id as _load_id from " ~ ledger
            ~ " where status = 'published'"
        ).rows -%}
        {{ return(batches_condition(newest_of_each_dataset(loads))) }}
    {%- endif -%}
{%- endmacro %}

{% macro in_newest_loads(relation) -%}
    {%- if execute -%}
        {{ return(loads_condition(newest_of_each_dataset(loads_in(relation)))) }}
    {%- endif -%}
{%- endmacro %}

{% macro newest_of_each_dataset(loads) -%}
    {%- set newest = [] -%}
    {%- for dataset, its_loads in loads | groupby('_dataset') -%}
        {%- do newest.append(its_loads | sort(attribute='_load_id') | last) -%}
    {%- endfor -%}
    {{ return(newest) }}
{%- endmacro %}
