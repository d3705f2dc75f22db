{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- Fails with each combination of the columns' values that more than one row has. -#}
{% test unique_combination(model, columns) %}
    {{ config(fail_calc=rows_of_groups('rows_with_it')) }}
    select
        {{ columns | join(', ') }},
        count(*) as rows_with_it
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
