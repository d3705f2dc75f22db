"""Where benchmarks work, and the environments of their peers: one for each, made at its first use."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".sluice" / "bench"


def python_of(script: str, packages: str | None) -> str:
    """The interpreter of a peer's own environment, made if missing."""
    if packages is None:
        return sys.executable
    folder = HOME / Path(script).stem
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        if uv := shutil.which("uv"):
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
            subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages.split()], check=True)
        else:
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages.split()], check=True)
        (folder / "done").touch()
    return str(python)
