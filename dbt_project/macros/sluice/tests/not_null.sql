{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- dbt's own, but with whole rows: a null by itself does not say which row it is in. -#}
{% test not_null(model, column_name) %}
    select *
    from {{ model }}
    where {{ column_name }} is null
{% endtest %}
