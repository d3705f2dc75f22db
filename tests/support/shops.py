"""A small dataset with every kind of check, for tests that need no taxi."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from sluice.contract.batches import Monthly
from sluice.contract.columns import Float, Int, Money, Text, Timestamp, column
from sluice.contract.contract import Contract, Files, Gate

HEADER = "OrderId,ordered_at,shop,quantity,price,weight,email"
GOOD = "{n},2021-01-{day:02d} 10:00:00,north,{n},9.50,1.5,a{n}@example.com"


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", source="OrderId", unique=True)
    ordered_at: Timestamp = column("When it was ordered.")
    shop: Text = column("Where.", isin=["north", "south"])
    quantity: Int = column("How many.", ge=1, nullable=True, tolerance=0.5)
    price: Money = column("Of one.", unit="USD", ge=0, lt=1000)
    weight: Float = column("Of one.", unit="kg", gt=0, nullable=True, severity="warn", tolerance=0.1)
    email: Text = column("Of the customer.", pii=True, str_contains="@", nullable=True)

    @pa.dataframe_check(name="not_free_in_bulk")
    def not_free_in_bulk(cls, orders: pd.DataFrame) -> pd.Series:
        return ~((orders["quantity"] > 10) & (orders["price"] == 0))


class LenientOrders(Orders):
    quantity: Int = column("How many.", ge=0, nullable=True, tolerance=0.5)


def contract(model: type[pa.DataFrameModel] = Orders, retention: timedelta | None = None, **gate: object) -> Contract:
    """The dataset's contract, with a gate as wide as the test needs."""
    return Contract(
        source="shop",
        entity="orders",
        owner="shop@example.com",
        schema=model,
        files=Files(url="orders_{batch}.csv", batches=Monthly(start="2021-01", by="ordered_at")),
        gate=Gate(**{"max_rejected": 0.5, **gate}),
        retention=retention,
    )


def good_lines(count: int, first: int = 1) -> list[str]:
    """Lines that every check passes."""
    return [GOOD.format(n=n, day=1 + n % 28) for n in range(first, first + count)]


def write(path: Path, lines: list[str], header: str = HEADER) -> Path:
    """A CSV file."""
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path
