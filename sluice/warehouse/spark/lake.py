"""Where the rows of a project on Spark lie, and what a session needs to reach them. Pure: imports nothing of Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CATALOGUE = "lake"  # what sessions call the Iceberg catalogue
# What Spark's JVM reads when it starts. All else reaches it through a socket: every user can read a command line, and
# settings of a catalogue may be secrets.
AT_START = ("spark.driver.", "spark.jars", "spark.master", "spark.submit.")
_KEY = f"spark.sql.catalog.{CATALOGUE}"
_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
_NOT_SHOWN = "(?i)secret|password|token|credential|access[.]?key"  # in Spark's UI; its default has no credential


@dataclass(frozen=True)
class Lake:
    """An Iceberg catalogue, and the Spark that works on it.

    Attributes:
        master: as Spark takes it: `local[2]`, `spark://host:7077`.
        catalogue: properties of the catalogue by Iceberg's names (`type`, `uri`, ...), secrets among them.
        warehouse: URI of the folder of the tables and of the landed files, which Spark and pyarrow both reach.
        jars: paths of Iceberg's runtime and of drivers, the same on every machine of the cluster.
        settings: further ones of Spark, secrets among them.
    """

    master: str
    catalogue: Mapping[str, str] = field(repr=False)
    warehouse: str
    jars: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def start(self) -> dict[str, str]:
        """Settings that Spark takes only when it starts."""
        # `spark.jars` come too late for a catalogue, and for JDBC drivers, which the first class loader looks up.
        of_jars = {f"spark.{who}.extraClassPath": ":".join(self.jars) for who in ("driver", "executor") if self.jars}
        return {
            "spark.ui.showConsoleProgress": "false",
            "spark.redaction.regex": _NOT_SHOWN,
            **self.settings,
            **of_jars,
            "spark.sql.extensions": _EXTENSIONS,
        }

    @property
    def session(self) -> dict[str, str]:
        """Settings of a session."""
        # Each query asks the catalogue: what another process has published is seen at once.
        properties = {**self.catalogue, "warehouse": self.warehouse, "cache-enabled": "false"}
        return {
            _KEY: "org.apache.iceberg.spark.SparkCatalog",
            **{f"{_KEY}.{name}": value for name, value in properties.items()},
            "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # pyarrow reads what Spark lands, too
        }

    def session_settings(self) -> dict[str, str]:
        """What the one session of a process is made with, where names without a catalogue are of the lake."""
        return {**self.start, **self.session, "spark.sql.defaultCatalog": CATALOGUE}

    def landed(self, dataset_id: str, load: int | str) -> str:
        """URI of the folder with the rows of a load, before there is a verdict."""
        return f"{self.landing(dataset_id)}/{load}"

    def landing(self, dataset_id: str) -> str:
        """URI of the folder of a dataset's landed loads."""
        return f"{self.warehouse.rstrip('/')}/landing/{dataset_id}"
