{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- dbt's own, but failures are the rows that fail, not the values or groups they have: a tolerance is a share of rows. -#}
{% test accepted_values(model, column_name, values, quote=True) %}
    {{ config(fail_calc=rows_of_groups('n_records')) }}
    {{ dbt.default__test_accepted_values(model, column_name, values, quote) }}
{% endtest %}


{% test unique(model, column_name) %}
    {{ config(fail_calc=rows_of_groups('n_records')) }}
    {{ dbt.default__test_unique(model, column_name) }}
{% endtest %}


{% macro rows_of_groups(count_column) -%}
    cast(coalesce(sum({{ count_column }}), 0) as {{ dbt.type_bigint() }})
{%- endmacro %}
