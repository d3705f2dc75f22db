"""What one new file of 100 rows costs in a project of 1, 3 and 64 datasets, on a Prefect server that stands.

    python benchmarks/small_change.py [--runs 3]

Each dataset has a contract, a staging model, a mart and tests. A project is loaded whole and
built on both sides first. Then one dataset gets one file more and `sluice run` is timed, in the projects in turn.
Writes results/small_change.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import measure
import servers

from sluice.warehouse import embedded

RESULT = Path(__file__).parent / "results" / "small_change.json"
SIZES = (1, 3, 64)
ROWS = 100
START = date(2026, 1, 1)
STEP = re.compile(r"^ *(load|audit|publish|dbt build|publish marts|dbt docs|site)\b.*?([\d.]+) s$", re.MULTILINE)
NIGHTS = 3  # before the first that is timed: both sides are built, and the records of both are there

MART = """select sensor, cast(at as date) as day, sum(value) as value
from {{{{ ref('stg_plant__{name}') }}}}
group by sensor, day
"""
TESTS = """models:
  - name: fct_{name}
    columns:
      - {{name: sensor, data_tests: [not_null]}}
      - {{name: day, data_tests: [not_null]}}
"""


class Project:
    """A project of so many datasets, which all have had the same days."""

    def __init__(self, root: Path, datasets: int, api: str) -> None:
        self.root, self.datasets = root, datasets
        self.home = root / ".sluice"
        self.days = itertools.count()
        self.env = {**os.environ, "HOME": str(root), "PREFECT_HOME": str(root / ".prefect"), "PREFECT_API_URL": api}
        root.mkdir()
        self.sluice("init", ".")
        (root / "inbox").mkdir()
        first = next(self.days)
        for number in range(datasets):
            self._dataset(f"events_{number:02}", first)
        for _ in range(NIGHTS):
            self.sluice("run")
            self.deliver()

    def _dataset(self, name: str, day: int) -> None:
        path = self.write(name, day)
        self.sluice("new", "plant", name, "--from", str(path), "--batch", str(START + timedelta(day)), "--by", "at")
        marts = self.root / "dbt_project" / "models" / "marts"
        marts.mkdir(exist_ok=True)
        (marts / f"fct_{name}.sql").write_text(MART.format(name=name), encoding="utf-8")
        (marts / f"fct_{name}.yml").write_text(TESTS.format(name=name), encoding="utf-8")

    def write(self, name: str, day: int) -> Path:
        when = START + timedelta(day)
        path = self.root / "inbox" / f"{name}_{when}.csv"
        lines = [f"{when} 00:{n % 60:02}:00,{n % 7},{day % 97}.{n:02}" for n in range(ROWS)]
        path.write_text("at,sensor,value\n" + "\n".join(lines) + "\n", encoding="utf-8")
        return path

    def deliver(self) -> None:
        """The first dataset's next day."""
        self.write("events_00", next(self.days))

    def sluice(self, *arguments: str) -> measure.Measured:
        command = [sys.executable, "-m", "sluice", *arguments]
        return measure.run(command, self.root / "log.txt", env=self.env, cwd=self.root)

    def night(self) -> dict[str, float]:
        """Seconds of a run with one new file, as a whole and of each step that it names; and its memory."""
        self.deliver()
        ran = self.sluice("run")
        steps = STEP.findall((self.root / "log.txt").read_text(encoding="utf-8"))
        memory = {"process_mb": ran.process_mb, "children_mb": ran.children_mb}
        return {"whole": ran.seconds, **{step: float(seconds) for step, seconds in steps}, **memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    taken: dict[int, list[dict[str, float]]] = {size: [] for size in SIZES}
    facts = measure.hardware()
    with tempfile.TemporaryDirectory() as folder, servers.standing(Path(folder) / "server") as api:
        projects: list[Project] = []
        try:
            for size in SIZES:
                projects.append(Project(Path(folder) / f"of_{size}", size, api))
                projects[-1].night()
                print(f"{size} datasets: made", flush=True)
            for _, project in itertools.product(range(asked.runs), projects):
                taken[project.datasets].append(project.night())
                print(f"{project.datasets:3} datasets {taken[project.datasets][-1]}", flush=True)
        finally:
            for size in SIZES:
                if (home := Path(folder) / f"of_{size}" / ".sluice").exists():
                    embedded.remove(home)
    memory = {str(size): max(run["process_mb"] + run["children_mb"] for run in of) for size, of in taken.items()}
    medians = {str(size): measure.median([run["whole"] for run in of]) for size, of in taken.items()}
    result = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "hardware": facts, "rows": ROWS}
    RESULT.write_text(json.dumps({**result, "seconds": medians, "peak_mb": memory, "runs": taken}, indent=2) + "\n")
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
