"""Where the rows of a project on Spark lie, and what a session needs to reach them. Pure: imports nothing of Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CATALOGUE = "lake"  # what sessions call the Iceberg catalogue, and the default: dbt-spark names schemas only
_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"

_NOT_SHOWN = "(?i)secret|password|token|credential|access[.]?key"  # in Spark's UI; its default has no credential


@dataclass(frozen=True)
class Lake:
    """An Iceberg catalogue, and the Spark that works on it.

    Attributes:
        master: as Spark takes it: `local[2]`, `spark://host:7077`.
        catalogue: properties of the catalogue by Iceberg's names (`type`, `uri`, ...), secrets among them.
        warehouse: URI of the folder that tables lie in.
        jars: paths of Iceberg's runtime and of drivers, the same on every machine of the cluster.
        settings: further ones of Spark, secrets among them.
    """

    master: str
    catalogue: Mapping[str, str] = field(repr=False)
    warehouse: str
    jars: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def session_settings(self) -> dict[str, str]:
        """What a session is made with, besides the settings of the dialect."""
        catalogue = f"spark.sql.catalog.{CATALOGUE}"
        # `spark.jars` come too late for a catalogue, and for JDBC drivers, which the first class loader looks up.
        of_jars = {f"spark.{who}.extraClassPath": ":".join(self.jars) for who in ("driver", "executor") if self.jars}
        return {
            "spark.ui.showConsoleProgress": "false",
            "spark.redaction.regex": _NOT_SHOWN,
            **of_jars,
            **self.settings,
            catalogue: "org.apache.iceberg.spark.SparkCatalog",
            **{f"{catalogue}.{name}": value for name, value in self.catalogue.items()},
            f"{catalogue}.warehouse": self.warehouse,
            "spark.sql.defaultCatalog": CATALOGUE,
            "spark.sql.extensions": _EXTENSIONS,
        }
