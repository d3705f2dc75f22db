{{ config(**incremental_by_load('int_loads')) }}
select order_id, shop, quantity * price as amount_usd, _dataset, _batch, _load_id
from staging.shop__orders
where {{ of_due_batches('int_loads') }}
