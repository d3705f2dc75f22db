"""One Spark for all of these tests, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from sluice.warehouse.spark.session import session
    from tests.spark import lake

    of_the_machine = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        **lake.settings(tmp_path_factory.mktemp("lake")),
    }
    spark = session("local[2]", of_the_machine)
    spark.sparkContext.setLogLevel("OFF")  # an overflow that is expected fills a screen
    yield spark
    spark.stop()
