"""A catalogue of Iceberg for tests, and rows that come into it from PostgreSQL."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import sqlalchemy as sa

CATALOG = "lake"


def settings(folder: Path) -> dict[str, str]:
    """Of a session with a catalogue that lives as long as it, and has views; its files are in the folder."""
    spec = importlib.util.find_spec("snowpark_connect_deps_iceberg")
    [jar] = (
        jar
        for place in spec.submodule_search_locations
        for jar in Path(place, "jars").glob("iceberg-spark-runtime-3.5_2.12-*.jar")
    )
    return {
        "spark.driver.extraClassPath": str(jar),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.defaultCatalog": CATALOG,
        f"spark.sql.catalog.{CATALOG}": "org.apache.iceberg.spark.SparkCatalog",
        f"spark.sql.catalog.{CATALOG}.catalog-impl": "org.apache.iceberg.inmemory.InMemoryCatalog",
        f"spark.sql.catalog.{CATALOG}.io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
        f"spark.sql.catalog.{CATALOG}.warehouse": folder.as_uri(),
        f"spark.sql.catalog.{CATALOG}.cache-enabled": "false",
    }


TYPES = {
    "text": "string",
    "double precision": "double",
    "timestamp without time zone": "timestamp_ntz",
    "timestamp with time zone": "timestamp_ltz",
    "integer": "int",
}


def copy_from_postgres(connection: sa.Connection, spark: Any, schema: str) -> None:
    """Every table of a schema, into the namespace of that name."""
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {CATALOG}.{schema}")
    query = sa.text(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a "
        "ON a.attrelid = c.oid WHERE c.relnamespace = CAST(CAST(:schema AS text) AS regnamespace) AND a.attnum > 0 "
        "AND NOT attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1, a.attnum"
    )
    columns: dict[str, dict[str, str]] = {}
    for table, name, kind in connection.execute(query, {"schema": schema}):
        columns.setdefault(table, {})[name] = TYPES.get(kind, kind.replace("numeric", "decimal"))
    for table, types in columns.items():
        found = connection.execute(sa.text(f'SELECT {", ".join(types)} FROM {schema}."{table}"'))
        ddl = ", ".join(f"{name} {kind}" for name, kind in types.items())
        frame = spark.createDataFrame([tuple(row) for row in found], ddl)
        frame.writeTo(f"{CATALOG}.{schema}.{table}").using("iceberg").createOrReplace()
