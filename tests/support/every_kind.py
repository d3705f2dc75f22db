"""Contracts with every way to run a check and with a key of every type, and lines that fail them."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

from sluice.contract.batches import Single
from sluice.contract.columns import Bool, Bytes, Date, Float, Int, Json, Money, Text, Time, UtcTimestamp, Uuid, column
from sluice.contract.contract import Contract, Files, Gate
from tests.support import shops


class MuchOrders(shops.Orders):
    """Every way to run a check: rows, keys, one value for the table, and pandas."""

    order_id: Int = column("Number of the order.", source="OrderId", unique=True, keep="first", tolerance=0.2)

    class Config:
        unique = ["ordered_at", "shop"]

    @pa.dataframe_check(name="mean price below 9")
    def mean_price(cls, orders: pd.DataFrame) -> bool:
        return orders["price"].mean() < 9

    @pa.dataframe_check(name="few nulls", raise_warning=True)
    def few_nulls(cls, orders: pd.DataFrame) -> bool:
        return orders["quantity"].isna().mean() < 0.01

    @pa.check("email", name="one at", element_wise=True)
    def one_at(cls, email: str) -> bool:
        return email.count("@") == 1

    @pa.dataframe_check(name="looks across rows")
    def across(cls, orders: pd.DataFrame) -> pd.Series:
        return orders["price"].rank() > 0


BAD = (
    "1,2021-01-02 10:00:00,north,1,9.50,1.5,a@example.com",  # a key twice
    "1,2021-01-02 10:00:00,north,1,9.50,1.5,a@example.com",
    "x,2021-01-03 10:00:00,east,0,-1,0,none",
    ",2021-02-03 10:00:00.25,,99,0,,a@b@c",
    "77,30.01.2021,south,1.5,9.505,heavy,",
    "78,2021-01-04 10:00:00,south",
    '"unclosed, "2021-01-04,south,1,1,1,a@b',
    ",,,,,,",
)


class Things(pa.DataFrameModel):
    """A key of each type, so that samples show values of each."""

    a: Int = column("Something.", nullable=True, unique=True)
    b: Float = column("Something.", nullable=True, unique=True)
    c: Money = column("Something.", nullable=True, unique=True)
    d: Date = column("Something.", nullable=True, unique=True)
    e: UtcTimestamp = column("Something.", nullable=True, unique=True)
    f: Bool = column("Something.", nullable=True, unique=True)
    g: Text = column("Something.", nullable=True, unique=True)
    h: Time = column("Something.", nullable=True, unique=True)
    i: Uuid = column("Something.", nullable=True, unique=True)
    j: Bytes = column("Something.", nullable=True, unique=True)
    k: Json = column("Something.", nullable=True, unique=True)


ONE = "550e8400-e29b-41d4-a716-446655440000"
OBJECT_1, OBJECT_2 = '"{""a"": 1, ""b"": 2}"', '"{""b"": 2.0, ""a"": 1}"'
KEYS = [
    "a,b,c,d,e,f,g,h,i,j,k",
    f"1,0.0,1.50,2021-01-01,2021-01-01T10:00:00+00:00,true,x,08:30:00,{ONE},ab,{OBJECT_1}",
    f"1,-0.0,1.5,2021-01-01,2021-01-01T11:00:00+01:00,true,x,08:30:00.000,{ONE.upper()},ab,{OBJECT_2}",
    "2,1e300,2,0001-01-01,2021-01-01T10:00:00.120000Z,false,X,23:59:59.5,,cd,[]",
    "2,1e300,2.00,0001-01-01,2021-01-01T10:00:00.12Z,false,X ,23:59:59.500,,CD,[]",
    ",,,,,,,,,,",
    ",,,,,,,,,,",
    "3,0.1,3,2021-01-03,2021-01-01T10:00:00Z,1,é,00:00:00,?,,null",
]


def things(model: type[pa.DataFrameModel]) -> Contract:
    """A contract of such keys, of which any number may be bad."""
    return Contract("test", "things", "me@example.com", model, Files("x.csv", Single()), Gate(max_rejected=1))
