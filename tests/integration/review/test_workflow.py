"""The CI workflow that `sluice init` writes: its commands run as plain processes, with a `gh` that keeps its call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from tests.support.reviewed import Repository

GH = """#!/bin/sh
case "$*" in *--paginate*) cat "$KEPT/earlier" 2>/dev/null; exit 0;; esac
echo "$@" > "$KEPT/call"
cp body.md "$KEPT/comment"
"""


def workflow(root: Path) -> dict[Any, Any]:
    """What the file says."""
    found: dict[Any, Any] = yaml.safe_load((root / ".github/workflows/sluice-diff.yml").read_text())
    return found


@pytest.mark.long
def test_the_workflow_comments_on_what_a_pull_request_changes(
    repository: Repository, database: sa.URL, tmp_path: Path
) -> None:
    said = workflow(repository.root)
    assert said[True] == "pull_request"  # YAML 1.1 reads the key `on` as a truth value
    [job] = said["jobs"].values()
    assert (said["permissions"]["pull-requests"], job["steps"][0]["with"]["fetch-depth"]) == ("write", 0)
    assert "sluice-elt>=" in job["steps"][2]["run"]
    script = job["steps"][3]["run"]

    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(GH)
    gh.chmod(0o755)
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.git("checkout", "-qb", "stricter")
    repository.change("contracts/shop_orders.py", "ge=1", "ge=4")
    repository.commit()
    given = {
        **{name: value for name, value in os.environ.items() if name != "SLUICE_WAREHOUSE"},
        "PATH": f"{gh.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KEPT": str(tmp_path),
        "GITHUB_BASE_REF": "main",
        "PULL_REQUEST": "7",
        "GITHUB_REPOSITORY": "acme/shop",
    }

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        call = ["bash", "-e", "-c", script]
        return subprocess.run(call, cwd=repository.root, env={**given, **more}, capture_output=True, text=True)

    forked = run(WAREHOUSE_URL="")
    assert (forked.returncode, "is not set, so nothing was compared" in forked.stdout) == (0, True)
    assert not (tmp_path / "comment").exists()

    done = run(WAREHOUSE_URL=database.render_as_string(hide_password=False))
    assert done.returncode == 2, done.stderr
    assert (tmp_path / "call").read_text().startswith("pr comment 7 --body-file")
    comment = (tmp_path / "comment").read_text()
    assert comment.startswith("<!-- sluice diff -->\n### Sluice: what this changes, against origin/main")
    assert "| 2024-01 | 10 | 1 | 4 | open | closed |" in comment

    (tmp_path / "earlier").write_text("31\n")  # what it wrote when the pull request was opened
    assert run(WAREHOUSE_URL=database.render_as_string(hide_password=False)).returncode == 2
    assert (tmp_path / "call").read_text().startswith("api --method PATCH repos/acme/shop/issues/comments/31")
