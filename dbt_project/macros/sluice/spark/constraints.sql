{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- The constraints of an enforced contract. Iceberg holds none: so a query whose rows break one fails, as PostgreSQL's
    does, and writes nothing; and a table in which a key occurs twice is an error of its model. -#}

{#- The query, which fails at a row that breaks a constraint not_null or check. Null passes a check. -#}
{% macro keeping_constraints(compiled_code) -%}
    {%- set broken = [] -%}
    {%- for column in model.columns.values() -%}
        {%- for constraint in column.constraints -%}
            {%- if constraint.type in ('not_null', 'primary_key') -%}
                {%- do broken.append([adapter.quote(column.name) ~ ' is null', column.name ~ ' is null']) -%}
            {%- elif constraint.type == 'check' -%}
                {%- do broken.append(['not (' ~ constraint.expression ~ ')', constraint.expression]) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for constraint in model.constraints -%}
        {%- if constraint.type == 'check' -%}
            {%- do broken.append(['not (' ~ constraint.expression ~ ')', constraint.expression]) -%}
        {%- elif constraint.type == 'primary_key' -%}
            {%- for name in constraint.columns -%}
                {%- do broken.append([adapter.quote(name) ~ ' is null', name ~ ' is null']) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not broken -%}
        {{ return(compiled_code) }}
    {%- endif -%}
    select *
    from (
        {{ compiled_code }}
    ) as built
    where
        case
            {%- for condition, what in broken %}
            when {{ condition }}
                then raise_error({{ spark_literal(model.name ~ ': a row breaks a constraint of the contract: ' ~ what) }})
            {%- endfor %}
            else true
        end
{%- endmacro %}


{#- Raises where a primary key, or a unique one, occurs more than once in the table. -#}
{% macro check_keys(relation, model) -%}
    {%- set keys = [] -%}
    {%- for column in model.columns.values() -%}
        {%- for constraint in column.constraints if constraint.type in ('primary_key', 'unique') -%}
            {%- do keys.append([column.name]) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for constraint in model.constraints if constraint.type in ('primary_key', 'unique') -%}
        {%- do keys.append(constraint.columns) -%}
    {%- endfor -%}
    {%- for key in keys -%}
        {%- set columns = key | map('trim') | join(', ') -%}
        {%- set nulls = [] -%}
        {%- for name in key -%}
            {%- do nulls.append(name ~ ' is not null') -%}
        {%- endfor -%}
        {%- set found = run_query(
            'select count(*) as repeated from (select 1 from ' ~ relation ~ ' where ' ~ nulls | join(' and ')
            ~ ' group by ' ~ columns ~ ' having count(*) > 1) as found'
        ) -%}
        {%- set repeated = found.rows[0]['repeated'] | int -%}
        {%- if repeated -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ ': ' ~ repeated ~ ' values of the key (' ~ columns ~ ') occur more than once in ' ~ relation
            ) }}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
