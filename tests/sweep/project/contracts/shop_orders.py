"""Orders by month, with a check of every kind: of a cell, of a row, across rows, across datasets, and in pandas."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

from sluice import Contract, Files, Gate, Int, Money, Monthly, Text, Timestamp, column


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", unique=True)
    ordered_at: Timestamp = column("When it was ordered.")
    shop: Text = column("Where.", references="shop__shops.shop")
    quantity: Int = column("How many.", ge=1, tolerance=0.5)
    price: Money = column("Of one.", unit="USD", ge=0, lt=1000)

    @pa.dataframe_check(name="not_free_in_bulk")
    def not_free_in_bulk(cls, orders: pd.DataFrame) -> pd.Series:
        return ~((orders["quantity"] > 10) & (orders["price"] == 0))


CONTRACT = Contract(
    source="shop",
    entity="orders",
    owner="shop@example.com",
    alerts="json-webhook/shop",
    schema=Orders,
    files=Files(url="orders_{batch}.csv", batches=Monthly(start="2021-01", by="ordered_at")),
    gate=Gate(max_rejected=0.5),
)
