"""The block `Spark engine`: what it takes, what it refuses, and the Lake that comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.warehouse.spark.connection import jars
from sluice.warehouse.spark.connection.block import SparkEngine
from sluice.warehouse.spark.lake import Lake

REST = {"type": "rest", "uri": "https://catalogue.example.com"}
TOKEN, KEY = "token-not-to-be-seen", "key-not-to-be-seen"


def block(**changed: Any) -> SparkEngine:
    return SparkEngine(**{"warehouse": "s3://lake/warehouse", "catalogue": REST, **changed})


def test_secrets_go_to_the_catalogue_or_to_spark_and_are_in_no_text(tmp_path: Path) -> None:
    own = str(tmp_path / "iceberg-spark-runtime-4.0_2.13-9.jar")
    made = block(
        secrets={"token": TOKEN, "spark.hadoop.fs.s3a.secret.key": KEY},
        settings={"spark.executor.memory": "4g"},
        jars=[own],
    )
    lake = made.lake()
    assert lake == Lake(
        master="local[2]",
        catalogue={**REST, "token": TOKEN},
        warehouse="s3://lake/warehouse",
        jars=(own,),
        settings={"spark.executor.memory": "4g", "spark.hadoop.fs.s3a.secret.key": KEY},
    )
    for text in (repr(made), str(made), repr(lake), str(lake)):
        assert TOKEN not in text
        assert KEY not in text


def test_a_session_has_the_catalogue_under_its_name_and_as_the_default() -> None:
    lake = Lake("local[2]", {**REST, "token": TOKEN}, "file:///lake", ("/a.jar", "/b.jar"), {"spark.x": "1"})
    found = lake.session_settings()
    assert found["spark.sql.catalog.lake.uri"] == REST["uri"]
    assert found["spark.sql.catalog.lake.token"] == TOKEN
    assert found["spark.sql.catalog.lake.warehouse"] == "file:///lake"
    assert found["spark.sql.defaultCatalog"] == "lake"
    assert found["spark.driver.extraClassPath"] == found["spark.executor.extraClassPath"] == "/a.jar:/b.jar"
    assert found["spark.x"] == "1"


def test_a_folder_becomes_a_uri_and_a_uri_ends_without_a_slash() -> None:
    assert block(warehouse="/srv/my lake").warehouse == "file:///srv/my%20lake"
    assert (
        block(warehouse="abfss://c@a.dfs.core.windows.net/lake/").warehouse == "abfss://c@a.dfs.core.windows.net/lake"
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"master": "localhost:7077"}, "expected local[2], spark://host:7077"),
        ({"warehouse": "lake"}, "expected a URI, such as s3://bucket/folder"),
        ({"catalogue": {"uri": "https://x"}}, "type is missing: rest, nessie, hive or jdbc"),
        ({"catalogue": {**REST, "warehouse": "s3://x"}}, "warehouse is a field of the block"),
        ({"catalogue": {**REST, "token": TOKEN}}, "token: give it in secrets"),
        ({"catalogue": {**REST, "jdbc.password": TOKEN}}, "jdbc.password: give it in secrets"),
        (
            {"catalogue": {"type": "jdbc", "uri": f"jdbc:postgresql://h/d?password={TOKEN}"}},
            "uri: the value holds a secret",
        ),
        ({"catalogue": {"type": "rest", "uri": f"https://me:{TOKEN}@h/"}}, "uri: the value holds a secret"),
        ({"settings": {"executor.memory": "4g"}}, "executor.memory is not a setting of Spark"),
        ({"settings": {"spark.hadoop.fs.s3a.secret.key": TOKEN}}, "spark.hadoop.fs.s3a.secret.key: give it in secrets"),
        ({"settings": {"spark.sql.ansi.enabled": "false"}}, "spark.sql.ansi.enabled must be true"),
        ({"settings": {"spark.sql.catalog.lake.uri": "x"}}, "is for the fields catalogue, warehouse and secrets"),
        ({"secrets": {"spark.sql.session.timeZone": "CET"}}, "spark.sql.session.timeZone must be UTC"),
        ({"secrets": {"uri": TOKEN}}, "uri: give it in one place only"),
        ({"secrets": {"spark.driver.extraJavaOptions": TOKEN}}, "stands on Spark's command line"),
        ({"secrets": {"token": 5}}, "each value must be a text"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_field_and_without_a_secret(
    changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        block(**changed)
    (error,) = refused.value.errors()
    assert error["loc"] == tuple(changed)
    assert said in error["msg"]
    assert TOKEN not in error["msg"]


def test_iceberg_s_runtime_is_found_in_its_package_unless_the_user_or_spark_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packages" / jars.PACKAGE
    runtime = package / "jars" / "iceberg-spark-runtime-3.5_2.12-1.10.2.jar"
    runtime.parent.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in (
        runtime.name,
        "iceberg-spark-runtime-3.5_2.13-1.10.2.jar",
        "iceberg-spark-extensions-3.5_2.12-1.10.2.jar",
    ):
        (runtime.parent / name).touch()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "spark"))
    assert jars.with_runtime(["/usr/share/java/postgresql.jar"]) == (str(runtime), "/usr/share/java/postgresql.jar")
    for own in ("/opt/iceberg-spark-runtime-3.5_2.12-1.9.jar", "/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar"):
        assert jars.with_runtime([own]) == (own,)
    (tmp_path / "spark" / "jars").mkdir(parents=True)
    (tmp_path / "spark" / "jars" / runtime.name).touch()
    assert jars.with_runtime([]) == ()
