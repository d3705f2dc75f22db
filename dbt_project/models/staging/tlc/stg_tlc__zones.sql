with

source as (
    select * from {{ source('tlc', 'tlc__zones') }}
),

renamed as (
    select
        location_id as zone_id,
        borough,
        zone as zone_name,
        service_zone,
        _dataset,
        _batch,
        _load_id,
        _row_number
    from source
)

select * from renamed
