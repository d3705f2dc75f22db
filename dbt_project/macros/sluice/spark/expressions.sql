{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- What time.sql and refresh_statistics.sql are on Spark. -#}

{#- Java reads an ambiguous time as the first occurrence. The second is the instant an hour after it, if that hour
    shows the same local time. -#}
{% macro spark__local_to_utc(local_time, time_zone, occurrence) -%}
    {%- set first -%} convert_timezone('{{ time_zone }}', 'UTC', {{ local_time }}) {%- endset -%}
    {%- if occurrence == 'first' -%}
    {{ first }}
    {%- else -%}
    case
        when convert_timezone('UTC', '{{ time_zone }}', {{ first }} + interval '1 hour') = {{ local_time }}
            then {{ first }} + interval '1 hour'
        else {{ first }}
    end
    {%- endif -%}
{%- endmacro %}


{% macro spark__elapsed_minutes(from_time, to_time) -%}
    cast(floor(timestampdiff(microsecond, {{ from_time }}, {{ to_time }}) / 60000000) as int)
{%- endmacro %}


{#- Nothing: Iceberg keeps what the planner reads with each commit. -#}
{% macro spark__refresh_statistics(relation) -%}
{%- endmacro %}
