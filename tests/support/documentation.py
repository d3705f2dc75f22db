"""The documentation as a site, built strictly from the lock of `make docs`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.repository import ROOT


def build(folder: Path) -> Path:
    """Build the site into a folder below this one; fails for any warning."""
    of_dev = _packages("dev.txt")
    beside = {name: block for name, block in _packages("docs.txt").items() if name not in of_dev}
    (folder / "docs.txt").write_text("\n".join(beside.values()))
    libraries, site = folder / "libraries", folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    subprocess.run([*pip, "--target", str(libraries), "-r", str(folder / "docs.txt")], check=True)
    environment = {**os.environ, "PYTHONPATH": str(libraries), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return site


def _packages(name: str) -> dict[str, str]:
    """The lines of a lock, by package."""
    text = (ROOT / "requirements" / name).read_text()
    blocks = re.findall(r"^[a-z0-9].*(?:\n    .*)*", text, re.MULTILINE)
    return {re.split(r"[=\s]", block)[0]: block for block in blocks}
