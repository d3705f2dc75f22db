{{ config(materialized='table') }}
select load_id as _load_id, dataset as _dataset, batch as _batch
from ops.batches
where status = 'published' and dataset = 'shop__orders'
