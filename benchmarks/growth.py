"""How time and memory grow with the rows of a file: a month of 1.37 million trips, and one of 20 million, as Parquet.

    python benchmarks/growth.py [--rows 1369769 --rows 20000000]

Each is the first load of a new home; the seconds are those of the run's progress, the memory that of the command and
all that it starts, without PostgreSQL (memory.py). Needs 25 GB of disk. Writes results/growth.json.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import make_month
import measure
import memory

RESULT = Path(__file__).parent / "results" / "growth.json"
STEPS = re.compile(r"^ *(load|audit|publish|dbt build)\b.*?([\d.]+) s$", re.MULTILINE)
MAKE = """
import sys
from pathlib import Path
from sluice.demo import files
files.make(Path(sys.argv[1]), [sys.argv[2]], rows=int(sys.argv[3]))
"""


def seconds(log: str) -> dict[str, float]:
    """Of each step of a run; the first publish is the batch's, the second the marts'."""
    found: dict[str, float] = {}
    for step, taken in STEPS.findall(log):
        found.setdefault(step, float(taken))
    return found


def measured(rows: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", MAKE, folder, make_month.BATCH, str(rows)], check=True)
        path = Path(folder) / f"yellow_trips_{make_month.BATCH}.parquet"
        size = memory.size(path)
        peaks = memory.run(path, make_month.BATCH, Path(folder) / "home", 0)
        steps = seconds((Path(folder) / "home" / "run.log").read_text())
    loaded = sum(steps[step] for step in ("load", "audit", "publish"))
    each = {"microseconds_a_row": loaded / rows * 1e6, "dbt_microseconds_a_row": steps["dbt build"] / rows * 1e6}
    each = {name: round(value, 2) for name, value in each.items()}
    return {"rows": rows, "file_mb": round(size / memory.MEGABYTE, 1), **steps, **each, **peaks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append")
    asked = parser.parse_args()
    facts = measure.hardware()
    found = []
    for rows in asked.rows or (make_month.ROWS, 20_000_000):
        found.append(measured(rows))
        print(json.dumps(found[-1]), flush=True)
    result = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "hardware": facts, "sizes": found}
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
