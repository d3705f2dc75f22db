"""The demo's deliveries: the same each time, in TLC's shape, and as dirty as the real ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluice.contract.errors import ConfigError
from sluice.demo import files
from tests.support.independent_counts import count

ROWS = 20_000


@pytest.fixture(scope="module")
def january() -> pd.DataFrame:
    """A month with every column there is."""
    return files.yellow_trips("2025-01", ROWS, seed=1).to_pandas()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first = files.make(tmp_path / "first", ["2024-12"], rows=1000, seed=7)
    again = files.make(tmp_path / "again", ["2024-11", "2024-12"], rows=1000, seed=7)
    other = files.make(tmp_path / "other", ["2024-12"], rows=1000, seed=8)

    assert [path.name for path in first] == ["yellow_trips_2024-12.parquet", "zones_all.parquet"]
    assert first[0].read_bytes() == again[1].read_bytes() != other[0].read_bytes()


def test_a_file_that_would_be_the_same_is_left_alone(tmp_path: Path) -> None:
    before = [path.stat().st_mtime_ns for path in files.make(tmp_path, ["2024-12"], rows=100)]
    after = [path.stat().st_mtime_ns for path in files.make(tmp_path, ["2024-12"], rows=100)]

    assert before == after


@pytest.mark.parametrize(
    ("month", "ids", "counts", "text", "last"),
    [
        ("2022-06", pa.int64(), pa.float64(), pa.string(), ["congestion_surcharge", "airport_fee"]),
        ("2024-12", pa.int32(), pa.int64(), pa.large_string(), ["congestion_surcharge", "Airport_fee"]),
        ("2025-01", pa.int32(), pa.int64(), pa.large_string(), ["Airport_fee", "cbd_congestion_fee"]),
    ],
)
def test_columns_have_the_names_and_types_of_tlcs_files_of_the_month(
    tmp_path: Path, month: str, ids: pa.DataType, counts: pa.DataType, text: pa.DataType, last: list[str]
) -> None:
    schema = pq.read_schema(files.make(tmp_path, [month], rows=100)[0])

    expected = {
        "VendorID": ids,
        "tpep_pickup_datetime": pa.timestamp("us"),
        "tpep_dropoff_datetime": pa.timestamp("us"),
        "passenger_count": counts,
        "trip_distance": pa.float64(),
        "RatecodeID": counts,
        "store_and_fwd_flag": text,
        "PULocationID": ids,
        "DOLocationID": ids,
        "payment_type": pa.int64(),
    }
    assert dict(zip(schema.names[:10], schema.types[:10], strict=True)) == expected
    assert set(schema.types[10:]) == {pa.float64()}
    assert schema.names[-2:] == last
    assert len(schema.names) == (20 if month >= "2025-01" else 19)


def test_each_kind_of_dirt_has_its_share(january: pd.DataFrame) -> None:
    pickup, dropoff = january["tpep_pickup_datetime"], january["tpep_dropoff_datetime"]
    stray = (pickup < "2025-01-01") | (pickup >= "2025-02-01")
    seen = {
        "no_passenger": january["passenger_count"].eq(0),
        "refund": january["fare_amount"].lt(0) & january["total_amount"].lt(0),
        "outside_month": stray,
        "dropoff_before_pickup": dropoff < pickup,
        "huge_distance": january["trip_distance"].ge(500),
        "little_known": january["VendorID"].isna() & january["Airport_fee"].isna(),
        "next_day": (dropoff - pickup) > pd.Timedelta(hours=22),
        "rate_99": january["RatecodeID"].eq(99),
        "vendor_4": january["VendorID"].eq(4),
    }

    assert {kind: rows.sum() for kind, rows in seen.items()} == {
        kind: round(share * ROWS) for kind, share in files.DIRT.items()
    }


@pytest.mark.parametrize("month", files.MONTHS)
def test_as_many_rows_are_rejected_as_of_a_real_month(tmp_path: Path, month: str) -> None:
    path = files.make(tmp_path, [month], rows=ROWS)[0]

    told = count(path, month)
    assert told["read"] == ROWS
    assert 0.022 <= told["rejected"] / told["read"] <= 0.029


def test_the_amounts_of_every_trip_add_up(january: pd.DataFrame) -> None:
    parts = [name for name in january if name in (*files.MONEY, "Airport_fee") and name != "total_amount"]
    cents = (january[[*parts, "total_amount"]].fillna(0) * 100).round().astype(int)

    assert (cents[parts].sum(axis=1) == cents["total_amount"]).all()


def test_trips_are_where_and_when_new_york_takes_a_taxi(january: pd.DataFrame) -> None:
    by_hour = january["tpep_pickup_datetime"].dt.hour.value_counts()
    tips = january.groupby("payment_type")["tip_amount"].sum()

    assert by_hour[18] > 3 * by_hour[4]
    assert january["PULocationID"].isin([236, 237, 161, 162, 186]).mean() > 0.1
    assert {264, 265} <= set(january["PULocationID"])
    assert tips[1] > 0 == tips[2]
    assert january["trip_distance"].rank().corr(january["fare_amount"].rank()) > 0.8


def test_the_zones_are_delivered_with_their_duplicates(tmp_path: Path) -> None:
    zones = pd.read_parquet(files.make(tmp_path, [], rows=0)[0])

    assert list(zones) == ["LocationID", "Borough", "Zone"]
    assert zones["LocationID"].value_counts().loc[lambda times: times > 1].to_dict() == {103: 3, 56: 2}
    assert set(range(1, 266)) - set(zones["LocationID"]) == {57, 104, 105, 264, 265}


def test_a_month_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write it as 2021-01"):
        files.make(tmp_path, ["January"])
