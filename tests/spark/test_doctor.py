"""`sluice doctor` where Spark is there: a real lake, what is wrong with it and the cure, and nothing left behind."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from sluice.doctor import spark as doctor
from sluice.doctor.finding import Finding, examine
from sluice.warehouse.spark.connection import trial
from sluice.warehouse.spark.connection.block import SparkEngine
from sluice.warehouse.spark.connection.trial import TrialStep
from tests.conftest import new_database

pytestmark = pytest.mark.spark

SMALL = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.memory": "700m"}
FOLDER = {"type": "hadoop"}  # Iceberg's catalogue of folders: it has no views
DRIVERS = [*map(Path, os.environ.get("CLASSPATH", "").split(":")), Path("/usr/share/java/postgresql.jar")]
PASSWORD = "sluice-test-password-of-lake"


@pytest.fixture
def examined(prefect_server: str, tmp_path: Path) -> Callable[..., list[Finding]]:
    """What the doctor finds of a block with these values."""

    def of(**values: Any) -> list[Finding]:
        name = f"lake-{secrets.token_hex(4)}"
        SparkEngine(**{"warehouse": str(tmp_path / "lake"), "settings": SMALL, **values}).save(name)
        return examine("engine", lambda: doctor.of_block(name))

    return of


@pytest.fixture
def catalogue(postgres15_url: sa.URL) -> Iterator[dict[str, Any]]:
    """The values of a block whose catalogue is tables of a PostgreSQL, asked for through JDBC."""
    driver = next((jar for jar in DRIVERS if jar.name.startswith("postgresql") and jar.is_file()), None)
    if driver is None:
        pytest.skip("no JDBC driver of PostgreSQL on CLASSPATH or of Debian: apt-get install libpostgresql-jdbc-java")
    with new_database(postgres15_url) as url:
        address = f"jdbc:postgresql://{url.host}:{url.port}/{url.database}"
        yield {
            "catalogue": {"type": "jdbc", "uri": address, "jdbc.user": url.username, "jdbc.schema-version": "V1"},
            "secrets": {"jdbc.password": url.password},
            "jars": [str(driver)],
        }


def failed(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.verdict != "ok"]


def test_a_lake_that_is_sound_has_no_failure_and_nothing_is_left_in_it(
    examined: Callable[..., list[Finding]], catalogue: dict[str, Any], tmp_path: Path
) -> None:
    found = examined(**catalogue)
    assert failed(found) == []
    said = "\n".join(finding.found for finding in found)
    for words in ("Java 17 at ", "pyspark 3.5.", "jars: iceberg-spark-runtime-3.5_2.12-", "runs a job", "ANSI is on"):
        assert words in said
    assert len(found) == 3 + len(TrialStep)
    assert [path for path in (tmp_path / "lake").rglob("*") if path.is_file()] == []


def test_a_catalogue_without_views_is_found_and_all_else_works(examined: Callable[..., list[Finding]]) -> None:
    (finding,) = failed(examined(catalogue=FOLDER))
    assert "Sluice could not make a view" in finding.found
    assert "rest, nessie, hive, or jdbc with jdbc.schema-version = V1" in finding.advice


def test_a_wrong_password_of_the_catalogue_is_found_and_not_shown(
    examined: Callable[..., list[Finding]], catalogue: dict[str, Any]
) -> None:
    found = examined(**{**catalogue, "secrets": {"jdbc.password": PASSWORD}})
    (finding,) = failed(found)
    assert "could not ask the catalogue for its namespaces" in finding.found
    assert "password authentication failed" in finding.found
    assert "secrets of the catalogue in the block" in finding.advice
    assert PASSWORD not in str(found)


def test_a_type_of_catalogue_that_does_not_exist_is_found_before_anything_is_made(
    examined: Callable[..., list[Finding]],
) -> None:
    (finding,) = failed(examined(catalogue={"type": "hadop"}))
    assert finding.found == "Sluice could not ask the catalogue for its namespaces: Unknown catalog type: hadop"


# A superuser may write anywhere, but not without this right of Linux
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
PROGRAM = """
import json, sys
from sluice.warehouse.spark.connection import trial
from sluice.warehouse.spark.connection.block import SparkEngine
tried = trial.of_lake(SparkEngine(**json.loads(sys.argv[1])).lake())
print(json.dumps([[each.step.name, each.works, each.said] for each in tried]))
"""


def test_a_lake_without_the_right_to_write_is_found(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    lake.chmod(0o555)
    values = {"warehouse": str(lake), "catalogue": FOLDER, "settings": SMALL}
    call = [*WITHOUT_RIGHTS, sys.executable, "-c", PROGRAM, json.dumps(values)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    lake.chmod(0o755)
    ((step, works, said),) = json.loads(done.stdout)
    assert (step, works) == ("FILES", False), done.stderr
    assert "Permission denied" in said


def test_a_spark_that_does_not_answer_is_ended_with_its_java(tmp_path: Path) -> None:
    mark = f"-Dsluice.test={secrets.token_hex(8)}"
    settings = {**SMALL, "spark.driver.extraJavaOptions": mark, "spark.cores.max": "1"}
    nobody = "spark://127.0.0.1:9"  # Spark asks there for a minute before it gives up
    lake = SparkEngine(master=nobody, warehouse=str(tmp_path), catalogue=FOLDER, settings=settings).lake()
    *_, last = trial.of_lake(lake, seconds=10)
    assert (last.step, last.works) == (TrialStep.SESSION, False)
    assert "no answer within 10 s" in last.said
    assert [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or [])] == []


def test_no_secret_of_the_lake_is_on_a_command_line(tmp_path: Path) -> None:
    """Every user of a machine sees the command lines of all."""
    secret = secrets.token_hex(16)
    program = (
        "import psutil\n"
        "def line(process):\n"
        "    try:\n"
        "        return ' '.join(process.cmdline())\n"
        "    except psutil.Error:  # one that has ended\n"
        "        return ''\n"
        "from sluice.warehouse.spark.session import session\n"
        "from sluice.warehouse.spark.connection.block import SparkEngine\n"
        "import json, sys\n"
        "lake = SparkEngine(**json.load(sys.stdin)).lake()\n"
        "session(lake.master, lake.session_settings())\n"
        "lines = [line(each) for each in psutil.Process().children(recursive=True)]\n"
        "print(any('SparkSubmit' in line for line in lines), any(sys.argv[1][::-1] in line for line in lines))\n"
    )
    values = {"warehouse": str(tmp_path), "catalogue": FOLDER, "settings": SMALL}
    values["secrets"] = {"token": secret, "spark.hadoop.fs.s3a.secret.key": secret}
    call = [sys.executable, "-c", program, secret[::-1]]
    done = subprocess.run(call, input=json.dumps(values), capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "False"], done.stderr
