"""A session of Spark, with the settings that checks and models rely on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException

from sluice.contract.errors import ToolError
from sluice.warehouse.spark.dialect import SETTINGS
from sluice.warehouse.spark.lake import AT_START, CATALOGUE, Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Of a query, and of what it runs on.
ERRORS = (PySparkException, Py4JJavaError)
# And of a Spark that is gone, or of the files it shares with this process.
FAILURES = (*ERRORS, Py4JError, OSError)


def session(master: str, settings: Mapping[str, str] = {}) -> SparkSession:
    """The session of this process, made at the first call.

    Args:
        master: as Spark takes it: `local[2]`, `spark://host:7077`.
        settings: of the catalogue and the cluster; those of the dialect hold in any case.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    every = {**settings, **SETTINGS, "spark.master": master, "spark.app.name": "sluice"}
    at_start = SparkConf().setAll([each for each in every.items() if each[0].startswith(AT_START)])
    # Nothing, if a JVM runs; the public way, SparkContext(gateway=...), would start another (read in 3.5)
    SparkContext._ensure_initialized(conf=at_start)
    builder = SparkSession.builder
    for name, value in every.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def session_of(lake: Lake) -> SparkSession:
    """A session of a lake: separate settings and views, in the Spark of this process."""
    opened = session(lake.master, lake.start).newSession()
    for name, value in {**lake.session, **SETTINGS}.items():
        opened.conf.set(name, value)
    # Loaded here: a table that is asked for by name alone would be looked up with the settings of another session.
    # And from now on names without a catalogue are of the lake, as checks of keys write them.
    opened.sql(f"USE {CATALOGUE}")
    return opened


@contextmanager
def asked(what: str) -> Iterator[None]:
    """Spark's errors in words: that `what` failed, and why.

    Raises:
        ToolError: it did.
    """
    try:
        yield
    except FAILURES as error:
        raise ToolError(f"{what}: Spark: {first_line(error)}") from None


def first_line(error: Exception) -> str:
    """What went wrong, without Java's stack."""
    java = getattr(error, "java_exception", None)
    text = str(error) if java is None else str(java.getMessage() or java)
    return (text.strip() or type(error).__name__).splitlines()[0]


def removed(uri: str) -> None:
    """Remove a file or folder, if it is there."""
    system, place = pa.fs.FileSystem.from_uri(uri)
    kind = system.get_file_info(place).type
    if kind is pa.fs.FileType.Directory:
        system.delete_dir(place)
    elif kind is pa.fs.FileType.File:
        system.delete_file(place)
