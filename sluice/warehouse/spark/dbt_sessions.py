"""dbt on Spark, in the process that drives it (dbt-spark's `method: session`), with the settings that models rely on.

dbt-spark switches ANSI off before each statement, so that an overflow is another number, and asks for Hive. Here a
statement runs in the session of this process. By hand, with a catalogue that spark-defaults.conf names:

    python -m sluice.warehouse.spark.dbt_sessions build --target spark ...
"""

from __future__ import annotations

import sys
from typing import Any

from sluice.warehouse.spark.dialect import SETTINGS


def install() -> None:
    """Let every statement of dbt-spark in this process run so. Again and again changes nothing more."""
    from dbt.adapters.spark.session import Cursor
    from dbt_common.exceptions import DbtRuntimeError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    def execute(self: Any, sql: str, *parameters: Any) -> None:
        builder = SparkSession.builder
        for name, value in {**self.server_side_parameters, **SETTINGS}.items():
            builder = builder.config(name, value)
        try:
            self._df = builder.getOrCreate().sql(sql % parameters if parameters else sql)
        except PySparkException as error:
            raise DbtRuntimeError(str(error)) from error

    Cursor.execute = execute


if __name__ == "__main__":
    from dbt.cli.main import cli

    install()
    cli.main(sys.argv[1:], "dbt")
