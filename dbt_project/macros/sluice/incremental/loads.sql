{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- Which loads a relation holds, and which of them a model lacks. -#}

{#- Rows of (_dataset, _batch, _load_id), one per load in the relation. Without a scan, given an index that
    begins with _load_id. -#}
{% macro loads_in(relation) -%}
    {%- set result = run_query(distinct_loads(relation)) -%}
    {{ return(result.rows | list) }}
{%- endmacro %}

{% macro distinct_loads(relation) -%}
    {{ return(adapter.dispatch('distinct_loads')(relation)) }}
{%- endmacro %}

{% macro postgres__distinct_loads(relation) -%}
    {#- `select distinct` reads every row; PostgreSQL can skip along an index only if told how. -#}
    with recursive loads as (
        (select _dataset, _batch, _load_id from {{ relation }} order by _load_id limit 1)
        union all
        select following.*
        from loads
        cross join lateral (
            select rest._dataset, rest._batch, rest._load_id
            from {{ relation }} as rest
            where rest._load_id > loads._load_id
            order by rest._load_id
            limit 1
        ) as following
    )
    select _dataset, _batch, _load_id from loads
{%- endmacro %}


{#- The loads of `loads_from` that the model being built does not hold yet. -#}
{% macro due_loads(loads_from) -%}
    {%- set held = loads_in(this) | map(attribute='_load_id') | list if is_incremental() else [] -%}
    {{ return(loads_in(loads_from) | rejectattr('_load_id', 'in', held) | list) }}
{%- endmacro %}


{#- Condition: the row belongs to a due load. For reading a model whose table is indexed by _load_id. -#}
{% macro of_due_loads(loads_from) -%}
    {%- set loads_from = ref(loads_from) -%}
    {%- if execute -%}
        {{ return(loads_condition(due_loads(loads_from))) }}
    {%- endif -%}
{%- endmacro %}


{#- Condition: the row belongs to the batch of a due load. For reading staging. Not by load: a batch replaced
    since the build began is then read as it is now, whole, instead of not at all. -#}
{% macro of_due_batches(loads_from) -%}
    {%- set loads_from = ref(loads_from) -%}
    {%- if execute -%}
        {{ return(batches_condition(due_loads(loads_from))) }}
    {%- endif -%}
{%- endmacro %}


{#- Loads as a condition on _load_id. -#}
{% macro loads_condition(loads) -%}
    {%- if not loads -%}
        {{ return('1 = 0') }}
    {%- endif -%}
    {{ return('_load_id in (' ~ loads | map(attribute='_load_id') | join(', ') ~ ')') }}
{%- endmacro %}


{#- Loads as a condition on _dataset and _batch. Literals, so that only the partitions of these batches are read. -#}
{% macro batches_condition(loads) -%}
    {%- if not loads -%}
        {{ return('1 = 0') }}
    {%- endif -%}
    {%- set conditions = [] -%}
    {%- for dataset, its_loads in loads | groupby('_dataset') -%}
        {%- set batches = [] -%}
        {%- for load in its_loads -%}
            {%- do batches.append(dbt.string_literal(dbt.escape_single_quotes(load['_batch']))) -%}
        {%- endfor -%}
        {%- do conditions.append(
            '_dataset = ' ~ dbt.string_literal(dataset) ~ ' and _batch in (' ~ batches | join(', ') ~ ')'
        ) -%}
    {%- endfor -%}
    {{ return('((' ~ conditions | join(') or (') ~ '))') }}
{%- endmacro %}
