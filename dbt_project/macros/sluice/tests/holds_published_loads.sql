{#- Sluice's own: written by `sluice derive`, do not edit. Your macros go beside the folder macros/sluice. -#}
{#- Fails with each load that an incremental model holds and should not, or should hold and does not.

    loads_from names the model with one row per published load (_dataset, _batch, _load_id). -#}
{% test holds_published_loads(model, loads_from) %}
    with

    held as (
        {{ distinct_loads(model) }}
    ),

    published as (
        select
            _dataset,
            _batch,
            _load_id
        from {{ ref(loads_from) }}
    )

    select
        coalesce(held._dataset, published._dataset) as _dataset,
        coalesce(held._batch, published._batch) as _batch,
        held._load_id as load_held,
        published._load_id as load_published
    from held
    full outer join published on held._load_id = published._load_id
    where held._load_id is null or published._load_id is null
{% endtest %}
