"""Thirty-six ordinary files of many kinds, made up from a seed: skewed, sorted by time, growing ids, rare codes.

Each is a list of rows, of which the first half is one delivery and the second half the next.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 800
pairs = partial(zip, strict=True)
NAMES = (
    "Anna",
    "Ben",
    "Carla",
    "Dimitri",
    "Elif",
    "Farid",
    "Grace",
    "Hiro",
    "Ines",
    "Jonas",
    "Kim",
    "Lena",
    "Marek",
    "Noor",
    "Olga",
    "Pedro",
    "Quinn",
    "Rosa",
    "Sven",
    "Tara",
)
SURNAMES = [
    "Abe",
    "Brown",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ivanov",
    "Jansen",
    "Kowalski",
    "Lopez",
    "Müller",
    "Nguyen",
    "O'Neil",
]
TOWNS = [
    "Aachen",
    "Basel",
    "Córdoba",
    "Delft",
    "Essen",
    "Firenze",
    "Genève",
    "Haarlem",
    "Innsbruck",
    "Jena",
    "Kiel",
    "Lyon",
    "Malmö",
    "Nice",
    "Oslo",
]
COUNTRIES = [
    "Albania",
    "Austria",
    "Belgium",
    "Brazil",
    "Canada",
    "Chile",
    "Denmark",
    "Egypt",
    "Finland",
    "France",
    "Ghana",
    "Greece",
    "Iceland",
    "India",
    "Italy",
    "Japan",
    "Kenya",
    "Latvia",
    "Mexico",
    "Namibia",
    "Norway",
    "Oman",
    "Peru",
    "Poland",
    "Qatar",
    "Rwanda",
    "Spain",
    "Sweden",
    "Togo",
    "Uganda",
    "Vietnam",
    "Yemen",
    "Zambia",
]
ISO = [
    "AL",
    "AT",
    "BE",
    "BR",
    "CA",
    "CL",
    "DK",
    "EG",
    "FI",
    "FR",
    "GH",
    "GR",
    "IS",
    "IN",
    "IT",
    "JP",
    "KE",
    "LV",
    "MX",
    "NA",
    "NO",
    "OM",
    "PE",
    "PL",
    "QA",
    "RW",
    "ES",
    "SE",
    "TG",
    "UG",
    "VN",
    "YE",
    "ZM",
]


@dataclass(frozen=True)
class File:
    """A file before it is written.

    Attributes:
        rows: texts of cells; empty is null.
        last: rows that close each delivery, such as a total.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    delimiter: str = ","
    last: Callable[[Sequence[Sequence[Any]]], list[Any]] | None = None
    parquet: bool = False
    encoding: str = "utf-8"
    before: tuple[str, ...] = field(default=())

    def write(self, path: Path, rows: Sequence[Sequence[Any]]) -> Path:
        """Some of its rows, as a file."""
        if self.parquet:
            path = path.with_suffix(".parquet")
            pq.write_table(pa.table(dict(zip(self.header, map(list, zip(*rows, strict=True)), strict=True))), path)
            return path
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator="\n")
        writer.writerows([self.header, *rows, *([self.last(rows)] if self.last else [])])
        path.write_bytes("".join([*(f"{line}\n" for line in self.before), text.getvalue()]).encode(self.encoding))
        return path

    def halves(self, folder: Path, name: str) -> tuple[Path, Path]:
        """The two deliveries."""
        half = len(self.rows) // 2
        parts = (self.rows[:half], self.rows[half:])
        paths = [self.write(folder / f"{name}_{number}.csv", rows) for number, rows in enumerate(parts, start=1)]
        return paths[0], paths[1]


