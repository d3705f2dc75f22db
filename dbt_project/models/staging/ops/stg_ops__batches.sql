with

source as (
    select * from {{ source('ops', 'batches') }}
),

renamed as (
    select
        load_id as _load_id,
        dataset as _dataset,
        batch as _batch,
        status as load_status,
        finished_at
    from source
)

select * from renamed
