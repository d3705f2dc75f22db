with

yellow_trips as (
    select * from {{ ref('stg_tlc__yellow_trips') }}
),

green_trips as (
    select * from {{ ref('stg_tlc__green_trips') }}
),

unioned as (
    select
        'yellow' as taxi_colour,
        vendor_id,
        picked_up_at_local,
        dropped_off_at_local,
        passenger_count,
        trip_distance_miles,
        rate_code_id,
        is_stored_and_forwarded,
        pickup_zone_id,
        dropoff_zone_id,
        payment_type_id,
        cast(null as bigint) as trip_type_id,
        fare_amount_usd,
        extra_amount_usd,
        mta_tax_usd,
        tip_amount_usd,
        tolls_amount_usd,
        cast(null as numeric(10, 2)) as ehail_fee_usd,
        improvement_surcharge_usd,
        congestion_surcharge_usd,
        airport_fee_usd,
        cbd_congestion_fee_usd,
        total_amount_usd,
        _dataset,
        _batch,
        _load_id,
        _row_number
    from yellow_trips
    union all
    select
        'green' as taxi_colour,
        vendor_id,
        picked_up_at_local,
        dropped_off_at_local,
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
        cast(null as numeric(10, 2)) as airport_fee_usd,
        cbd_congestion_fee_usd,
        total_amount_usd,
        _dataset,
        _batch,
        _load_id,
        _row_number
    from green_trips
)

select * from unioned
