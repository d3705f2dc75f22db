"""Write the lock, with hashes and without index address: runtime.txt, buckets.txt (with the extras), dev.txt, docs.txt.

And supply.txt, mutation.txt and spark.txt, each for a separate environment: not resolved with the others. So have the
peers of the benchmarks, benchmarks/peers/*.in.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# What each file is to hold.
GROUPS = {
    "runtime.txt": ["build"],
    "buckets.txt": ["build"],
    "dev.txt": ["build", "test", "lint"],
    "docs.txt": ["build", "test", "lint", "docs"],
}
EXTRAS = {
    "runtime.txt": [],
    "buckets.txt": ["gcs", "s3"],
    "dev.txt": ["gcs", "s3", "openlineage"],
    "docs.txt": ["gcs", "s3", "openlineage"],
}
# What other packages require and nobody installs: a marker that is never true leaves it out.
LEFT_OUT = {
    # dbt-core 1.12 starts it under `--use-v2-parser` only. Its source package downloads a program of 53 MB from another
    # host while it is installed, and newer versions have no wheel on the package index.
    "dbt-core-experimental-parser": 'dbt-core-experimental-parser ; python_version < "0"',
}


def main() -> None:
    """Resolve dev.txt first, then the others within it, so that they never disagree."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as overrides:
        overrides.write("\n".join(LEFT_OUT.values()))
        overrides.flush()
        _write(overrides.name)
    _compile("supply.txt", ["--group", "supply"])
    _compile("mutation.txt", ["--group", "mutation"])
    _compile("spark.txt", ["--group", "spark", "--no-deps"])
    for peer in sorted((HERE.parent / "benchmarks" / "peers").glob("*.in")):
        _compile(str(peer.with_suffix(".txt")), [str(peer.relative_to(HERE.parent))])


def _write(overrides: str) -> None:
    for name in ("dev.txt", "docs.txt", "buckets.txt", "runtime.txt"):
        options = [option for group in GROUPS[name] for option in ("--group", group)]
        options += [option for extra in EXTRAS[name] for option in ("--extra", extra)]
        if name != "dev.txt":
            options += ["--constraint", str(HERE / "dev.txt")]
        _compile(name, ["pyproject.toml", *options, "--override", overrides])


def _compile(name: str, of: list[str]) -> None:
    command = [
        sys.executable, "-m", "uv", "pip", "compile", *of,
        "--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url",
        "--no-annotate", "--quiet", "--upgrade",
        "--custom-compile-command", "make lock", "--output-file", str(HERE / name),
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=HERE.parent)


if __name__ == "__main__":
    main()
