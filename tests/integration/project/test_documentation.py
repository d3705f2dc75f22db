"""The documentation as its readers have it: the site is built strictly, and the tutorial is typed from line to line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sluice.ledger.tables import metadata
from tests.support import documentation
from tests.support.repository import ROOT
from tests.unit.project.test_documentation import ALL

pytestmark = pytest.mark.long


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    site = documentation.build(tmp_path)
    assert "deliver_range" in (site / "reference/python.html").read_text()
    commands = (site / "reference/commands.html").read_text()
    assert [path for path in ALL if f'id="{"-".join(("sluice", *path))}"' not in commands] == []
    assert "..." not in re.findall(r"<li><a [^>]*><code>init</code>.*?</li>", commands)[0]
    ops = (site / "reference/ops.html").read_text()
    assert [name for name in metadata.tables if name.split(".")[-1] not in ops] == []
    pages = [page.read_text() for page in site.rglob("*.html")]
    assert not [
        found for page in pages for found in re.findall(r'(?:src|href)="(https?://[^"]+\.(?:js|css)[^"]*)"', page)
    ]


def test_the_tutorial_leads_from_an_empty_folder_to_an_alert_and_its_recovery(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    messages: list[str] = []

    def receive(request: Request) -> Response:
        messages.append(json.loads(request.get_data())["message"])
        return Response()

    httpserver.expect_request("/", method="POST").respond_with_handler(receive)
    text = (ROOT / "docs/tutorial.md").read_text().replace("127.0.0.1:8099", f"{httpserver.host}:{httpserver.port}")
    typed = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "home").mkdir()
    (tmp_path / "empty").mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "PREFECT_", "DBT_"))}
    environment |= {"HOME": str(tmp_path / "home"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    shell = {"cwd": tmp_path / "empty", "env": environment, "capture_output": True, "text": True, "check": False}
    try:
        done = subprocess.run(["bash", "-c", "set -e\n" + "\n".join(typed)], **shell)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert "exit code 2" in done.stdout
        assert done.stderr.count("gate closed: 50% of rows are rejected") == 1, "each message once"
        assert "│ 200    │" in done.stdout, "both months"
        alert, recovery = messages
        assert "quantity >= 1" in alert
        assert "2024-02" in recovery
    finally:
        remove = "from sluice.project.paths import home; from sluice.warehouse import embedded; embedded.remove(home())"
        shell["cwd"] = tmp_path / "empty/shop"
        subprocess.run([sys.executable, "-c", remove], **shell)  # type: ignore[call-overload]
