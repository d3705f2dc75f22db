{{
    config(
        indexes=[{'columns': ['picked_up_at_local'], 'type': 'brin'}],
        **incremental_by_load('int_trip_loads_published')
    )
}}

with

trips as (
    select * from {{ ref('int_trips_timed') }}
    where {{ of_due_batches('int_trip_loads_published') }}
)

select * from trips
