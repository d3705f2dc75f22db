"""Yellow taxi trips of New York City, one Parquet file a month."""

from __future__ import annotations

import pandera.pandas as pa

from sluice import Contract, Files, Freshness, Gate, Money, Monthly, Timestamp, column, days

from ._tlc_trips import TaxiTrips


class YellowTrips(TaxiTrips):
    """One row per trip of a yellow taxi."""

    tpep_pickup_datetime: Timestamp = column("When the meter was switched on, local New York time.")
    tpep_dropoff_datetime: Timestamp = column("When the meter was switched off, local New York time.")
    airport_fee: Money = column(
        "For pick-ups at LaGuardia and JFK only.",
        source=("airport_fee", "Airport_fee"),
        unit="USD",
        ge=0,
        nullable=True,
        since="2021-01",
    )

    @pa.dataframe_check(name="dropoff_not_before_pickup")
    def dropoff_not_before_pickup(cls, trips):  # type: ignore[no-untyped-def]
        """A trip does not end before it begins."""
        return trips["tpep_dropoff_datetime"] >= trips["tpep_pickup_datetime"]


CONTRACT = Contract(
    source="tlc",
    entity="yellow_trips",
    owner="taxi-data@example.com",
    alerts="apprise-address/taxi-data",
    description="Yellow taxi trips of New York City, as the TLC publishes them each month.",
    schema=YellowTrips,
    files=Files(
        url="https://d37ci6vzurychx.cloudfront.net/trip-data/yellow_tripdata_{batch}.parquet",
        batches=Monthly(start="2019-01", by="tpep_pickup_datetime"),
    ),
    gate=Gate(max_rejected=0.05, rows_vs_last=(0.5, 2.0)),
    freshness=Freshness(warn_after=days(75), error_after=days(100)),
)
