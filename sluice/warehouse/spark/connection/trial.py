"""Try a lake as a run would use it, in a separate process with a time limit. Imports nothing of Spark.

A catalogue that is silent, a cluster without free workers: Spark waits for both, some of it without an end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum

from sluice.warehouse.spark.lake import Lake

SECONDS = 180.0  # all steps take 8 s on a quiet machine; a cluster may first have to find workers
PROGRAM = "sluice.warehouse.spark.connection.trial_process"
LAST_LINES = 3  # of what a process that ended early said


class TrialStep(StrEnum):
    """What is tried, in this order; each as it ends the sentence `Sluice could not ...`."""

    FILES = "write and delete files in the warehouse from Python"
    SESSION = "start a session of Spark"
    SETTINGS = "give the session the settings that checks need"
    CATALOGUE = "ask the catalogue for its namespaces"
    ROWS = "make a namespace and a table in it, and write and read a row"
    VIEWS = "make a view"
    DELETE = "delete the table with its files"


@dataclass(frozen=True, slots=True)
class Tried:
    """One step.

    Attributes:
        said: what was found, or why the step failed.
    """

    step: TrialStep
    works: bool
    said: str


def of_lake(lake: Lake, seconds: float = SECONDS) -> list[Tried]:
    """Each step up to the first that all later ones depend on and that failed; nothing of it is left in the lake.

    Args:
        seconds: for all steps; then the process is ended, and the step in progress has failed.
    """
    with subprocess.Popen(
        [sys.executable, "-m", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that Java, its child, is ended with it
    ) as process:
        try:
            try:
                out, errors = process.communicate(json.dumps(asdict(lake)), seconds)
                ended = "the process ended: " + " ".join(errors.strip().splitlines()[-LAST_LINES:])
            except subprocess.TimeoutExpired:
                _end(process)
                out, _ = process.communicate()
                ended = f"no answer within {seconds:.0f} s"
        finally:
            _end(process)
    tried = [Tried(TrialStep(each["step"]), each["works"], each["said"]) for each in map(json.loads, out.splitlines())]
    done = {each.step for each in tried}
    if process.returncode and (left := [step for step in TrialStep if step not in done]):
        tried.append(Tried(left[0], works=False, said=ended))
    return tried


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
