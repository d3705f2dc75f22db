"""The bars: how a night, its parts and its commands compare with the limit of the machine and with other tools.

    python benchmarks/bars.py            # measures all, an hour on a quiet machine, and prints the table
    python benchmarks/bars.py --quick    # a part of it, in five minutes; writes no results
    python benchmarks/bars.py --show     # prints the table of the results that are there

Each bar is a ratio of two figures of one session. The last column says what moved against the committed results.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import measure
from contenders import TUTORIAL
from environments import HERE

ALL = ("load", "idle", "small_change", "checks", "growth")
QUICK = {"load": ["--runs", "1", "--only", "sluice run, Parquet", "--only", "COPY, binary, in the server"], "idle": []}
Read = Callable[[str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the table.

    Attributes:
        value: what was measured, a ratio unless `unit` says otherwise.
        at_most: whether lower is better.
    """

    what: str
    against: str
    value: float
    bar: float
    at_most: bool = True
    unit: str = ""

    @property
    def reached(self) -> bool:
        return self.value <= self.bar if self.at_most else self.value >= self.bar


def bars(read: Read) -> Iterator[Bar]:
    """Every bar whose results are there."""
    for part in (_night, _idle, _small, _load, _checks, _growth):
        try:
            yield from part(read)
        except (KeyError, FileNotFoundError):
            print(f"no results yet: {part.__name__[1:]}", file=sys.stderr)


def _night(read: Read) -> Iterator[Bar]:
    found = read("load.json")["contenders"]
    tutorial, standing = found[TUTORIAL]["load_seconds"], found["sluice run, standing server"]["whole_seconds"]
    yield Bar("whole night, a Prefect server stands", "the tutorial script's load", standing / tutorial, 0.15)
    alone = found["sluice run, Parquet"]["whole_seconds"] / tutorial
    yield Bar("whole night, a temporary server", "the tutorial script's load", alone, 0.25)
    plain = found["that COPY, and dbt build"]["whole_seconds"]
    yield Bar("whole night, a Prefect server stands", "plain binary COPY and dbt build", standing / plain, 1.25)


def _idle(read: Read) -> Iterator[Bar]:
    found = read("idle.json")["commands"]
    wall = {name: each["seconds"] for name, each in found.items()}
    yield Bar("idle night", "dbt --version", wall["sluice run, nothing new"] / wall["dbt --version"], 1.5)
    yield Bar("sluice --help", "python -c pass", wall["sluice --help"] / wall["python -c pass"], 10)
    yield Bar("sluice status", "", wall["sluice status"], 1, unit="s")


def _small(read: Read) -> Iterator[Bar]:
    found = read("small_change.json")["seconds"]
    for size in ("3", "64"):
        yield Bar(f"one small file, {size} datasets", "1 dataset", found[size] / found["1"], 1.3)
        yield Bar(f"one small file, {size} datasets", "", found[size], 8, unit="s")


def _load(read: Read) -> Iterator[Bar]:
    found = read("load.json")["contenders"]
    seconds = {name: each["load_seconds"] for name, each in found.items()}
    parquet, gz, copy = seconds["sluice run, Parquet"], seconds["sluice run, CSV.gz"], "COPY, binary, in the server"
    yield Bar("Parquet, extract to publish", copy, parquet / seconds[copy], 2)
    loads = statistics.median(run["phases"]["load"] for run in found["sluice run, Parquet"]["runs"])
    yield Bar("Parquet, extract and COPY alone", copy, loads / seconds[copy], 1.3)
    yield Bar("CSV.gz, every cell checked, to publish", "gzip -dc \\| psql", gz / seconds["gzip -dc | psql"], 1.4)
    yield Bar("dlt, every column typed", "Sluice, Parquet", seconds["dlt, Parquet"] / parquet, 2, at_most=False)
    yield Bar("sling", "Sluice, CSV.gz", seconds["sling, CSV.gz"] / gz, 6, at_most=False)


def _checks(read: Read) -> Iterator[Bar]:
    found = {name: each["seconds"] for name, each in read("checks.json")["contenders"].items()}
    ours = found.pop("Sluice")
    for name, bar in zip(found, (0.7, 1 / 8, 1 / 30), strict=True):
        yield Bar("audit, 33 checks with counts and samples", name, ours / found[name], bar)


def _growth(read: Read) -> Iterator[Bar]:
    small, large = read("growth.json")["sizes"]
    times = f"{small['rows'] / 1e6:.2f} M rows"
    what = f"{large['rows'] / 1e6:.0f} M rows"
    yield Bar(f"time a row, {what}", times, large["microseconds_a_row"] / small["microseconds_a_row"], 1.15)
    most = [max(each["load_mb"], each["marts_mb"]) for each in (small, large)]
    yield Bar(f"memory, {what}", times, most[1] / most[0], 1.1)
    yield Bar(f"memory, {what}", "", most[1], 600, unit="MB")


def here(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "results" / name).read_text())
    return found


def committed(name: str) -> dict[str, Any]:
    """The same as git has it."""
    show = ["git", "-C", str(HERE), "show", f"HEAD:./results/{name}"]
    said = subprocess.run(show, capture_output=True, text=True, check=False)
    if said.returncode:
        raise FileNotFoundError(name)
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def moved(now: Bar, before: dict[tuple[str, str, str], float]) -> str:
    old = before.get((now.what, now.against, now.unit))
    return "new" if old is None else f"{now.value / old - 1:+.0%}" if abs(now.value / old - 1) >= 0.05 else ""


def table() -> str:
    """The bars as Markdown."""
    before = {(each.what, each.against, each.unit): each.value for each in bars(committed)}
    lines = ["| what | against | measured | bar | | moved |", "|---|---|--:|--:|---|--:|"]
    for each in bars(here):
        sign = "≤" if each.at_most else "≥"
        unit = f" {each.unit}" if each.unit else ""
        value, bar = f"{each.value:.3g}{unit}", f"{sign} {each.bar:.3g}{unit}"
        reached = "reached" if each.reached else "missed"
        lines.append(f"| {each.what} | {each.against} | {value} | {bar} | {reached} | {moved(each, before)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--show", action="store_true")
    asked = parser.parse_args()
    files = [HERE / "results" / f"{name}.{kind}" for name in QUICK if asked.quick for kind in ("json", "svg")]
    kept = {file: file.read_bytes() if file.exists() else None for file in files}
    try:
        for name in () if asked.show else QUICK if asked.quick else ALL:
            given = QUICK[name] if asked.quick else []
            subprocess.run([sys.executable, str(HERE / f"{name}.py"), *given], check=True)
        print(f"\n{json.dumps(measure.hardware())}\n\n{table()}")
    finally:
        for file, was in kept.items():
            file.unlink(missing_ok=True) if was is None else file.write_bytes(was)


if __name__ == "__main__":
    main()
