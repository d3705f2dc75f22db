"""Two small datasets: orders, whose customers must be published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandera.pandas as pa

from sluice.contract.batches import Monthly
from sluice.contract.columns import Int, Text, column
from sluice.contract.contract import Contract, Files, Gate

KEY = "shop__customers.customer_id"


class Customers(pa.DataFrameModel):
    customer_id: Int = column("Number of the customer.", unique=True, ge=1)
    name: Text = column("Of the customer.", nullable=True)


def model(**options: Any) -> type[pa.DataFrameModel]:
    """Orders, whose reference has these options."""

    class Orders(pa.DataFrameModel):
        order_id: Int = column("Number of the order.", unique=True)
        customer_id: Int = column("Who ordered.", references=KEY, nullable=True, **options)

    return Orders


class OrdersOnce(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", unique="dataset", nullable=True)
    customer_id: Int = column("Who ordered.", nullable=True)


def orders_once(max_rejected: float = 0.0) -> Contract:
    """Orders whose numbers are in one batch only."""
    files = Files("orders_{batch}.csv", Monthly(start="2024-01"))
    return Contract("shop", "orders", "shop@example.com", OrdersOnce, files, Gate(max_rejected=max_rejected))


def customers(**gate: Any) -> Contract:
    files = Files("customers_{batch}.csv", Monthly(start="2024-01"))
    return Contract("shop", "customers", "shop@example.com", Customers, files, Gate(**gate))


def orders(max_rejected: float = 0.0, **options: Any) -> Contract:
    files = Files("orders_{batch}.csv", Monthly(start="2024-01"))
    return Contract("shop", "orders", "shop@example.com", model(**options), files, Gate(max_rejected=max_rejected))


def write_customers(path: Path, *numbers: int) -> Path:
    path.write_text("\n".join(["customer_id,name", *(f"{number},n{number}" for number in numbers)]) + "\n")
    return path


def write_orders(path: Path, *customers: int | str) -> Path:
    """Orders 1, 2, ... of these customers; an empty text is a null."""
    lines = [f"{number},{customer}" for number, customer in enumerate(customers, start=1)]
    path.write_text("\n".join(["order_id,customer_id", *lines]) + "\n")
    return path
