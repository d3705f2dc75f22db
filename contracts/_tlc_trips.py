"""What the trip records of New York's yellow and green taxis share: columns, code lists, money.

Columns and code lists: TLC, "Data Dictionary - Yellow Taxi Trip Records" and "- LPEP Trip Records" (18 March 2025), and
the records themselves, which hold vendor 4 and rate code 99 before the dictionaries name them.
"""

from __future__ import annotations

import pandera.pandas as pa

from sluice import Float, Int, Money, Text, column

ZONES = {"min_value": 1, "max_value": 265}  # TLC's taxi zones; 264 is unknown, 265 outside of the city


class TaxiTrips(pa.DataFrameModel):
    """One row per trip that a taxi's meter recorded."""

    vendor_id: Int = column(
        "Technology provider: 1 Creative Mobile, 2 Curb Mobility, 6 Myle, 7 Helix; 4 in old files.",
        source="VendorID",
        isin=[1, 2, 4, 6, 7],
        nullable=True,
    )
    passenger_count: Int = column("Passengers, as the driver entered them.", ge=1, nullable=True, tolerance=0.05)
    trip_distance: Float = column("Distance that the taximeter recorded.", unit="mile", ge=0, lt=500)
    ratecode_id: Int = column(
        "Final rate: 1 standard, 2 JFK, 3 Newark, 4 Nassau or Westchester, 5 negotiated, 6 group ride, 99 unknown.",
        source="RatecodeID",
        isin=[1, 2, 3, 4, 5, 6, 99],
        nullable=True,
    )
    store_and_fwd_flag: Text = column(
        "Y if the record waited in the vehicle for a connection, else N.", isin=["Y", "N"], nullable=True
    )
    pu_location_id: Int = column("Taxi zone where the meter was switched on.", source="PULocationID", in_range=ZONES)
    do_location_id: Int = column("Taxi zone where the meter was switched off.", source="DOLocationID", in_range=ZONES)
    payment_type: Int = column(
        "0 flex fare, 1 credit card, 2 cash, 3 no charge, 4 dispute, 5 unknown, 6 voided trip.",
        isin=[0, 1, 2, 3, 4, 5, 6],
        nullable=True,
    )
    fare_amount: Money = column("Fare by time and distance, from the meter.", unit="USD", ge=0)
    extra: Money = column("Extras and surcharges, such as rush hour and overnight.", unit="USD", ge=0)
    mta_tax: Money = column("Tax that the metered rate triggers.", unit="USD", ge=0)
    tip_amount: Money = column("Tip by credit card; cash tips are not recorded.", unit="USD", ge=0)
    tolls_amount: Money = column("All tolls of the trip.", unit="USD", ge=0)
    improvement_surcharge: Money = column("Improvement surcharge at flag drop, since 2015.", unit="USD", ge=0)
    total_amount: Money = column("All that the passenger was charged, without cash tips.", unit="USD", ge=0)
    congestion_surcharge: Money = column(
        "State congestion surcharge, since February 2019.", unit="USD", ge=0, nullable=True, since="2019-02"
    )
    cbd_congestion_fee: Money = column(
        "Charge for the congestion relief zone, since 5 January 2025.",
        unit="USD",
        ge=0,
        nullable=True,
        since="2025-01",
    )
