-- Two local times have no single instant: the hour after clocks go back occurs twice, the hour that is left
-- out when they go forward never. A trip that touches one is read as the shortest trip its times allow:
-- the drop-off at the first occurrence, the pick-up at the last that is not after the drop-off.
{% set zone = 'America/New_York' %}

with

trips as (
    select * from {{ ref('int_trips_unioned') }}
),

read_in_utc as (
    select
        trips.*,
        pickups.latest_picked_up_at,
        dropoffs.dropped_off_at
    from trips
    cross join
        lateral (  -- noqa: ST05
            select {{ local_to_utc('trips.picked_up_at_local', zone, 'second') }} as latest_picked_up_at
            {{ computed_once() }}
        ) as pickups
    cross join
        lateral (  -- noqa: ST05
            select {{ local_to_utc('trips.dropped_off_at_local', zone, 'first') }} as dropped_off_at
            {{ computed_once() }}
        ) as dropoffs
),

in_utc as (
    select
        read_in_utc.*,
        case
            when read_in_utc.latest_picked_up_at <= read_in_utc.dropped_off_at
                then read_in_utc.latest_picked_up_at
            else read_in_utc.latest_picked_up_at - interval '1 hour'
        end as picked_up_at
    from read_in_utc
),

timed as (
    select
        taxi_colour || '/' || _batch || '/' || _row_number as trip_id,
        taxi_colour,
        vendor_id,
        picked_up_at_local,
        dropped_off_at_local,
        picked_up_at,
        dropped_off_at,
        cast(picked_up_at_local as date) as picked_up_on,
        {{ elapsed_minutes('picked_up_at', 'dropped_off_at') }} as elapsed_minutes,
        passenger_count,
        trip_distance_miles,
        rate_code_id,
        is_stored_and_forwarded,
        pickup_zone_id,
        dropoff_zone_id,
        payment_type_id,
        trip_type_id,
        fare_amount_usd,
        extra_amount_usd,
        mta_tax_usd,
        tip_amount_usd,
        tolls_amount_usd,
        ehail_fee_usd,
        improvement_surcharge_usd,
        congestion_surcharge_usd,
        airport_fee_usd,
        cbd_congestion_fee_usd,
        total_amount_usd,
        _dataset,
        _batch,
        _load_id,
        _row_number
    from in_utc
)

select * from timed
