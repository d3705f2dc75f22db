"""Green (boro) taxi trips of New York City, one Parquet file a month."""

from __future__ import annotations

import pandera.pandas as pa

from sluice import Contract, Files, Freshness, Gate, Int, Money, Monthly, Timestamp, column, days

from ._tlc_trips import TaxiTrips


class GreenTrips(TaxiTrips):
    """One row per trip of a green taxi."""

    lpep_pickup_datetime: Timestamp = column("When the meter was switched on, local New York time.")
    lpep_dropoff_datetime: Timestamp = column("When the meter was switched off, local New York time.")
    ehail_fee: Money = column("E-hail fee; empty in all but a few records.", unit="USD", ge=0, nullable=True)
    trip_type: Int = column("1 street hail, 2 dispatch.", isin=[1, 2], nullable=True)

    @pa.dataframe_check(name="dropoff_not_before_pickup")
    def dropoff_not_before_pickup(cls, trips):  # type: ignore[no-untyped-def]
        """A trip does not end before it begins."""
        return trips["lpep_dropoff_datetime"] >= trips["lpep_pickup_datetime"]


CONTRACT = Contract(
    source="tlc",
    entity="green_trips",
    owner="taxi-data@example.com",
    alerts="apprise-address/taxi-data",
    description="Green (boro) taxi trips of New York City, as the TLC publishes them each month.",
    schema=GreenTrips,
    files=Files(
        url="https://d37ci6vzurychx.cloudfront.net/trip-data/green_tripdata_{batch}.parquet",
        batches=Monthly(start="2019-01", by="lpep_pickup_datetime"),
    ),
    gate=Gate(max_rejected=0.05, rows_vs_last=(0.5, 2.0)),
    freshness=Freshness(warn_after=days(75), error_after=days(100)),
)
