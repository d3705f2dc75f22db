"""A small dataset that is no taxi: a column of each type. For tests of what happens to any dataset."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandera.pandas as pa

from sluice.contract.batches import Monthly
from sluice.contract.columns import Bool, Date, Float, Int, Money, Text, Timestamp, column
from sluice.contract.contract import Contract, Files


class Parcels(pa.DataFrameModel):
    parcel_id: Int = column("Number of the parcel.", source="ParcelID")
    sent_at: Timestamp = column("Hand-in, local time.", nullable=True)
    due_on: Date = column("Promised day.", nullable=True)
    weight: Float = column("Weight.", unit="kg", nullable=True)
    price: Money = column("Postage.", unit="USD", source=("price", "Price_paid"), nullable=True)
    insured: Bool = column("Whether it is insured.", nullable=True)
    note: Text = column("The sender's words.", nullable=True)
    surcharge: Money = column("Fuel surcharge.", since="2025-01", nullable=True)


PARCELS = Contract(
    source="post",
    entity="parcels",
    owner="tests",
    schema=Parcels,
    files=Files(url="parcels_{batch}.csv", batches=Monthly(start="2024-01", by="sent_at")),
)

HEADER = "ParcelID,sent_at,due_on,weight,price,insured,note"
GOOD = "1,2024-01-02 03:04:05,2024-01-09,1.5,12.30,true,fragile"


def parcels(**files: Any) -> Contract:
    """The contract with other words on its files."""
    return replace(PARCELS, files=replace(PARCELS.files, **files))
