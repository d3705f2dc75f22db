"""A small project in a git repository, with one contract and two marts, for tests of what a change changes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

CONTRACT = """
from sluice import Contract, Files, Gate, Int, Monthly, Text, Timestamp, column
import pandera.pandas as pa


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", unique=True)
    ordered_at: Timestamp = column("When it was ordered.")
    quantity: Int = column("How many.", ge=1)
    email: Text = column("Of the customer.", pii=True, nullable=True)


CONTRACT = Contract(
    source="shop",
    entity="orders",
    owner="shop@example.com",
    schema=Orders,
    files=Files(url="inbox/orders_{batch}.csv", batches=Monthly(start="2024-01", by="ordered_at")),
    gate=Gate(max_rejected=0.2),
)
"""
STAGING = "select order_id, quantity, email from {{ source('shop', 'shop__orders') }}"
ORDERS = (
    "{{ config(materialized='table') }}\nselect order_id, quantity * 10 as amount, email from {{ ref('stg_orders') }}"
)
TOTALS = "{{ config(materialized='table') }}\nselect 1 as total_id, sum(amount) as amount from {{ ref('orders') }}"
TESTED = """
models:
  - {name: orders, columns: [{name: order_id, data_tests: [unique]}, {name: email, config: {meta: {pii: true}}}]}
  - {name: totals, columns: [{name: total_id, data_tests: [unique]}]}
  - {name: other}
"""
OTHER = "{{ config(materialized='table') }}\nselect 1 as other_id"
FILES = {
    "contracts/shop_orders.py": CONTRACT,
    "dbt_project/models/staging/stg_orders.sql": STAGING,
    "dbt_project/models/marts/orders.sql": ORDERS,
    "dbt_project/models/marts/totals.sql": TOTALS,
    "dbt_project/models/marts/other.sql": OTHER,
    "dbt_project/models/marts/_marts.yml": TESTED,
}


@dataclass(frozen=True)
class Repository:
    """The project's folder, and git in it."""

    root: Path

    def put(self, name: str, text: str) -> None:
        """Write one file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.strip() + "\n")

    def change(self, name: str, old: str, new: str) -> None:
        """Replace a text in one file, which is there."""
        text = (self.root / name).read_text()
        assert old in text
        (self.root / name).write_text(text.replace(old, new))

    def git(self, *arguments: str) -> str:
        """What git prints."""
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        done = subprocess.run(["git", *who, *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self) -> None:
        """Commit every file."""
        self.git("add", "-A")
        self.git("commit", "-qm", "A change")

    def deliver(self, month: str, quantities: list[int]) -> None:
        """Write the file of a month, one order for each quantity."""
        first = int(month[-2:]) * 1000
        lines = [
            f"{first + n},{month}-05 10:00:00,{quantity},c{n}@example.com" for n, quantity in enumerate(quantities)
        ]
        self.put(f"inbox/orders_{month}.csv", "\n".join(["order_id,ordered_at,quantity,email", *lines]))


def begin(root: Path) -> Repository:
    """Add contract and models to a project that `sluice init` wrote, and make it a git repository. Derives nothing."""
    made = Repository(root)
    for name, text in FILES.items():
        made.put(name, text)
    made.git("init", "-qb", "main")
    return made
