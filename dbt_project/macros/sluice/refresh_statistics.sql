{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- Tell the planner what a table now holds; autovacuum would come too late for the models built next. -#}
{% macro refresh_statistics(relation) -%}
    {{ return(adapter.dispatch('refresh_statistics')(relation)) }}
{%- endmacro %}

{% macro postgres__refresh_statistics(relation) -%}
    analyze {{ relation }}
{%- endmacro %}
