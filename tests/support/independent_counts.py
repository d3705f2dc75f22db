"""Count what a taxi file's checks must find, from the English description of the checks alone.

A second opinion for the tests: plain pandas, and nothing of contracts/ or flows/ imported, so that a
mistake there cannot be repeated here. Prints JSON: rows read, accepted, rejected, failing rows of each check.

    python tests/independent_counts.py FILE [BATCH]

FILE is a yellow or green month (CSV, CSV.gz or Parquet; BATCH is its month) or the zones: its header tells.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

MONEY = [
    "fare_amount",
    "extra",
    "mta_tax",
    "tip_amount",
    "tolls_amount",
    "improvement_surcharge",
    "total_amount",
]
SURCHARGES = ["congestion_surcharge", "cbd_congestion_fee"]
CODES = {"vendor_id": [1, 2, 4, 6, 7], "ratecode_id": [1, 2, 3, 4, 5, 6, 99], "payment_type": list(range(7))}
RENAMED = {
    "VendorID": "vendor_id",
    "RatecodeID": "ratecode_id",
    "PULocationID": "pu_location_id",
    "DOLocationID": "do_location_id",
    "Airport_fee": "airport_fee",
    "LocationID": "location_id",
    "Borough": "borough",
    "Zone": "zone",
}

Checks = dict[str, "pd.Series[bool]"]  # by name, the rows that fail


def read(path: Path) -> pd.DataFrame:
    """The rows as text, null where the file has nothing."""
    if path.name.endswith(".parquet"):
        rows = pd.read_parquet(path).astype("string")
    else:
        rows = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
    return rows.rename(columns=RENAMED)


class Trips:
    """A month of trips, and what is wrong with its rows."""

    def __init__(self, rows: pd.DataFrame, prefix: str) -> None:
        self.rows = rows
        self.pickup = f"{prefix}_pickup_datetime"
        self.dropoff = f"{prefix}_dropoff_datetime"
        self.unparsed = pd.Series(False, index=rows.index)
        self.checks: Checks = {}

    def text(self, name: str) -> pd.Series:
        if name in self.rows:
            return self.rows[name]
        return pd.Series(pd.NA, index=self.rows.index, dtype="string")  # a column of later years

    def number(self, name: str, decimals: int | None = None) -> pd.Series:
        """The column as numbers; text that is none, infinite or too fine marks the row unparsed."""
        text = self.text(name)
        values = pd.to_numeric(text, errors="coerce").astype("Float64")
        bad = text.notna() & (values.isna() | (values.abs() == float("inf")))
        if decimals is not None:
            bad |= text.notna() & (values - values.round(decimals) != 0).fillna(False)
        self.unparsed |= bad
        return values.mask(bad)

    def time(self, name: str) -> pd.Series:
        text = self.text(name)
        values = pd.to_datetime(text, format="ISO8601", errors="coerce")
        self.unparsed |= text.notna() & values.isna()
        return values

    def fails(self, name: str, failing: pd.Series) -> None:
        self.checks[name] = failing.fillna(False).astype(bool)

    def not_null(self, name: str) -> None:
        self.fails(f"{name} not null", self.text(name).isna())

    def check_times(self, batch: str) -> None:
        pickup, dropoff = self.time(self.pickup), self.time(self.dropoff)
        self.not_null(self.pickup)
        self.not_null(self.dropoff)
        month = pd.Period(batch, freq="M")
        outside = (pickup < month.start_time) | (pickup >= (month + 1).start_time)
        self.fails(f"{self.pickup} in batch", outside)
        self.fails("dropoff_not_before_pickup", dropoff < pickup)

    def check_codes(self, codes: dict[str, list[int]]) -> None:
        for name, allowed in codes.items():
            values = self.number(name, decimals=0)
            listed = ", ".join(map(str, allowed))
            self.fails(f"{name} in ({listed})", values.notna() & ~values.isin(allowed))
        flag = self.text("store_and_fwd_flag")
        self.fails("store_and_fwd_flag in ('Y', 'N')", flag.notna() & ~flag.isin(["Y", "N"]))
        for name in ("pu_location_id", "do_location_id"):
            values = self.number(name, decimals=0)
            self.not_null(name)
            self.fails(f"{name} between 1 and 265", (values < 1) | (values > 265))

    def check_amounts(self, nullable: list[str]) -> None:
        self.fails("passenger_count >= 1", self.number("passenger_count", decimals=0) < 1)
        distance = self.number("trip_distance")
        self.not_null("trip_distance")
        self.fails("trip_distance >= 0", distance < 0)
        self.fails("trip_distance < 500", distance >= 500)
        for name in MONEY:
            self.not_null(name)
        for name in [*MONEY, *nullable]:
            self.fails(f"{name} >= 0", self.number(name, decimals=2) < 0)


def zone_checks(rows: pd.DataFrame) -> Checks:
    """The zones' rules. Of several rows for one zone the first is good."""
    number = pd.to_numeric(rows["location_id"])
    return {
        "location_id not null": number.isna(),
        "location_id between 1 and 265": (number < 1) | (number > 265),
        "location_id unique": number.notna() & number.duplicated(keep="first"),
        **{f"{name} not null": rows[name].isna() for name in ("borough", "zone")},
        **{f"{name} not empty": (rows[name].str.len() == 0).fillna(False) for name in ("borough", "zone")},
    }


def trip_checks(rows: pd.DataFrame, batch: str) -> tuple[Checks, pd.Series]:
    """The rules of either colour, and the rows with a cell that does not parse."""
    yellow = "tpep_pickup_datetime" in rows
    trips = Trips(rows, "tpep" if yellow else "lpep")
    trips.check_times(batch)
    trips.check_codes(CODES if yellow else {**CODES, "trip_type": [1, 2]})
    trips.check_amounts([*SURCHARGES, "airport_fee" if yellow else "ehail_fee"])
    return trips.checks, trips.unparsed


def count(path: Path, batch: str = "all") -> dict[str, object]:
    rows = read(path)
    rejected = pd.Series(False, index=rows.index)
    if "location_id" in rows:
        checks = zone_checks(rows)
    else:
        checks, rejected = trip_checks(rows, batch)
    unparsed = int(rejected.sum())
    for failing in checks.values():
        rejected = rejected | failing
    return {
        "read": len(rows),
        "accepted": int((~rejected).sum()),
        "rejected": int(rejected.sum()),
        "unparsed": unparsed,
        "checks": {name: int(failing.sum()) for name, failing in sorted(checks.items())},
    }


if __name__ == "__main__":
    json.dump(count(Path(sys.argv[1]), *sys.argv[2:3]), sys.stdout, indent=2)
    sys.stdout.write("\n")
