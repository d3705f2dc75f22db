"""The process that tries a lake for trial.py. Reads a Lake as JSON from standard input, where no other user sees it.

Writes one line of JSON for each step. What it makes has the name `sluice_doctor_` and a random number.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pyarrow import fs

from sluice.contract.formatting import counted
from sluice.warehouse.spark.connection.trial import TrialStep, Tried
from sluice.warehouse.spark.dialect import SETTINGS
from sluice.warehouse.spark.lake import CATALOGUE, Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NAME = f"sluice_doctor_{secrets.token_hex(4)}"
NAMESPACE = f"{CATALOGUE}.{NAME}"
TABLE, VIEW = f"{NAMESPACE}.one_row", f"{NAMESPACE}.of_it"


def main() -> None:
    """Try each step, up to one that failed and that the others depend on."""
    report = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Java may write there
    given = json.load(sys.stdin)
    lake = Lake(**{**given, "jars": tuple(given["jars"])})
    for tried in _tried(lake):
        print(json.dumps(asdict(tried)), file=report, flush=True)
        if not tried.works and tried.step not in (TrialStep.SETTINGS, TrialStep.VIEWS):
            return


def _tried(lake: Lake) -> Iterator[Tried]:
    yield _try(TrialStep.FILES, lambda: _files(lake))
    spark: list[SparkSession] = []
    yield _try(TrialStep.SESSION, lambda: _session(lake, spark))
    yield _try(TrialStep.SETTINGS, lambda: _settings(spark[0]))
    yield _try(TrialStep.CATALOGUE, lambda: _catalogue(spark[0]))
    with _removed(spark[0]):
        yield _try(TrialStep.ROWS, lambda: _rows(spark[0]))
        yield _try(TrialStep.VIEWS, lambda: _views(spark[0]))
        yield _try(TrialStep.DELETE, lambda: _delete(spark[0]))


def _try(step: TrialStep, attempt: Callable[[], str]) -> Tried:
    try:
        return Tried(step, works=True, said=attempt())
    except Exception as error:  # noqa: BLE001 - any error of Spark, a catalogue or a store is a finding
        return Tried(step, works=False, said=_why(error))


def _files(lake: Lake) -> str:
    system, place = fs.FileSystem.from_uri(f"{lake.warehouse}/{NAME}")
    system.create_dir(place.rpartition("/")[0], recursive=True)
    with system.open_output_stream(place) as file:
        file.write(b"written by sluice doctor")
    system.delete_file(place)
    return f"Python writes and deletes files in {lake.warehouse}"


def _session(lake: Lake, made: list[SparkSession]) -> str:
    from sluice.warehouse.spark.session import session

    # Without the default catalogue, which any statement asks: whether that answers is another step
    spark = session(lake.master, lake.session_settings() | {"spark.sql.defaultCatalog": "spark_catalog"})
    spark.sparkContext.setLogLevel("OFF")  # each error is a finding, without Java's stack
    spark.range(1).count()  # a cluster without free workers answers until here
    made.append(spark)
    return f"Spark {spark.version} at {lake.master} runs a job"


def _settings(spark: SparkSession) -> str:
    other = [f"{name} is {is_now}" for name, value in SETTINGS.items() if (is_now := spark.conf.get(name)) != value]
    if other:
        raise ValueError("; ".join(other))
    return "ANSI is on, the time zone is UTC, timestamps are without a zone, and decimals lose no digits"


def _catalogue(spark: SparkSession) -> str:
    found = spark.sql(f"SHOW NAMESPACES IN {CATALOGUE}").collect()
    return f"the catalogue answers: {counted(len(found), 'namespace')}"


def _rows(spark: SparkSession) -> str:
    spark.sql(f"CREATE NAMESPACE {NAMESPACE}")
    spark.range(1, 2).toDF("number").writeTo(TABLE).using("iceberg").create()
    read = [row["number"] for row in spark.table(TABLE).collect()]
    if read != [1]:
        raise ValueError(f"the row that was written came back as {read}")
    return "a namespace and a table can be made, written and read"


def _views(spark: SparkSession) -> str:
    spark.sql(f"CREATE VIEW {VIEW} AS SELECT number FROM {TABLE}")  # noqa: S608 - the names are ours
    spark.table(VIEW).collect()
    spark.sql(f"DROP VIEW {VIEW}")
    return "the catalogue keeps views"


def _delete(spark: SparkSession) -> str:
    java: Any = spark._jvm  # Iceberg's way to the files, with the rights that tables are written with
    store = java.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, TABLE).io()
    files = [row["file_path"] for row in spark.table(f"{TABLE}.files").collect()]
    spark.sql(f"DROP TABLE {TABLE} PURGE")
    spark.sql(f"DROP NAMESPACE {NAMESPACE}")
    if left := [file for file in files if store.newInputFile(file).exists()]:
        raise ValueError(f"{left[0]} is still there")
    return "the table was dropped, and its files are gone"


@contextmanager
def _removed(spark: SparkSession) -> Iterator[None]:
    """Remove what is left, in the order in which nothing is in the way, whether or not it was made."""
    try:
        yield
    finally:
        for kind, name in (("VIEW", VIEW), ("TABLE", TABLE), ("NAMESPACE", NAMESPACE)):
            with suppress(Exception):
                spark.sql(f"DROP {kind} IF EXISTS {name}")


def _why(error: Exception) -> str:
    """What went wrong, and its innermost cause, without Java's stack."""
    java = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if java is None:
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    said = [_message(java)]
    while (java := java.getCause()) is not None:
        said[1:] = [_message(java)]
    return ": ".join(dict.fromkeys(said))


def _message(java: Any) -> str:
    text = str(java.getMessage() or java.getClass().getName()).strip()
    return text.splitlines()[0]


if __name__ == "__main__":
    main()
