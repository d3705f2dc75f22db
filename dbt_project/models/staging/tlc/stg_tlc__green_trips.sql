with

source as (
    select * from {{ source('tlc', 'tlc__green_trips') }}
),

renamed as (
    select
        vendor_id,
        lpep_pickup_datetime as picked_up_at_local,
        lpep_dropoff_datetime as dropped_off_at_local,
        passenger_count,
        cast(trip_distance as numeric(9, 2)) as trip_distance_miles,
        ratecode_id as rate_code_id,
        store_and_fwd_flag = 'Y' as is_stored_and_forwarded,
        pu_location_id as pickup_zone_id,
        do_location_id as dropoff_zone_id,
        payment_type as payment_type_id,
        trip_type as trip_type_id,
        fare_amount as fare_amount_usd,
        extra as extra_amount_usd,
        mta_tax as mta_tax_usd,
        tip_amount as tip_amount_usd,
        tolls_amount as tolls_amount_usd,
        ehail_fee as ehail_fee_usd,
        improvement_surcharge as improvement_surcharge_usd,
        congestion_surcharge as congestion_surcharge_usd,
        cbd_congestion_fee as cbd_congestion_fee_usd,
        total_amount as total_amount_usd,
        _dataset,
        _batch,
        _load_id,
        _row_number
    from source
)

select * from renamed
