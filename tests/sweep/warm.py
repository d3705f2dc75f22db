"""What the process has done that nights are forked from: dbt has read the project once, and keeps what it understood.

Two thirds of a night's time would be dbt's preparations, which are the same in each: a check of its types, and the
macros of its packages. dbt has a switch for such tests, by which it keeps the parsed macros of a process.
"""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

from dbt.adapters.factory import reset_adapters
from dbt.cli.main import dbtRunner
from dbt.task import build  # noqa: F401 - which parsing does not import
from dbt_common.events.event_manager_client import cleanup_event_logger
from dbt_common.tests import enable_test_caching

from tests.sweep.sweep import PROJECT


def read_project(project: Path) -> None:
    """Parse the dbt project, which opens no connection, and leave nothing of it but what dbt keeps in memory."""
    enable_test_caching()
    with tempfile.TemporaryDirectory() as folder:
        facts = {"SLUICE_DBT_SCHEMA": "marts__a", "SLUICE_DBT_SIDE": ""}
        os.environ.update(facts)
        options = ["--project-dir", project / "dbt_project", "--profiles-dir", project / "profiles"]
        options += ["--target-path", folder, "--log-path", folder]
        result = dbtRunner().invoke(["--quiet", "parse", "--target", "embedded", *map(str, options)])
        for name in facts:
            del os.environ[name]
    assert result.success, result.exception
    reset_adapters()
    cleanup_event_logger()
    gc.freeze()  # what all nights share is not looked through in each


if PROJECT in os.environ:  # in the process that nights are forked from
    read_project(Path(os.environ[PROJECT]))
