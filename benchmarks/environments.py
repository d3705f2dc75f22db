"""Where benchmarks work, and the environments of their peers: one for each, made at its first use."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".sluice" / "bench"


def python_of(peer: str) -> str:
    """The interpreter of a peer's own environment, made if missing or of another lock; Sluice's, if the peer has none.

    Args:
        peer: peers/PEER.txt is the lock of its packages, made by `make lock` from peers/PEER.in.
    """
    lock = HERE / "peers" / f"{peer}.txt"
    if not lock.exists():
        return sys.executable
    folder = HOME / peer
    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists() or done.read_text() != lock.read_text():
        locked = ["--quiet", "--require-hashes", "--no-deps", "-r", lock]
        if uv := shutil.which("uv"):
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
            subprocess.run([uv, "pip", "install", "--python", python, *locked], check=True)
        else:
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", *locked], check=True)
        done.write_text(lock.read_text())
    return str(python)
