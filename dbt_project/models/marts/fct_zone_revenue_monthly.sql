-- Rebuilt whole, from the daily rows: small, and a corrected zone file renames past months too.
with

daily as (
    select * from {{ ref('fct_zone_trips_daily') }}
),

zones as (
    select * from {{ ref('dim_zones') }}
),

monthly as (
    select
        taxi_colour,
        cast(date_trunc('month', picked_up_on) as date) as picked_up_month,
        pickup_zone_id,
        cast(sum(trip_count) as bigint) as trip_count,
        cast(sum(fare_amount_usd) as numeric(18, 2)) as fare_amount_usd,
        cast(sum(tip_amount_usd) as numeric(18, 2)) as tip_amount_usd,
        cast(sum(total_amount_usd) as numeric(18, 2)) as total_amount_usd
    from daily
    group by 1, 2, 3
),

named as (
    select
        monthly.taxi_colour,
        monthly.picked_up_month,
        monthly.pickup_zone_id,
        zones.borough,
        zones.zone_name,
        monthly.trip_count,
        monthly.fare_amount_usd,
        monthly.tip_amount_usd,
        monthly.total_amount_usd,
        cast(monthly.total_amount_usd / monthly.trip_count as numeric(10, 2)) as total_amount_per_trip_usd
    from monthly
    inner join zones on monthly.pickup_zone_id = zones.zone_id
)

select * from named