class Draw:
    """Columns of random cells."""

    def __init__(self, seed: int, rows: int = ROWS) -> None:
        self.rng, self.n = np.random.default_rng(seed), rows

    def pick(self, values: Sequence[Any], weights: Sequence[float] | None = None) -> list[Any]:
        shares = None if weights is None else np.array(weights) / sum(weights)
        return [values[place] for place in self.rng.choice(len(values), self.n, p=shares)]

    def skewed(self, median: float, spread: float = 1.0, digits: int = 2) -> list[str]:
        return [f"{value:.{digits}f}" for value in self.rng.lognormal(np.log(median), spread, self.n)]

    def normal(self, mean: float | np.ndarray, spread: float, digits: int = 1) -> list[str]:
        return [f"{value:.{digits}f}" for value in self.rng.normal(mean, spread, self.n)]

    def whole(self, low: int, high: int) -> list[int]:
        return [int(value) for value in self.rng.integers(low, high, self.n)]

    def counts(self, mean: float) -> list[int]:
        return [int(value) for value in self.rng.poisson(mean, self.n)]

    def ids(self, first: int, gaps: int = 3) -> list[int]:
        return [int(value) for value in first + np.cumsum(self.rng.integers(1, gaps + 1, self.n))]

    def moments(self, first: str, days: float, written: str = "%Y-%m-%d %H:%M:%S") -> list[str]:
        seconds = np.sort(self.rng.uniform(0, days * 86_400, self.n))
        begin = datetime.fromisoformat(first)
        return [(begin + timedelta(seconds=int(each))).strftime(written) for each in seconds]

    def dates(self, first: str, days: int, written: str = "%Y-%m-%d") -> list[str]:
        begin = date.fromisoformat(first)
        return [(begin + timedelta(days=int(d))).strftime(written) for d in self.rng.integers(0, days, self.n)]

    def daily(self, first: str, each: int = 1, written: str = "%Y-%m-%d") -> list[str]:
        begin = date.fromisoformat(first)
        return [(begin + timedelta(days=place // each)).strftime(written) for place in range(self.n)]

    def gaps(self, cells: Sequence[Any], share: float, first: float = 0.0) -> list[Any]:
        """Cells of which a share is empty, from a place in the file on."""
        empty = (self.rng.random(self.n) < share) & (np.arange(self.n) >= first * self.n)
        return ["" if gone else cell for gone, cell in zip(empty, cells, strict=True)]

    def people(self) -> list[str]:
        return [f"{a} {b}" for a, b in zip(self.pick(NAMES), self.pick(SURNAMES), strict=True)]

    def codes(self, pattern: str) -> list[str]:
        """`AA-9999`: letters for A, digits for 9."""
        letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
        draw = lambda sign: letters[self.rng.integers(24)] if sign == "A" else str(self.rng.integers(10))  # noqa: E731
        return ["".join(draw(sign) if sign in "A9" else sign for sign in pattern) for _ in range(self.n)]


def _file(columns: dict[str, Iterable[Any]], **how: Any) -> File:
    return File(list(columns), list(zip(*columns.values(), strict=True)), **how)


def _season(d: Draw) -> np.ndarray:
    """Warm at first, cold later."""
    return 12 + 14 * np.cos(np.linspace(0, np.pi, d.n))


def orders(d: Draw) -> File:
    quantity, price = d.counts(2), d.skewed(18)
    return _file(
        {
            "order_id": d.ids(100_000),
            "ordered_at": d.moments("2024-01-01", 60),
            "customer_id": d.whole(1, 5000),
            "status": d.pick(["paid", "shipped", "returned", "fraud"], [70, 27, 2.8, 0.2]),
            "quantity": quantity,
            "unit_price": price,
            "discount": d.gaps(d.pick(["0.00", "5.00", "10.00"], [80, 15, 5]), 0.1),
            "coupon": d.gaps(d.codes("AA99"), 0.9),
        }
    )


def sensors(d: Draw) -> File:
    return _file(
        {
            "time": d.moments("2023-07-01", 180),
            "sensor": d.pick([f"s{n:02d}" for n in range(1, 15)]),
            "temperature_c": d.normal(_season(d), 3),
            "humidity": d.normal(60, 12),
            "battery": d.normal(np.linspace(99, 20, d.n), 1, 0),
            "fault": d.pick(["0", "1"], [997, 3]),
        }
    )


def oil(d: Draw) -> File:
    price = 55 + np.cumsum(d.rng.normal(0, 1.2, d.n))
    price[int(d.n * 0.7)] = -36.98
    return _file({"Date": d.daily("2018-01-02"), "Price": [f"{value:.2f}" for value in price]})


def earthquakes(d: Draw) -> File:
    north = np.where(np.arange(d.n) < d.n * 0.5, d.rng.uniform(5, 60, d.n), d.rng.uniform(-55, 60, d.n))
    return _file(
        {
            "time": d.moments("2024-03-01T00:00:00", 30, "%Y-%m-%dT%H:%M:%S.123Z"),
            "latitude": [f"{v:.4f}" for v in north],
            "longitude": d.normal(20, 80, 4),
            "depth": d.skewed(12, 1.2),
            "mag": d.normal(3, 1, 2),
            "magType": d.pick(["ml", "mb", "md", "mww", "mwr", "mh"], [60, 30, 8, 2, 0.5, 0.1]),
            "nst": d.gaps(d.counts(40), 0.3),
            "place": [f"{n} km N of {town}" for n, town in pairs(d.whole(1, 90), d.pick(TOWNS))],
            "id": d.codes("us9999AAAA"),
        }
    )


def countries(d: Draw) -> File:
    place = np.arange(d.n) * len(ISO) // d.n
    names = [COUNTRIES[p] for p in place]
    year = [1990 + n % 25 for n in range(d.n)]
    return _file(
        {
            "country": names,
            "iso2": [ISO[p] for p in place],
            "region": [["Africa", "Europe", "Asia", "Americas"][p % 4] for p in place],
            "year": year,
            "life_expectancy_at_birth": d.normal(70, 7),
            "gdp_per_capita": d.skewed(9000, 1.1),
            "population": [int(float(v)) for v in d.skewed(9_000_000, 1.5)],
            "co2": d.gaps(d.skewed(3, 1, 3), 0.05),
        }
    )


def flights(d: Draw) -> File:
    cancelled = d.pick(["0", "1"], [98.5, 1.5])
    delay = [("" if c == "1" else str(int(v))) for c, v in zip(cancelled, d.rng.normal(3, 25, d.n), strict=True)]
    reason = [("" if c == "0" else r) for c, r in zip(cancelled, d.pick("ABCD", [50, 40, 9, 1]), strict=True)]
    return _file(
        {
            "FlightDate": d.daily("2024-01-01", 27),
            "Carrier": d.pick(
                ["AA", "DL", "UA", "WN", "B6", "AS", "NK", "F9", "HA", "G4"], [20, 18, 15, 20, 8, 7, 6, 4, 1, 1]
            ),
            "FlightNumber": d.whole(1, 6500),
            "Origin": d.codes("AAA"),
            "Dest": d.codes("AAA"),
            "DepDelay": delay,
            "Cancelled": cancelled,
            "CancellationCode": reason,
            "Distance": d.whole(80, 2900),
        }
    )


def bank(d: Draw) -> File:
    amounts = d.rng.normal(-20, 120, d.n)
    return _file(
        {
            "booked_on": d.daily("2023-01-01", 3),
            "iban": d.codes("DE99999999999999999999"),
            "amount": [f"{v:.2f}" for v in amounts],
            "balance": [f"{v:.2f}" for v in 50_000 + np.cumsum(amounts)],
            "currency": d.pick(["EUR", "USD", "CHF"], [97, 2.8, 0.2]),
            "purpose": d.pick(["rent", "groceries; cash", 'card "gold"', "salary", "refund"], [10, 60, 20, 8, 2]),
        }
    )


def weblog(d: Draw) -> File:
    return _file(
        {
            "ts": d.moments("2024-05-01T00:00:00", 2, "%Y-%m-%dT%H:%M:%S+00:00"),
            "ip": [f"10.{a}.{b}.7" for a, b in pairs(d.whole(0, 255), d.whole(0, 255))],
            "method": d.pick(["GET", "POST", "HEAD", "PUT"], [90, 9, 0.8, 0.2]),
            "status": d.pick([200, 304, 404, 301, 500, 503], [80, 10, 7, 2, 0.8, 0.2]),
            "bytes": [int(float(v)) for v in d.skewed(5000, 2)],
            "path": [f"/p/{n}?q=a,b" for n in d.whole(1, 900)],
            "agent": d.pick(["Mozilla/5.0 (X11; Linux)", "curl/8.5", "bot"], [90, 8, 2]),
        }
    )


def inventory(d: Draw) -> File:
    return _file(
        {
            "sku": d.codes("99999"),
            "warehouse": d.pick(["N1", "N2", "S1"]),
            "on_hand": d.counts(40),
            "reorder_at": d.pick([10, 20, 50]),
            "unit_cost": d.skewed(7, 0.8, 4),
            "last_counted": d.gaps(d.dates("2023-01-01", 500), 0.2),
        }
    )


def survey(d: Draw) -> File:
    return _file(
        {
            "response_id": d.ids(1),
            "q1": d.pick([1, 2, 3, 4, 5], [1, 4, 20, 45, 30]),
            "q2": d.gaps(d.pick([1, 2, 3, 4, 5], [0.3, 3, 20, 45, 32]), 0.04),
            "would_recommend": d.pick(["Yes", "No"], [9, 1]),
            "consent": d.pick(["yes", "no"], [998, 2]),
            "age_group": d.pick(["18-29", "30-44", "45-64", "65+"]),
            "comment": d.gaps(d.pick(['Great, "really"', "ok", "Too slow; too dear", "none"]), 0.6),
        }
    )


def quotes(d: Draw) -> File:
    close = 30 * np.exp(np.cumsum(d.rng.normal(0.002, 0.03, d.n)))
    return _file(
        {
            "date": d.daily("2021-01-04"),
            "open": [f"{v:.2f}" for v in close * 0.99],
            "high": [f"{v:.2f}" for v in close * 1.02],
            "low": [f"{v:.2f}" for v in close * 0.97],
            "close": [f"{v:.2f}" for v in close],
            "volume": [int(float(v)) for v in d.skewed(2e6, 1)],
            "dividend": d.pick(["0.00", "0.35"], [99, 1]),
        }
    )


def staff(d: Draw) -> File:
    return _file(
        {
            "employee_no": d.ids(1000),
            "first_name": d.pick(NAMES),
            "last_name": d.pick(SURNAMES),
            "birth_date": d.dates("1960-01-01", 15_000),
            "department": d.pick(["Sales", "IT", "HR", "Legal"], [60, 30, 9, 1]),
            "salary": d.skewed(52_000, 0.4),
            "manager_no": d.gaps(d.whole(1000, 1100), 0.01),
            "left_on": d.gaps(d.dates("2020-01-01", 1500), 0.95),
        }
    )


def weather(d: Draw) -> File:
    cold = np.arange(d.n) > d.n * 0.55
    snow = [f"{v:.1f}" if c else "" for c, v in zip(cold, d.rng.gamma(1, 3, d.n), strict=True)]
    rain = [
        f"{v:.1f}" if wet else "0" for wet, v in pairs(d.rng.random(d.n) < 0.3, d.rng.gamma(1, 4, d.n), strict=True)
    ]
    return _file(
        {
            "station": d.pick(["GHCND:GM01", "GHCND:GM02"]),
            "DATE": d.daily("2022-05-01"),
            "TMIN": d.normal(_season(d) - 4, 3),
            "TMAX": d.normal(_season(d) + 5, 3),
            "PRCP": rain,
            "SNOW": snow,
            "WT01": d.gaps(d.pick([1]), 0.9, 0.0),
        }
    )


def election(d: Draw) -> File:
    return _file(
        {
            "Constituency": [f"{t} {n}" for t, n in pairs(d.pick(TOWNS), d.whole(1, 40))],
            "Party": d.pick(["A", "B", "C", "D", "E"], [40, 35, 20, 4.8, 0.2]),
            "Votes": [f"{int(float(v)):,}" for v in d.skewed(3000, 1.2)],
            "Share": [f"{v:.1f}%" for v in d.rng.beta(2, 4, d.n) * 100],
            "Elected": d.pick(["N", "Y"], [9, 1]),
        }
    )


def german(d: Draw) -> File:
    comma = lambda cells: [cell.replace(".", ",") for cell in cells]  # noqa: E731
    return _file(
        {
            "Rechnungsnr": d.ids(20_000),
            "Datum": d.daily("2024-01-01", 4, "%d.%m.%Y"),
            "Kunde": d.people(),
            "Netto": comma(d.skewed(80)),
            "Menge": d.counts(3),
            "bezahlt": d.pick(["ja", "nein"], [95, 5]),
            "Ort": d.pick(TOWNS),
        },
        delimiter=";",
        encoding="cp1252",
    )


def american_days(d: Draw) -> File:
    return _file(
        {
            "Case": d.codes("C-999999"),
            "Opened": d.daily("2024-01-01", 66, "%m/%d/%Y"),
            "Type": d.pick(["Noise", "Water", "Street", "Other"], [50, 30, 19, 1]),
            "Zip": d.pick(["10001", "10025", "11201", "10451"]),
            "Closed": d.gaps(d.daily("2024-01-02", 66, "%m/%d/%Y"), 0.3),
        }
    )


def parcels(d: Draw) -> File:
    return _file(
        {
            "tracking": d.codes("AA999999999AA"),
            "sent": d.moments("2024-02-01", 28, "%d/%m/%Y %H:%M"),
            "weight_kg": d.skewed(1.2, 0.9, 3),
            "to_country": d.pick(["DE", "FR", "NL", "NA", "NO"], [60, 20, 15, 4, 1]),
            "insured": d.pick(["True", "False"], [2, 98]),
            "cod": d.gaps(d.skewed(30), 0.97),
        }
    )


def areas(d: Draw) -> File:
    return _file(
        {
            "gid": d.ids(0, 1),
            "name": d.pick(TOWNS),
            "wkt": [f"POINT({x} {y})" for x, y in pairs(d.normal(8, 3, 5), d.normal(50, 2, 5))],
            "area_ha": d.skewed(140, 1.4, 3),
            "protected_since": d.gaps(d.whole(1921, 2024), 0.4),
        }
    )


def matches(d: Draw) -> File:
    return _file(
        {
            "Div": d.pick(["E0", "E1"]),
            "Date": d.daily("2023-08-11", 5, "%d/%m/%y"),
            "HomeTeam": d.pick(TOWNS),
            "AwayTeam": d.pick(TOWNS),
            "FTHG": d.counts(1.5),
            "FTAG": d.counts(1.2),
            "FTR": d.pick("HDA", [45, 25, 30]),
            "Referee": d.people(),
            "Attendance": d.gaps(d.whole(200, 75_000), 0.02),
            "HR": d.counts(0.05),
            "B365H": d.skewed(2.4, 0.4),
        }
    )


def books(d: Draw) -> File:
    isbn = ["".join(map(str, d.rng.integers(0, 10, 9))) + "0123456789X"[d.rng.integers(11)] for _ in range(d.n)]
    return _file(
        {
            "isbn": isbn,
            "title": [f"{a}, or: the {b}" for a, b in pairs(d.pick(NAMES), d.pick(TOWNS))],
            "author": d.people(),
            "pages": d.gaps(d.whole(20, 1400), 0.03),
            "published": d.whole(1850, 2024),
            "language": d.pick(["eng", "deu", "fra", "spa", "lat"], [70, 15, 10, 4.5, 0.5]),
            "price": d.gaps(d.skewed(14, 0.4), 0.08),
        }
    )


def events(d: Draw) -> File:
    rng = d.rng
    return _file(
        {
            "event_id": [str(UUID(bytes=rng.bytes(16))) for _ in range(d.n)],
            "user_id": d.ids(10**9, 900_000),
            "at": d.moments("2024-06-01T00:00:00", 3, "%Y-%m-%dT%H:%M:%S.250000"),
            "kind": d.pick(["view", "click", "buy", "refund"], [80, 18, 1.9, 0.1]),
            "payload": [json.dumps({"n": n, "ok": n % 2 == 0}) for n in d.whole(0, 50)],
        }
    )


def meters(d: Draw) -> File:
    return _file(
        {
            "meter": d.codes("EM9999999"),
            "read_on": d.daily("2020-01-01", 2),
            "kwh": [f"{v:.3f}" for v in np.cumsum(d.rng.gamma(2, 90, d.n))],
            "estimated": d.pick(["E", "A"], [1, 9]),
            "tariff": d.pick([1, 2]),
            "co2_kg": d.skewed(3, 0.4, 1),
        }
    )


def calls(d: Draw) -> File:
    return _file(
        {
            "call_id": d.ids(1),
            "caller": [f"+{c}{n}" for c, n in pairs(d.pick([49, 33, 1]), d.whole(10**8, 10**9))],
            "started": d.moments("2024-01-10", 5),
            "seconds": [int(float(v)) for v in d.skewed(60, 1.3)],
            "outcome": d.pick(["answered", "missed", "busy", "failed"], [75, 20, 4.6, 0.4]),
            "cost": d.skewed(0.2, 0.8, 4),
        }
    )


def houses(d: Draw) -> File:
    return _file(
        {
            "listing": d.ids(5_000_000),
            "listed": d.dates("2023-01-01", 700, "%b %d, %Y"),
            "price": [f"${int(float(v)):,}" for v in d.skewed(320_000, 0.6)],
            "beds": d.gaps(d.counts(3), 0.02),
            "baths": d.pick(["1", "1.5", "2", "2.5", "3"], [30, 10, 40, 15, 5]),
            "sqft": d.gaps(d.whole(400, 6000), 0.06),
            "year_built": d.gaps(d.whole(1880, 2024), 0.1),
            "zip_code": [f"{n:05d}" for n in d.whole(90_001, 96_000)],
        }
    )


def rates(d: Draw) -> File:
    return _file(
        {
            "day": d.daily("2023-01-01"),
            "USD": d.normal(1.08, 0.02, 4),
            "JPY": d.normal(np.linspace(140, 172, d.n), 1, 2),
            "GBP": d.normal(0.86, 0.01, 5),
            "RUB": d.gaps(d.normal(90, 5, 4), 1.0, 0.6),
        }
    )


def catalogue(d: Draw) -> File:
    return _file(
        {
            "Product ID": d.codes("P-99999"),
            "Name": d.pick(["Lamp", "Table, oak", 'Screen 24"', "Chair"]),
            "Category": d.pick(["Home", "Office", "Garden"], [60, 39, 1]),
            "Colour": d.gaps(d.pick(["red", "blue", "green", "black", "white"]), 0.2),
            "Rating": d.gaps(d.normal(4.1, 0.4), 0.15),
            "In Stock": d.pick(["TRUE", "FALSE"], [97, 3]),
            "Price (EUR)": d.skewed(40, 0.9),
        }
    )


def accounts(d: Draw) -> File:
    cells = [f"({abs(v):,.2f})" if v < 0 else f"{v:,.2f}" for v in d.rng.normal(400, 1500, d.n)]
    return _file(
        {
            "Account": d.pick(["4000 Sales", "5000 Costs", "6100 Rent"]),
            "Period": [f"2024-{1 + n * 12 // d.n:02d}" for n in range(d.n)],
            "Amount": cells,
            "Cost centre": d.pick(["010", "020", "100"]),
            "Memo": d.gaps(d.pick(["accrual", "reversal"]), 0.7),
        }
    )


def closing_total(d: Draw) -> File:
    def last(rows: Sequence[Sequence[Any]]) -> list[Any]:
        return ["TOTAL", "", sum(row[2] for row in rows), f"{sum(float(row[3]) for row in rows):.2f}"]

    return _file(
        {"Invoice": d.ids(800), "Client": d.pick(TOWNS), "Items": d.counts(4), "Amount": d.skewed(60)}, last=last
    )


def laboratory(d: Draw) -> File:
    return _file(
        {
            "sample_id": d.codes("L9999-99"),
            "taken": d.moments("2024-01-01", 90),
            "analyte": d.pick(["Na", "K", "Ca", "Mg", "NA"], [30, 30, 20, 19, 1]),
            "value": d.gaps(d.skewed(4, 0.5, 3), 0.02),
            "unit": d.pick(["mmol/l", "mg/dl"], [95, 5]),
            "flag": d.gaps(d.pick(["H", "L", "HH"], [50, 49, 1]), 0.85),
            "qualifier": d.gaps(d.pick(["<", ">"]), 0.97),
        }
    )


def schools(d: Draw) -> File:
    return _file(
        {
            "School": [f"{t} Primary" for t in d.pick(TOWNS)],
            "Pupils": d.whole(20, 1200),
            "Free meals %": d.gaps(d.normal(18, 6), 0.03),
            "Score": d.gaps(d.whole(200, 600), 0.1),
            "Suppressed": d.pick(["", "s"], [96, 4]),
            "Opened": d.gaps(d.dates("1950-01-01", 25_000), 0.2),
        },
        before=("Schools of the region", "Source: register"),
    )


def clinics(d: Draw) -> File:
    return _file(
        {
            "patient_id": d.codes("99999999"),
            "dob": d.dates("1930-01-01", 32_000),
            "sex": d.pick(["F", "M", "X"], [52, 47.7, 0.3]),
            "admitted": d.moments("2024-01-01", 60, "%Y-%m-%d %H:%M"),
            "ward": d.pick([f"W{n}" for n in range(1, 9)]),
            "icd10": d.codes("A99"),
            "los_days": d.counts(4),
            "weight": d.gaps(d.normal(76, 15), 0.3),
            "died": d.pick(["0", "1"], [99.4, 0.6]),
        }
    )


def fuel(d: Draw) -> File:
    return _file(
        {
            "date": d.moments("2024-04-01T00:00:00", 4, "%Y-%m-%d %H:%M:%S+02"),
            "station_uuid": [str(UUID(bytes=d.rng.bytes(16))) for _ in range(d.n)],
            "diesel": d.normal(1.72, 0.05, 3),
            "e5": d.normal(1.84, 0.05, 3),
            "dieselchange": d.pick(["0", "1", "2", "3"], [20, 70, 9, 1]),
        }
    )


def tickets(d: Draw) -> File:
    return _file(
        {
            "Ticket": d.ids(70_000),
            "Created": d.moments("2024-01-01", 40, "%m/%d/%Y %I:%M %p"),
            "Priority": d.pick(["P1", "P2", "P3", "P4"], [0.3, 5, 60, 35]),
            "Team": d.gaps(d.pick(["net", "app", "db"]), 0.02),
            "Hours": d.pick(["0.5", "1", "2", "4", "8.25"], [30, 40, 20, 9, 1]),
            "Reopened": d.pick(["no", "yes"], [97, 3]),
        }
    )


def tides(d: Draw) -> File:
    level = 2.2 + 1.9 * np.sin(np.linspace(0, 60, d.n)) - np.linspace(0, 0.8, d.n)
    return _file(
        {
            "time": d.daily("2022-01-01"),
            "level_m": [f"{v:.3f}" for v in level],
            "surge": d.gaps(d.normal(0.1, 0.2, 3), 0.02, 0.5),
            "quality": d.pick([1, 2, 3, 4], [90, 7, 2.8, 0.2]),
        }
    )


def trips(d: Draw) -> File:
    starts = [datetime(2024, 3, 1) + timedelta(minutes=3 * n) for n in range(d.n)]
    return _file(
        {
            "ride_id": d.codes("AA9999AA99"),
            "rideable_type": d.pick(["classic", "electric", "docked"], [50, 49.5, 0.5]),
            "started_at": starts,
            "ended_at": [s + timedelta(minutes=int(m)) for s, m in pairs(starts, d.rng.gamma(2, 8, d.n))],
            "start_lat": d.rng.normal(41.9, 0.05, d.n).tolist(),
            "start_lng": d.rng.normal(-87.6, 0.05, d.n).tolist(),
            "member": d.pick([True, False]),
            "riders": [None if g else 1 for g in d.rng.random(d.n) < 0.1],
        },
        parquet=True,
    )


def ledger(d: Draw) -> File:
    return _file(
        {
            "entry": d.ids(1, 1),
            "posted": [date(2024, 1, 1) + timedelta(days=n // 20) for n in range(d.n)],
            "amount": [round(float(v), 2) for v in d.rng.normal(10, 400, d.n)],
            "quantity": d.rng.gamma(2, 3, d.n).round(3).tolist(),
            "side": d.pick(["D", "C"]),
            "note": [None if g else "x" for g in d.rng.random(d.n) < 0.8],
        },
        parquet=True,
    )


KINDS: tuple[Callable[[Draw], File], ...] = (
    orders,
    sensors,
    oil,
    earthquakes,
    countries,
    flights,
    bank,
    weblog,
    inventory,
    survey,
    quotes,
    staff,
    weather,
    election,
    german,
    american_days,
    parcels,
    areas,
    matches,
    books,
    events,
    meters,
    calls,
    houses,
    rates,
    catalogue,
    accounts,
    closing_total,
    laboratory,
    schools,
    clinics,
    fuel,
    tickets,
    tides,
    trips,
    ledger,
)


def all_files(seed: int = 7) -> dict[str, File]:
    """Every file by its name."""
    return {kind.__name__: kind(Draw(seed + number)) for number, kind in enumerate(KINDS)}
