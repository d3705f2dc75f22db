"""What the files of `make.py` are to be: one column of each common type."""

from __future__ import annotations

import pandera.pandas as pa

from sluice import Bool, Contract, Date, Files, Float, Gate, Int, Money, Single, Text, Timestamp, column


class Goods(pa.DataFrameModel):
    id: Int = column("Number.", unique=True)
    name: Text = column("Name.", nullable=True)
    amount: Money = column("Price.", unit="EUR", nullable=True)
    at: Timestamp = column("When it was made.", nullable=True)
    day: Date = column("When it was sold.", nullable=True)
    ok: Bool = column("Whether it was looked at.", nullable=True)
    share: Float = column("Share of all.", nullable=True)


GOODS = Contract(
    source="corpus", entity="goods", owner="tests", schema=Goods,
    files=Files(url="goods_{batch}.csv", batches=Single()), gate=Gate(max_rejected=0.2),
)  # fmt: skip
