"""Write the lock: runtime.txt and dev.txt, each package pinned with its hashes, no index address in either."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
GROUPS = {"runtime.txt": ["build"], "dev.txt": ["build", "test", "lint"]}


def main() -> None:
    """Resolve dev.txt first, then runtime.txt within it, so that the two never disagree."""
    for name, constraint in (("dev.txt", None), ("runtime.txt", "dev.txt")):
        options = [option for group in GROUPS[name] for option in ("--group", group)]
        if constraint:
            options += ["--constraint", str(HERE / constraint)]
        command = [
            sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *options,
            "--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url",
            "--no-annotate", "--quiet", "--custom-compile-command", "make lock", "--output-file", str(HERE / name),
        ]  # fmt: skip
        subprocess.run(command, check=True, cwd=HERE.parent)


if __name__ == "__main__":
    main()
