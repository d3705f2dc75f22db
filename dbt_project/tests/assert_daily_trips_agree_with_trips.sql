-- Each newest load's daily rows add up to its trips, in number and in cents.
with

trips as (
    select
        _load_id,
        count(*) as trip_count,
        sum(total_amount_usd) as total_amount_usd
    from {{ ref('fct_trips') }}
    where {{ in_newest_loads(ref('fct_trips')) }}
    group by _load_id
),

daily as (
    select
        _load_id,
        sum(trip_count) as trip_count,
        sum(total_amount_usd) as total_amount_usd
    from {{ ref('fct_zone_trips_daily') }}
    where {{ in_newest_loads(ref('fct_trips')) }}
    group by _load_id
)

select
    coalesce(trips._load_id, daily._load_id) as _load_id,
    trips.trip_count as trips,
    daily.trip_count as trips_by_day,
    trips.total_amount_usd as total_amount_of_trips_usd,
    daily.total_amount_usd as total_amount_by_day_usd
from trips
full outer join daily on trips._load_id = daily._load_id
where
    trips.trip_count is distinct from daily.trip_count
    or trips.total_amount_usd is distinct from daily.total_amount_usd
