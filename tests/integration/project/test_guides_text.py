"""The commands within sentences and tables of the guides, beside a standing Prefect server."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.support.guided_project import BEFORE_TEXT, blocks_of, guided_project, type_block
from tests.support.guides import GUIDES, IN_TEXT


@pytest.mark.long(minutes=10)
def test_every_command_within_the_text_of_a_guide_is_typed_in_one_project(
    tmp_path: Path, httpserver: HTTPServer, prefect_server: str
) -> None:
    with guided_project(tmp_path, httpserver, standing_server=True) as project:
        blocks = blocks_of([path.name for path in GUIDES])
        for begin in BEFORE_TEXT:
            [block] = [each for each in blocks if each.script.startswith(begin)]
            type_block(project, block, prefect_server)
        for command in IN_TEXT:
            project.must(project.as_here(command))
