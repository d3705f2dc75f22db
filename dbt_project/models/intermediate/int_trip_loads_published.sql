-- A table, so that every model of one build works from the same list, whatever is published meanwhile.
-- Of trips only: another colour is named here and joins int_trips_unioned; other datasets have no place here.
{{ config(materialized='table') }}

with

batches as (
    select * from {{ ref('stg_ops__batches') }}
),

published as (
    select
        _load_id,
        _dataset,
        _batch,
        finished_at as published_at
    from batches
    where
        load_status = 'published'
        and _dataset in ('tlc__yellow_trips', 'tlc__green_trips')
)

select * from published
