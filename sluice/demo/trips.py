"""Draw the demo's trips: when, from where to where, how far, and what they cost. Clean; demo/files.py adds the errors.

Hours, zones and boroughs follow the real months; fares and fees follow TLC's rules (https://www.nyc.gov/site/tlc,
"Taxi Fare"). A trip is a set of equally long arrays, one per column of TLC's files: times in seconds since 1970
(local), money in cents, so that sums add up exactly.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv

from sluice.contract.batches import Monthly

ZONES = Path(__file__).parent / "data" / "taxi_zones.csv"
JFK, LAGUARDIA, NEWARK, UNKNOWN, OUTSIDE_CITY = 132, 138, 1, 264, 265
AIRPORT_MILES = {JFK: 17.0, LAGUARDIA: 9.5, NEWARK: 17.5}
# fmt: off
# zones by their number of pick-ups in 2019-12, most first
POPULAR = (236, 237, 161, 162, 186, 142, 230, 132, 170, 48, 239, 79, 163, 234, 68, 138, 107, 141, 164, 263,
           140, 238, 100, 249, 229, 90, 43, 246, 113, 114, 148, 231, 233, 137, 262, 143, 50, 144, 211, 151)
# Manhattan north of 96th Street, and its islands: no congestion surcharge there
UPTOWN = (24, 41, 42, 74, 75, 103, 104, 105, 116, 120, 127, 128, 151, 152, 153, 166, 194, 202, 243, 244)
# Manhattan between 60th and 96th Street: the surcharge, but not the fee of the congestion relief zone
MIDDLE = (43, 140, 141, 142, 143, 236, 237, 238, 239, 262, 263)
# pick-ups by hour from midnight, per mille of a weekday and of a day of the weekend
WEEKDAY = (22, 13, 9, 6, 7, 10, 22, 37, 48, 48, 46, 48, 51, 52, 56, 58, 58, 66, 71, 67, 60, 58, 52, 36)
WEEKEND = (58, 48, 36, 25, 15, 8, 9, 12, 19, 29, 40, 48, 54, 56, 57, 57, 55, 57, 60, 58, 52, 50, 51, 52)
# fmt: on

Columns = dict[str, np.ndarray]


def seconds_of(month: str) -> tuple[int, int]:
    """The first second of the month and of the next."""
    first, following = Monthly(start=month).window(month)
    return int(np.datetime64(first, "s").astype(int)), int(np.datetime64(following, "s").astype(int))


def draw(month: str, rows: int, rng: np.random.Generator) -> Columns:
    """Trips of one month, ordered by pick-up."""
    pickup = _pickups(month, rows, rng)
    origin, goal = _ways(rows, rng)
    miles = _miles(origin, goal, rng)
    by_day = np.abs(pickup // 3600 % 24 - 13) < 7
    speed = np.where(by_day, 8.5, 12.5) * (1 + miles / 14) * np.exp(rng.normal(0, 0.25, rows))  # mph
    seconds = (miles / speed * 3600 + rng.integers(30, 240, rows)).astype(int)
    vendors, shares = ((1, 2, 6), (0.2495, 0.75, 0.0005))
    if month >= "2025-01":
        vendors, shares = (1, 2, 6, 7), (0.2395, 0.75, 0.0005, 0.01)  # type: ignore[assignment]
    trips = {
        "VendorID": rng.choice(vendors, rows, p=shares),
        "tpep_pickup_datetime": pickup,
        "tpep_dropoff_datetime": pickup + seconds,
        "passenger_count": rng.choice(np.arange(1, 7), rows, p=[0.775, 0.145, 0.033, 0.022, 0.015, 0.01]),
        "trip_distance": miles,
        "store_and_fwd_flag": np.where(rng.random(rows) < 0.005, "Y", "N"),
        "PULocationID": origin,
        "DOLocationID": goal,
    }
    return trips | _amounts(month, trips, rng)


def _pickups(month: str, rows: int, rng: np.random.Generator) -> np.ndarray:
    first, following = seconds_of(month)
    hours = np.arange(first // 3600, following // 3600)
    weekend = (hours // 24 + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    weights = np.where(weekend, np.array(WEEKEND)[hours % 24], np.array(WEEKDAY)[hours % 24] * 1.02)
    picked = rng.choice(hours, rows, p=weights / weights.sum())
    return np.sort(picked * 3600 + rng.integers(0, 3600, rows))


def _ways(rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """From which zone to which."""
    weights = np.full(265, 0.15 / 223)  # all but the popular share 15 %
    ranked = 1 / (np.arange(len(POPULAR)) + 12)
    weights[np.array(POPULAR) - 1] = 0.84 * ranked / ranked.sum()
    weights[[UNKNOWN - 1, OUTSIDE_CITY - 1]] = 0.008, 0.002
    zones, spread = np.arange(1, 266), weights**0.7  # from the centre people go everywhere
    origin = rng.choice(zones, rows, p=weights / weights.sum())
    goal = rng.choice(zones, rows, p=spread / spread.sum())
    return origin, np.where(rng.random(rows) < 0.05, origin, goal)


def _miles(origin: np.ndarray, goal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    manhattan = _manhattan()
    typical = np.where(np.isin(origin, manhattan) & np.isin(goal, manhattan), 1.7, 5.0)
    for zone, miles in AIRPORT_MILES.items():
        typical = np.where((origin == zone) | (goal == zone), miles, typical)
    typical = np.where(origin == goal, 0.7, typical)
    drawn = typical * np.exp(rng.normal(0, np.where(typical > 6, 0.15, 0.6)))
    return np.round(np.where(rng.random(len(origin)) < 0.012, 0, drawn), 2)


def _manhattan() -> np.ndarray:
    lookup = pyarrow.csv.read_csv(ZONES)
    boroughs = lookup["Borough"].to_numpy(zero_copy_only=False)
    return np.append(lookup["LocationID"].to_numpy()[boroughs == "Manhattan"], [104, 105])


def _amounts(month: str, trips: Columns, rng: np.random.Generator) -> Columns:
    """Rate, payment, fees, tips and their sum, by the rules of the month."""
    new = month >= "2023-01"  # fares rose on 2022-12-19
    origin, goal, pickup = trips["PULocationID"], trips["DOLocationID"], trips["tpep_pickup_datetime"]
    rows = len(origin)
    rate, fare = _fares(new, trips, rng)
    hour, weekday = pickup // 3600 % 24, (pickup // 86400 + 3) % 7 < 5
    rush, night = weekday & (hour >= 16) & (hour < 20), (hour >= 20) | (hour < 6)
    surcharged = np.setdiff1d(_manhattan(), UPTOWN)
    at_airport = np.isin(origin, (JFK, LAGUARDIA))
    tolled = rng.random(rows) < np.where(at_airport | np.isin(goal, (JFK, LAGUARDIA)), 0.45, 0.004)
    amounts = {
        "fare_amount": fare,
        "extra": np.select([rush & (rate == 2), rush, night], [500, 250, 100] if new else [450, 100, 50], 0),
        "mta_tax": np.where(goal == NEWARK, 0, 50),
        "tolls_amount": np.where(tolled, 694 if new else 612, 0),
        "improvement_surcharge": np.full(rows, 100 if new else 30),
        "congestion_surcharge": np.where(np.isin(origin, surcharged) | np.isin(goal, surcharged), 250, 0),
        "airport_fee": np.where(at_airport, 175 if new else 0, 0),
    }
    if month >= "2025-01":
        relief = np.setdiff1d(surcharged, MIDDLE)
        begun = pickup >= seconds_of("2025-01")[0] + 4 * 86400  # on 2025-01-05
        charged = begun & (np.isin(origin, relief) | np.isin(goal, relief))
        amounts["cbd_congestion_fee"] = np.where(charged, 75, 0)
    payment = rng.choice([1, 2, 3, 4], rows, p=[0.78, 0.195, 0.006, 0.019])  # 1 is by card: only its tips are known
    habit = rng.choice([0, 0.10, 0.15, 0.20, 0.25, 0.30], rows, p=[0.06, 0.05, 0.12, 0.5, 0.17, 0.1])
    before_tip = np.sum(list(amounts.values()), axis=0)
    tip = np.where(payment == 1, np.round(habit * before_tip), 0).astype(int)
    named = {"RatecodeID": rate, "payment_type": payment, "tip_amount": tip}
    return {**named, **amounts, "total_amount": before_tip + tip}


def _fares(new: bool, trips: Columns, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rate code and fare: metered, flat between Manhattan and JFK, dearer to Newark, or negotiated."""
    origin, goal, manhattan = trips["PULocationID"], trips["DOLocationID"], _manhattan()
    from_jfk, to_jfk = (origin == JFK) & np.isin(goal, manhattan), (goal == JFK) & np.isin(origin, manhattan)
    negotiated = rng.random(len(origin)) < 0.006
    rate = np.select([from_jfk | to_jfk, goal == NEWARK, negotiated], [2, 3, 5], 1)
    minutes = (trips["tpep_dropoff_datetime"] - trips["tpep_pickup_datetime"]) / 60
    units = np.ceil(4 * trips["trip_distance"] + 0.35 * minutes).astype(int)  # fifths of a mile, slow minutes
    metered = (300 + 70 * units) if new else (250 + 50 * units)
    flat, newark = (7000, 2000) if new else (5200, 1750)
    agreed = rng.integers(8, 60, len(origin)) * 250
    return rate, np.select([rate == 2, rate == 3, rate == 5], [flat, metered + newark, agreed], metered)
