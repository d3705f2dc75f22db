"""Run a command many times in a row, against a standing Prefect server and against the ephemeral one, and
look for what an unsteady runner leaves: hangs, aborts, orphan processes, task runs without an end.

    python benchmarks/fifty_runs.py                  # `sluice run` on new demo data each time, 50 times each
    python benchmarks/fifty_runs.py --runs 20 --against ephemeral --prepare '' -- python my_flow.py

A run that finds nothing to do proves nothing: `--prepare` is a command before each run, its time not counted;
`--at-least` says how many dbt nodes each run must have as task runs. In both commands {number} is the run's
number and {folder} a folder for all of them, where SLUICE_HOME lies too. Writes
benchmarks/results/fifty_runs.json and a table; exits 1 if any run was not clean.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import leftovers
import servers

from sluice.warehouse import embedded

RESULTS = Path(__file__).parent / "results" / "fifty_runs.json"
PREPARE = "sluice demo --folder {folder}/demo --rows 2000 --seed {number}"  # other files each time: all to do
COMMAND = "sluice run tlc__yellow_trips tlc__zones --url {folder}/demo/{entity}_{batch}.parquet"
RECORD_GRACE = 30.0  # s for a standing server to record what the run reported at its end


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command. `nodes` are dbt's nodes among the task runs; -6 is an abort, None a hang."""

    number: int
    exit_code: int | None
    seconds: float
    flow_runs: int
    task_runs: int
    nodes: int
    not_terminal: tuple[str, ...]
    orphans: tuple[str, ...]

    def faults(self, at_least: int) -> list[str]:
        found = [] if self.exit_code == 0 else ["hung" if self.exit_code is None else f"exit {self.exit_code}"]
        found += [f"orphan {name}" for name in self.orphans]
        found += [f"no end: {name}" for name in self.not_terminal]
        return found + ([f"{self.nodes} nodes, not {at_least}"] if self.nodes < at_least else [])


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    everything = {}
    clean = True
    for against in options.against:
        with (
            tempfile.TemporaryDirectory(prefix="fifty-runs-") as folder,
            _server(against, Path(folder)) as facts,
        ):
            try:
                runs = [_run(number, options, Path(folder), facts) for number in range(1, options.runs + 1)]
            finally:
                embedded.remove(Path(folder) / "sluice")
        bad = [run for run in runs if run.faults(options.at_least)]
        clean = clean and not bad
        everything[against] = {**_summary(runs, len(bad)), "runs": [asdict(run) for run in runs]}
    command = [Path(word).name if word.startswith("/") else word for word in options.command]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"command": command, **everything}, indent=1) + "\n")
    print(f"{'against':<12}{'runs':>6}{'clean':>7}{'median s':>10}{'longest s':>11}{'nodes each':>12}")
    for against, found in everything.items():
        figures = found["count"], found["clean"], found["median_seconds"], found["longest_seconds"]
        print("{:<12}{:>6}{:>7}{:>10.1f}{:>11.1f}".format(against, *figures) + f"{found['nodes']:>12}")
    return 0 if clean else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds after which a run counts as hung")
    parser.add_argument("--against", nargs="+", choices=("standing", "ephemeral"))
    parser.add_argument("--at-least", type=int, default=1, help="dbt nodes each run must have as task runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("command", nargs="*", default=shlex.split(COMMAND))
    parser.add_argument("--prepare", type=shlex.split, default=shlex.split(PREPARE))
    options = parser.parse_args()
    options.against = options.against or ["standing", "ephemeral"]
    return options


def _summary(runs: list[Run], bad: int) -> dict[str, object]:
    seconds = [run.seconds for run in runs]
    nodes = sorted({run.nodes for run in runs})
    return {
        "count": len(runs),
        "clean": len(runs) - bad,
        "median_seconds": round(median(seconds), 1),
        "longest_seconds": round(max(seconds), 1),
        "nodes": "-".join(str(number) for number in sorted({nodes[0], nodes[-1]})),
    }


@contextmanager
def _server(against: str, folder: Path) -> Iterator[dict[str, str]]:
    """What a run's environment needs to know of Prefect; for `standing`, a server meanwhile."""
    facts = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    if against == "ephemeral":  # its first start makes the database: not what is looked at here
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        subprocess.run(command, env=_environment(facts), check=True, capture_output=True)
        yield facts
        return
    with servers.standing(folder / "prefect", _environment(facts)) as api:
        yield {**facts, "PREFECT_API_URL": api}


def _environment(facts: dict[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**inherited, "PYTHONFAULTHANDLER": "1", **facts}


def _run(number: int, options: argparse.Namespace, folder: Path, facts: dict[str, str]) -> Run:
    database = folder / "prefect" / "prefect.db"
    known = {flow_run for flow_run, _, _ in leftovers.flow_runs(database)}
    facts = {**facts, "SLUICE_HOME": str(folder / "sluice")}
    if options.prepare:
        subprocess.run(_filled(options.prepare, number, folder), env=_environment(facts), check=True)
    marker = f"{os.getpid()}-{folder.name}-{number}"
    log = folder / f"run_{number}.log"
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            _filled(options.command, number, folder),
            env=_environment({**facts, leftovers.MARKER: marker}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    exit_code = _wait(process, options.timeout)
    seconds = time.monotonic() - started
    orphans = leftovers.orphans(marker)
    patience = RECORD_GRACE if "PREFECT_API_URL" in facts else 0.0
    flow_runs, tasks = leftovers.recorded(database, known, options.at_least, patience)
    open_ones = [(name, state) for _, name, state in flow_runs] + [(name, state) for _, name, state in tasks]
    run = Run(
        number=number,
        exit_code=exit_code,
        seconds=round(seconds, 2),
        flow_runs=len(flow_runs),
        task_runs=len(tasks),
        nodes=leftovers.nodes(tasks),
        not_terminal=tuple(f"{name} ({state})" for name, state in open_ones if state not in leftovers.TERMINAL),
        orphans=orphans,
    )
    faults = run.faults(options.at_least)
    where = "standing " if "PREFECT_API_URL" in facts else "ephemeral"
    print(f"{where} {number:>3} {seconds:6.1f} s  {run.nodes} nodes  {'; '.join(faults) or 'clean'}", flush=True)
    if faults:
        print(log.read_text(errors="replace")[-6000:], flush=True)
    return run


def _filled(command: list[str], number: int, folder: Path) -> list[str]:
    """The command to start; its program is looked for beside this Python first."""
    words = [word.replace("{number}", str(number)).replace("{folder}", str(folder)) for word in command]
    return [shutil.which(words[0], path=str(Path(sys.executable).parent)) or words[0], *words[1:]]


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """The exit code, or None for a hang, whose threads' stacks are then in the log."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # faulthandler prints where every thread is
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return None
    except BaseException:  # stopped: leave nothing behind
        os.killpg(process.pid, signal.SIGKILL)
        raise


if __name__ == "__main__":
    sys.exit(main())
