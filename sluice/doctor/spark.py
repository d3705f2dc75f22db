"""Whether Spark can hold a project's rows, where sluice.toml chooses it: this machine, the catalogue, the lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sluice.contract.formatting import MASK
from sluice.doctor.finding import Finding, fail, ok, warn
from sluice.project.settings import SPARK_BLOCK
from sluice.warehouse.engine import Capability
from sluice.warehouse.spark.connection import choice, jars, machine, trial
from sluice.warehouse.spark.connection.block import SparkEngine, load
from sluice.warehouse.spark.connection.trial import TrialStep, Tried
from sluice.warehouse.spark.lake import Lake

AREA = "engine"
IN_BLOCK = "Correct the block `Spark engine` (sluice setup, or Prefect's UI), then: sluice doctor"
CURES = {
    TrialStep.FILES: "Give the user of this process rights to write and delete there; stores take credentials from the "
    "environment (docs/scale.md)",
    TrialStep.SESSION: "Check master and settings of the block, and that the cluster has free workers",
    TrialStep.SETTINGS: "Remove these from spark-defaults.conf or the cluster's configuration: they change checks",
    TrialStep.CATALOGUE: "Check type, uri and secrets of the catalogue in the block, and its driver among the jars",
    TrialStep.ROWS: "Let the catalogue's user make namespaces and tables, and Spark's write in the warehouse",
    TrialStep.VIEWS: "Use a catalogue with views: rest, nessie, hive, or jdbc with jdbc.schema-version = V1",
    TrialStep.DELETE: "Give Spark's user rights to delete in the warehouse: replaced rows would stay there",
}


def engine() -> Iterator[Finding]:
    """Java, pyspark, jars, then the lake itself in a process with a time limit. Nothing where PostgreSQL is chosen."""
    name = choice.spark_block()
    if name is None:
        return
    yield ok(AREA, f"Spark holds the rows, as block {SPARK_BLOCK}/{name} says; PostgreSQL keeps the ledger")
    if Capability.RUN not in choice.CAN:
        advice = f"Until then choose PostgreSQL: {choice.VARIABLE}=postgres; docs/scale.md lists what works"
        yield fail(AREA, f"with Spark, this version cannot {Capability.RUN}", advice, 5)
    yield from of_block(name)


def of_block(name: str) -> Iterator[Finding]:
    """What this machine needs for Spark, then each step of a trial of the lake."""
    block = load(name)
    lake = block.lake()
    here = [_java(), _pyspark(), *_jars(lake)]
    yield from here
    if any(finding.verdict == "fail" for finding in here):
        yield warn(AREA, "the lake was not tried, since Spark cannot start", "Fix the above, then: sluice doctor")
        return
    for tried in trial.of_lake(lake):
        yield _finding(tried, block)


def _java() -> Finding:
    found = machine.java()
    if found is None:
        return fail(AREA, "no Java was found, by JAVA_HOME or on PATH", machine.INSTALL_JAVA)
    said = f"Java {found.version or '(it did not say its version)'} at {found.path}, found by {found.found}"
    if found.version != machine.JAVA:
        return fail(AREA, f"{said}; Spark {machine.PYSPARK} is run with Java {machine.JAVA}", machine.INSTALL_JAVA)
    return ok(AREA, said)


def _pyspark() -> Finding:
    found = machine.pyspark_version()
    if found is None:
        return fail(AREA, "pyspark is not installed", machine.INSTALL)
    if not found.startswith(f"{machine.PYSPARK}."):
        said = f"pyspark is {found}; checks are compiled for {machine.PYSPARK}"
        return fail(AREA, said, machine.INSTALL, 5)
    return ok(AREA, f"pyspark {found}")


def _jars(lake: Lake) -> Iterator[Finding]:
    missing = [jar for jar in lake.jars if not Path(jar).is_file()]
    for jar in missing:
        yield fail(AREA, f"jar {jar} does not exist", IN_BLOCK, 5)
    if not any(map(jars.is_runtime, lake.jars)) and jars.of_spark() is None:
        advice = f"Install its package: {machine.INSTALL}; or name a jar {jars.FITTING} in the block"
        yield fail(AREA, "Iceberg's runtime for Spark was not found", advice)
    elif not missing:
        names = ", ".join(Path(jar).name for jar in lake.jars) or str(jars.of_spark())
        yield ok(AREA, f"jars: {names}")


def _finding(tried: Tried, block: SparkEngine) -> Finding:
    said = tried.said
    for secret in sorted(map(str, block.secrets.get_secret_value().values()), key=len, reverse=True):
        said = said.replace(secret, MASK) if secret else said
    if tried.works:
        return ok(AREA, said)
    return fail(AREA, f"Sluice could not {tried.step}: {said}", CURES[tried.step])
