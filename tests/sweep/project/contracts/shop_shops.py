"""Shops: one small file, which orders refer to."""

from __future__ import annotations

import pandera.pandas as pa

from sluice import Contract, Files, Gate, Single, Text, column


class Shops(pa.DataFrameModel):
    shop: Text = column("Name of the shop.", unique=True)
    city: Text = column("Where it is.")


CONTRACT = Contract(
    source="shop",
    entity="shops",
    owner="shop@example.com",
    alerts="json-webhook/shop",
    schema=Shops,
    files=Files(url="shops_{batch}.csv", batches=Single()),
    gate=Gate(max_rejected=0.3),
)
