"""The commands of the guides that a new user reads first, each with a Prefect server that it starts itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.support.guided_project import FIRST, blocks_of, guided_project, type_block


@pytest.mark.long(minutes=12)
def test_every_command_of_the_first_guides_is_typed_in_one_project(
    tmp_path: Path, httpserver: HTTPServer, prefect_server: str
) -> None:
    with guided_project(tmp_path, httpserver, standing_server=False) as project:
        for block in blocks_of(FIRST):
            type_block(project, block, prefect_server)
