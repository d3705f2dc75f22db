{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- The instant of a local time, as UTC. A time that occurs twice (the hour after clocks go back) has two:
    `occurrence` says which, 'first' (daylight-saving time) or 'second' (standard time). A time that never
    occurs (clocks go forward) is read as if they had not. -#}
{% macro local_to_utc(local_time, time_zone, occurrence='second') -%}
    {{ return(adapter.dispatch('local_to_utc')(local_time, time_zone, occurrence)) }}
{%- endmacro %}

{% macro postgres__local_to_utc(local_time, time_zone, occurrence) -%}
    {#- PostgreSQL reads an ambiguous time as standard time, the second occurrence. The first is the instant an
        hour before it, if that hour shows the same local time. -#}
    {%- set second -%} ({{ local_time }} at time zone '{{ time_zone }}') {%- endset -%}
    {%- if occurrence == 'first' -%}
    case
        when ({{ second }} - interval '1 hour') at time zone '{{ time_zone }}' = {{ local_time }}
            then ({{ second }} - interval '1 hour') at time zone 'UTC'
        else {{ second }} at time zone 'UTC'
    end
    {%- else -%}
    {{ second }} at time zone 'UTC'
    {%- endif -%}
{%- endmacro %}


{#- Whole minutes from one instant to a later one, cut off. Not dbt.datediff, which counts minute marks
    passed on one engine and rounds up on another. -#}
{% macro elapsed_minutes(from_time, to_time) -%}
    {{ return(adapter.dispatch('elapsed_minutes')(from_time, to_time)) }}
{%- endmacro %}

{% macro postgres__elapsed_minutes(from_time, to_time) -%}
    {#- date_part, a float that is exact for any such span; extract is numeric here, and three times as slow. -#}
    cast(floor(date_part('epoch', {{ to_time }} - {{ from_time }}) / 60) as int)
{%- endmacro %}


{#- The end of a lateral subquery whose columns are computed once a row: PostgreSQL puts an expression into every place
    that uses its column, which made thirty time zone conversions a trip where six will do. Not with a volatile column,
    which does the same: a CTE that has one is computed whole, every batch of it, whatever is asked of it. -#}
{% macro computed_once() -%}
    {{ return(adapter.dispatch('computed_once')()) }}
{%- endmacro %}

{% macro default__computed_once() -%}
{%- endmacro %}

{% macro postgres__computed_once() -%}
    offset 0
{%- endmacro %}
