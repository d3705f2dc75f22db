{{ config(materialized='table') }}
select shop, city from staging.shop__shops
