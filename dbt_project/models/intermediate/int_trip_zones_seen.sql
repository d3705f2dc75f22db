{{
    config(
        indexes=[{'columns': ['_load_id', 'zone_id'], 'unique': true}],
        post_hook='{{ refresh_statistics(this) }}',
        **incremental_by_load('int_trip_loads_published')
    )
}}

with

trips as (
    select * from {{ ref('int_trips_unioned') }}
    where {{ of_due_batches('int_trip_loads_published') }}
),

zones_touched as (
    select distinct
        _dataset,
        _batch,
        _load_id,
        pickup_zone_id,
        dropoff_zone_id
    from trips
),

zones_seen as (
    select
        _dataset,
        _batch,
        _load_id,
        pickup_zone_id as zone_id
    from zones_touched
    union
    select
        _dataset,
        _batch,
        _load_id,
        dropoff_zone_id as zone_id
    from zones_touched
)

select * from zones_seen
