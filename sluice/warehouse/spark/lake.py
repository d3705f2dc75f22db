"""Lake: where Spark runs, and where the tables of an Iceberg catalogue and the landed files lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CATALOGUE = "lake"  # what Spark calls it
_KEY = f"spark.sql.catalog.{CATALOGUE}"
EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"


@dataclass(frozen=True)
class Lake:
    """A catalogue of Iceberg tables, and the Spark that works on them.

    Attributes:
        master: as Spark takes it: `local[2]`, `spark://host:7077`.
        catalogue: properties of the Iceberg catalogue by their own names, such as `type` and `uri`.
        warehouse: URI of the folder of the tables and of the landed files, which Spark and pyarrow both reach.
        jars: paths of Iceberg's jars and the catalogue's, on each machine.
        settings: further ones of Spark.
    """

    master: str
    catalogue: Mapping[str, str]
    warehouse: str
    jars: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def start(self) -> dict[str, str]:
        """Settings that Spark takes only when it starts.

        The jars are on the class path, not in `spark.jars`, where the catalogue's own drivers would not be found.
        """
        jars = ":".join(self.jars)
        paths = {f"spark.{part}.extraClassPath": jars for part in ("driver", "executor")} if jars else {}
        return {**self.settings, **paths, "spark.sql.extensions": EXTENSIONS}

    @property
    def session(self) -> dict[str, str]:
        """Settings of a session."""
        properties = {"warehouse": self.warehouse, **self.catalogue}
        # Each query asks the catalogue: what another process has published is seen at once.
        properties["cache-enabled"] = "false"
        return {
            _KEY: "org.apache.iceberg.spark.SparkCatalog",
            **{f"{_KEY}.{name}": value for name, value in properties.items()},
            "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # pyarrow reads what Spark lands, too
        }

    def landed(self, dataset_id: str, load: int | str) -> str:
        """URI of the folder with the rows of a load, before there is a verdict."""
        return f"{self.landing(dataset_id)}/{load}"

    def landing(self, dataset_id: str) -> str:
        """URI of the folder of a dataset's landed loads."""
        return f"{self.warehouse.rstrip('/')}/landing/{dataset_id}"
