{{
    config(
        indexes=[
            {'columns': ['_load_id']},
            {'columns': ['pickup_zone_id', 'picked_up_on']}
        ],
        **incremental_by_load('fct_trips')
    )
}}

with

trips as (
    select * from {{ ref('fct_trips') }}
    where {{ of_due_loads('fct_trips') }}
),

daily as (
    select
        taxi_colour,
        picked_up_on,
        pickup_zone_id,
        count(*) as trip_count,
        cast(coalesce(sum(passenger_count), 0) as bigint) as passenger_count,
        cast(sum(trip_distance_miles) as numeric(18, 2)) as trip_distance_miles,
        cast(sum(elapsed_minutes) as bigint) as elapsed_minutes,
        cast(sum(fare_amount_usd) as numeric(18, 2)) as fare_amount_usd,
        cast(sum(tip_amount_usd) as numeric(18, 2)) as tip_amount_usd,
        cast(sum(total_amount_usd) as numeric(18, 2)) as total_amount_usd,
        _dataset,
        _batch,
        _load_id
    from trips
    group by
        taxi_colour,
        picked_up_on,
        pickup_zone_id,
        _dataset,
        _batch,
        _load_id
)

select * from daily
