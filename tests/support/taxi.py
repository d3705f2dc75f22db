"""Small yellow taxi files, for tests that run the shipped datasets."""

from __future__ import annotations

import gzip
from pathlib import Path

HEADER = (
    "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,"
    "PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,"
    "total_amount,congestion_surcharge"
)
TRIP = (
    "1,{month}-{day:02d} 10:00:00,{month}-{day:02d} 10:07:00,{passengers},1.5,1,N,151,239,1,"
    "7.0,0.5,0.5,1.65,0.0,0.3,9.95,"
)


def trips(month: str, count: int = 20, *, passengers: int = 1) -> list[str]:
    """Lines of trips, one a day."""
    return [TRIP.format(month=month, day=1 + n % 28, passengers=passengers) for n in range(count)]


def csv(path: Path, lines: list[str], header: str = HEADER) -> Path:
    """A plain or gzipped CSV file, by its name."""
    text = ("\n".join([header, *lines]) + "\n").encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def quoted(value: str) -> str:
    """A value as a CSV field of its own, whatever is in it."""
    return '"' + value.replace('"', '""') + '"'
