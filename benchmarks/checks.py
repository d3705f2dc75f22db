"""Run the yellow trips' checks over one loaded month with Sluice and its peers, in turn, and compare.

    python benchmarks/checks.py [--runs 3] [--only NAME ...] [--draw]

Makes an environment for each peer under .sluice/bench at the first run. Writes results/checks.json and checks.svg.
benchmarks/README.md says what each figure is.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import chart
import measure
from check_spec import prepare
from contenders import Database
from environments import HERE, HOME, python_of

from sluice.warehouse import embedded

RESULT = HERE / "results" / "checks.json"
SLUICE = "Sluice"
# Scripts of peers/. pandera is Sluice's own, in Sluice's environment; the others have one each.
PEERS = {
    SLUICE: "sluice_audit",
    "soda-core 4 (counts only)": "soda_contract",
    "Great Expectations 1": "gx_suite",
    "pandera, read back": "pandera_frame",
}


def run_one(name: str, spec: Path) -> dict:
    script = PEERS[name]
    log = HOME / "logs" / f"{script}.log"
    env = {"SODA_DISABLE_TELEMETRY": "true", "GX_ANALYTICS_ENABLED": "false"}
    command = [python_of(script), str(HERE / "peers" / f"{script}.py"), str(spec)]
    whole = measure.run(command, log, env=env)
    said = json.loads(log.read_text().strip().splitlines()[-1])
    return {"seconds": round(said["seconds"], 3), "failing": said["failing"], "whole": asdict(whole)}


def check_counts(name: str, found: dict[str, int], ours: dict[str, int]) -> None:
    """Peers that name checks as we do must find what we find."""
    for check in found.keys() & ours.keys():
        if found[check] != ours[check]:
            raise RuntimeError(f"{name} finds {found[check]} rows failing {check}, Sluice {ours[check]}")


def show(result: dict) -> None:
    print(f"\n{result['rows']:,} rows, {result['checks']} checks")
    print(f"{'':28}{'work s':>8}{'process MB':>12}{'whole s':>9}")
    ours = result["contenders"].get(SLUICE)
    for name, row in result["contenders"].items():
        ratio = f"   {row['seconds'] / ours['seconds']:.1f} x" if ours else ""
        print(f"{name:28}{row['seconds']:8.2f}{row['process_mb']:12.0f}{row['whole_seconds']:9.2f}{ratio}")


def draw(result: dict) -> None:
    ours = result["contenders"][SLUICE]["seconds"]
    rows = []
    for name, row in result["contenders"].items():
        times = "" if name == SLUICE else f"   {row['seconds'] / ours:.1f} x"
        rows.append((name, row["seconds"], f"{row['seconds']:.2f} s{times}"))
    title = f"Seconds for {result['checks']} checks of {result['rows']:,} trips"
    RESULT.with_suffix(".svg").write_text(chart.bars(title, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="turns; the table shows medians")
    parser.add_argument("--only", action="append", choices=list(PEERS), help="measure only these")
    parser.add_argument("--draw", action="store_true", help="print the last results again and redraw the chart")
    options = parser.parse_args()
    if options.draw:
        result = json.loads(RESULT.read_text())
        show(result)
        draw(result)
        return
    names = [name for name in PEERS if name in (options.only or PEERS)]
    facts = measure.hardware()
    spec = prepare(Database(embedded.start(HOME).set(username="postgres")))
    path = HOME / "checks_spec.json"
    path.write_text(json.dumps(spec))
    runs: dict[str, list[dict]] = {name: [] for name in names}
    for _ in range(options.runs):
        for name in names:
            runs[name].append(run_one(name, path))
            print(f"{name:28}{runs[name][-1]['seconds']:8.2f} s", flush=True)
    for name in names:
        check_counts(name, runs[name][0]["failing"], runs.get(SLUICE, runs[name])[0]["failing"])
    embedded.stop(HOME)
    rows = {
        name: {
            "seconds": measure.median([run["seconds"] for run in of]),
            "whole_seconds": measure.median([run["whole"]["seconds"] for run in of]),
            "process_mb": max(run["whole"]["process_mb"] for run in of),
            "checks_with_failures": sum(count > 0 for count in of[0]["failing"].values()),
        }
        for name, of in runs.items()
    }
    result = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": facts,
        "rows": spec["rows"],
        "checks": len(spec["checks"]),
        "contenders": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    show(result)
    if not options.only:  # a part of it is for those who work on that part
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
        draw(result)


if __name__ == "__main__":
    main()
