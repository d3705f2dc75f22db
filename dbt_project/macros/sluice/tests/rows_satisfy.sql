{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- Fails with each row for which the expression is false. Null passes, as in the contracts' checks. -#}
{% test rows_satisfy(model, expression) %}
    select *
    from {{ model }}
    where not ({{ expression }})
{% endtest %}
