"""The commands of all other guides, beside a standing Prefect server."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.support.guided_project import LATER, blocks_of, guided_project, type_block


@pytest.mark.long(minutes=10)
def test_every_command_of_the_other_guides_is_typed_in_one_project(
    tmp_path: Path, httpserver: HTTPServer, prefect_server: str
) -> None:
    with guided_project(tmp_path, httpserver, standing_server=True) as project:
        for block in blocks_of(LATER):
            type_block(project, block, prefect_server)
