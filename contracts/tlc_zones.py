"""The taxi zones of New York City: one small CSV file, replaced whole when TLC changes it."""

from __future__ import annotations

from typing import Optional

import pandera.pandas as pa

from sluice import Contract, Files, Gate, Int, Single, Text, column

from ._tlc_trips import ZONES


class Zones(pa.DataFrameModel):
    """One row per taxi zone. TLC's file names zones 56 and 103 more than once; the first row stands."""

    location_id: Int = column(
        "Number of the zone.",
        source="LocationID",
        in_range=ZONES,
        unique=True,
        keep="first",
    )
    borough: Text = column("Borough the zone lies in.", source="Borough", str_length={"min_value": 1})
    zone: Text = column("Name of the zone.", source="Zone", str_length={"min_value": 1})
    service_zone: Optional[Text] = column(  # noqa: UP045  pandera reads Optional as: the column may be missing
        "Which taxis may pick up there.", nullable=True
    )


CONTRACT = Contract(
    source="tlc",
    entity="zones",
    owner="taxi-data@example.com",
    alerts="apprise-address/taxi-data",
    description="The 265 taxi zones that trips name as places.",
    schema=Zones,
    files=Files(url="https://d37ci6vzurychx.cloudfront.net/misc/taxi_zone_lookup.csv", batches=Single()),
    gate=Gate(max_rejected=0.05),
)
