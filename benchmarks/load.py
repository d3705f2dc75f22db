"""Load one month of 1.37 million trips in several ways, in turn, on one server, and say how long each took.

    python benchmarks/load.py [--runs 3] [--only NAME ...] [--draw]

Writes results/load.json and results/load.svg. benchmarks/README.md says what each figure is.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime

import chart
import make_month
import measure
from contenders import CONTENDERS, TUTORIAL, Database, Run, open_tcp
from environments import HERE, HOME

from sluice.warehouse import embedded

RESULT = HERE / "results" / "load.json"


def measure_all(names: list[str], turns: int) -> dict[str, list[Run]]:
    """Every contender once, then again from the start, so that a busy minute hits all; the tutorial once."""
    month = make_month.make(HOME / "data")
    open_tcp()
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for turn in range(turns):
        for name in names:
            if name == TUTORIAL and turn:
                continue
            database = Database(embedded.start(HOME).set(username="postgres"))  # who may end all that others made
            database.empty()
            run = CONTENDERS[name](database, month, name)
            if run.rows != make_month.ROWS:
                raise RuntimeError(f"{name} loaded {run.rows:,} of {make_month.ROWS:,} rows")
            print(f"{name:22} {run.load_seconds:8.2f} s   whole {run.whole.seconds:8.2f} s", flush=True)
            runs[name].append(run)
    return runs


def summary(runs: list[Run]) -> dict[str, float]:
    """Medians of the seconds, the highest of the memory."""
    return {
        "load_seconds": measure.median([run.load_seconds for run in runs]),
        "whole_seconds": measure.median([run.whole.seconds for run in runs]),
        "process_mb": max(run.whole.process_mb for run in runs),
        "children_mb": max(run.whole.children_mb for run in runs),
        "server_mb": max(run.whole.server_mb for run in runs),
    }


def times_faster(result: dict, name: str) -> str:
    slow = result["contenders"].get(TUTORIAL, {}).get("load_seconds")
    if not slow or name == TUTORIAL:
        return ""
    return f"{slow / result['contenders'][name]['load_seconds']:.0f} x faster than the tutorial script"


def show(result: dict) -> None:
    head = f"{'':22}{'load s':>9}{'whole s':>9}{'process MB':>12}{'children MB':>13}{'server MB':>11}"
    print(f"\n{result['rows']:,} trips\n{head}")
    for name, row in result["contenders"].items():
        print(
            f"{name:22}{row['load_seconds']:9.2f}{row['whole_seconds']:9.2f}{row['process_mb']:12.0f}"
            f"{row['children_mb']:13.0f}{row['server_mb']:11.0f}   {times_faster(result, name)}"
        )


def draw(result: dict) -> None:
    rows = []
    for name, row in result["contenders"].items():
        ratio = times_faster(result, name).split(" than")[0]
        rows.append((name, row["load_seconds"], f"{row['load_seconds']:.1f} s   {ratio}".rstrip()))
    RESULT.with_suffix(".svg").write_text(chart.bars(f"Seconds to load {result['rows']:,} trips", rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="turns; the table shows medians")
    parser.add_argument("--only", action="append", choices=list(CONTENDERS), help="measure only these")
    parser.add_argument("--draw", action="store_true", help="only print and draw the result that is there")
    options = parser.parse_args()
    if not options.draw:
        facts = measure.hardware()
        runs = measure_all([name for name in CONTENDERS if name in (options.only or CONTENDERS)], options.runs)
        embedded.stop(HOME)
        result = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "hardware": facts,
            "rows": make_month.ROWS,
            "contenders": {name: {**summary(of), "runs": [asdict(run) for run in of]} for name, of in runs.items()},
        }
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
    result = json.loads(RESULT.read_text())
    show(result)
    draw(result)


if __name__ == "__main__":
    main()
