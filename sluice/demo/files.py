"""Make demo deliveries: yellow trips in the shape of TLC's Parquet files, dirt included, and the zones.

Names, order and types of the columns are those of TLC's files of that month. The trips come from a seed and
happened to nobody. data/taxi_zones.csv is TLC's zone lookup as it was once delivered: two zones stand there
more than once, and 57, 104, 105, 264 and 265 are missing. Same arguments and versions, same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from sluice.contract.batches import Monthly
from sluice.demo.trips import ZONES, Columns, draw, seconds_of
from sluice.project.atomic import replacing

MONTHS = ("2024-12", "2025-01")  # between them a column appears: cbd_congestion_fee

# Share of rows of each kind of dirt, about as in the real months of 2019 and 2020. A row has one kind.
# The first five kinds fail a check: 2.4 % of the rows. The contract lets the others pass.
DIRT = {
    "no_passenger": 0.0190,
    "refund": 0.0040,  # the trip before again, its amounts negative
    "outside_month": 0.0004,
    "dropoff_before_pickup": 0.0003,
    "huge_distance": 0.0003,
    "little_known": 0.0100,  # no vendor, passengers, rate, flag and surcharges
    "next_day": 0.0020,  # the meter ran on for a day
    "rate_99": 0.0005,
    "vendor_4": 0.0003,
}
MONEY = (  # in TLC's order
    *("fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge", "total_amount"),
    *("congestion_surcharge", "airport_fee", "cbd_congestion_fee"),
)
LITTLE_KNOWN = (
    *("VendorID", "passenger_count", "RatecodeID", "store_and_fwd_flag", "congestion_surcharge", "airport_fee"),
)


def last_months(count: int = 2) -> tuple[str, ...]:
    """The last complete months, the oldest first: what a provider would have delivered by now."""
    this = pd.Period(datetime.now(UTC).date(), freq="M")
    return tuple(str(this - ago) for ago in range(count, 0, -1))


def make(folder: Path, months: Sequence[str] = MONTHS, rows: int = 100_000, seed: int = 2019) -> list[Path]:
    """Write `yellow_trips_<month>.parquet` for each month, and `zones_all.parquet`. Returns their paths.

    A file that holds the same bytes already is left alone, and keeps its time.

    Raises:
        ConfigError: one of the months is not valid, or is before 2019-02, since when there is a surcharge.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for month in months:
        Monthly(start="2019-02").validate(month)
        paths.append(_write(folder / f"yellow_trips_{month}.parquet", _parquet(yellow_trips(month, rows, seed))))
    return [*paths, _write(folder / "zones_all.parquet", _parquet(csv.read_csv(ZONES)))]


def yellow_trips(month: str, rows: int, seed: int) -> pa.Table:
    """One month of yellow trips, ordered by pick-up but for the dirt."""
    rng = np.random.default_rng([seed, int(month.replace("-", ""))])
    trips = draw(month, rows, rng)
    little_known = _spoil(month, trips, rng)
    return _table(month, trips, little_known)


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> Path:
    if not path.exists() or path.read_bytes() != content:
        with replacing(path) as unfinished:
            unfinished.write_bytes(content)
    return path


def _spoil(month: str, trips: Columns, rng: np.random.Generator) -> np.ndarray:
    """Add the dirt, in place. Returns a mask of the rows of which little is known."""
    rows = len(trips["VendorID"])
    ends = np.cumsum([round(share * rows) for share in DIRT.values()])
    dirt = dict(zip(DIRT, np.split(rng.permutation(rows), ends), strict=False))  # one part stays clean
    pickup, dropoff = trips["tpep_pickup_datetime"], trips["tpep_dropoff_datetime"]
    _refund(trips, dirt["refund"], rng)
    trips["passenger_count"][dirt["no_passenger"]] = 0

    stray = dirt["outside_month"]
    first, following = seconds_of(month)
    clock_lost = int(np.datetime64("2002-12-31T22:10:00", "s").astype(int))  # where a meter's clock restarts
    places = rng.choice([first - 2 * 3600, following + 60, clock_lost], len(stray))
    moved = places + rng.integers(0, 3600, len(stray)) - pickup[stray]
    pickup[stray] += moved
    dropoff[stray] += moved

    backwards, late, huge = dirt["dropoff_before_pickup"], dirt["next_day"], dirt["huge_distance"]
    dropoff[backwards] = pickup[backwards] - rng.integers(60, 4 * 3600, len(backwards))
    dropoff[late] = pickup[late] + 86_400 - rng.integers(60, 3600, len(late))
    trips["trip_distance"][huge] = np.round(np.exp(rng.uniform(np.log(1000), np.log(300_000), len(huge))), 2)
    trips["VendorID"][dirt["vendor_4"]] = 4
    trips["RatecodeID"][dirt["rate_99"]] = 99

    little_known = np.isin(np.arange(rows), dirt["little_known"])
    trips["payment_type"][little_known] = 0
    trips["total_amount"][little_known] -= (trips["congestion_surcharge"] + trips["airport_fee"])[little_known]
    return little_known


def _refund(trips: Columns, refunds: np.ndarray, rng: np.random.Generator) -> None:
    """Turn these rows into the trip before, paid back but for the tip."""
    for name, values in trips.items():
        values[refunds] = values[refunds - 1]
        if name in MONEY:
            values[refunds] *= -1
    trips["total_amount"][refunds] -= trips["tip_amount"][refunds]
    trips["tip_amount"][refunds] = 0
    trips["payment_type"][refunds] = rng.choice([3, 4], len(refunds))  # no charge, dispute


def _table(month: str, trips: Columns, little_known: np.ndarray) -> pa.Table:
    """The columns under TLC's names, in TLC's order, with the types of that year's files."""
    old = month < "2023-02"  # in that month TLC changed types and a name
    id_type = pa.int64() if old else pa.int32()
    count_type = pa.float64() if old else pa.int64()
    kinds = {
        "VendorID": id_type,
        "tpep_pickup_datetime": pa.timestamp("us"),
        "tpep_dropoff_datetime": pa.timestamp("us"),
        "passenger_count": count_type,
        "trip_distance": pa.float64(),
        "RatecodeID": count_type,
        "store_and_fwd_flag": pa.string() if old else pa.large_string(),
        "PULocationID": id_type,
        "DOLocationID": id_type,
        "payment_type": pa.int64(),
        **dict.fromkeys(MONEY, pa.float64()),
    }
    arrays = {}
    for name, kind in kinds.items():
        if name in trips:
            values = trips[name] / 100 if name in MONEY else trips[name]
            values = values.astype("datetime64[s]") if kind == pa.timestamp("us") else values
            array = pa.array(values, mask=little_known if name in LITTLE_KNOWN else None).cast(kind)
            arrays["Airport_fee" if name == "airport_fee" and not old else name] = array
    return pa.table(arrays)
