-- The months add up to the days: no trip is lost in the join to the zones.
with

daily as (
    select
        sum(trip_count) as trip_count,
        sum(total_amount_usd) as total_amount_usd
    from {{ ref('fct_zone_trips_daily') }}
),

monthly as (
    select
        sum(trip_count) as trip_count,
        sum(total_amount_usd) as total_amount_usd
    from {{ ref('fct_zone_revenue_monthly') }}
)

select
    daily.trip_count as trips_by_day,
    monthly.trip_count as trips_by_month,
    daily.total_amount_usd as total_amount_by_day_usd,
    monthly.total_amount_usd as total_amount_by_month_usd
from daily
cross join monthly
where
    daily.trip_count is distinct from monthly.trip_count
    or daily.total_amount_usd is distinct from monthly.total_amount_usd
