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

# Of a query, and of what it runs on.
ERRORS = (PySparkException, Py4JJavaError)


def session(master: str, settings: Mapping[str, str] = {}) -> SparkSession:
    """The session of this process, made at the first call.

    Args:
        master: as Spark takes it: `local[2]`, `spark://host:7077`.
        settings: of the catalogue and the cluster; those of the dialect hold in any case.
    """
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master).appName("sluice")
    for name, value in {**settings, **SETTINGS}.items():
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
