"""An invented delivery of no taxis: what a user who is new to Sluice may come with."""

from __future__ import annotations

from pathlib import Path

HEADER = "Parcel ID;SentAt;Due on;Weight (kg);price;insured;Zip;user;status;Customer email;retries;ratio;PickupZone"


def parcels(path: Path, count: int = 120) -> Path:
    """A CSV file with semicolons, odd names, postcodes with leading zeros, and NA for null in one column."""
    lines = [
        f"{n};2024-01-{1 + n % 28:02d} 0{n % 9}:00:00;2024-02-{1 + n % 28:02d};{n * 0.37:.3f};{n * 1.25:.2f};"
        f"{'true' if n % 3 else 'false'};0{n + 1000};u{n};{('sent', 'lost', 'delivered')[n % 3]};c{n}@example.com;"
        f"{n % 4};{'NA' if n % 10 == 0 else n / 8};{'' if n % 5 else f'zone {n}'}"
        for n in range(1, count + 1)
    ]
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path
