"""A session of Spark, with the settings that checks and models rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from sluice.warehouse.spark.dialect import SETTINGS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What the JVM reads when it starts. All else reaches it through a socket: a command line is for all users to see, and
# settings of a catalogue may be secrets.
AT_START = ("spark.driver.", "spark.jars", "spark.master", "spark.submit.")
# Of a query, and of what it runs on.
ERRORS = (PySparkException, Py4JJavaError)


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


def first_line(error: Exception) -> str:
    """What went wrong, without Java's stack."""
    java = getattr(error, "java_exception", None)
    text = str(error) if java is None else str(java.getMessage() or java)
    return text.strip().splitlines()[0]


def removed(uri: str) -> None:
    """Remove a file or folder, if it is there."""
    system, place = pa.fs.FileSystem.from_uri(uri)
    kind = system.get_file_info(place).type
    if kind is pa.fs.FileType.Directory:
        system.delete_dir(place)
    elif kind is pa.fs.FileType.File:
        system.delete_file(place)
