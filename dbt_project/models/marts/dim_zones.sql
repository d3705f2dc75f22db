-- Every zone that a trip can name: those of TLC's file, the two that TLC documents but leaves out of it, and
-- whatever else trips have named, so that a join to this table loses no trip.
with

zones_in_file as (
    select * from {{ ref('stg_tlc__zones') }}
),

zones_documented as (
    select * from {{ ref('tlc_zones_not_in_file') }}
),

zones_seen as (
    select distinct zone_id from {{ ref('int_trip_zones_seen') }}
),

zone_ids as (
    select zone_id from zones_in_file
    union
    select zone_id from zones_documented
    union
    select zone_id from zones_seen
),

zones as (
    select
        zone_ids.zone_id,
        coalesce(zones_in_file.borough, zones_documented.borough, 'Unknown') as borough,
        coalesce(
            zones_in_file.zone_name,
            zones_documented.zone_name,
            'Zone ' || zone_ids.zone_id
        ) as zone_name,
        zones_in_file.service_zone,
        zones_in_file.zone_id is not null as is_in_zone_file
    from zone_ids
    left join zones_in_file on zone_ids.zone_id = zones_in_file.zone_id
    left join zones_documented on zone_ids.zone_id = zones_documented.zone_id
)

select * from zones
