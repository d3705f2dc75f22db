"""Look up known vulnerabilities of the packages in files of the lock, by pip-audit, where a source knows them.

Exit codes: 0 none is known, 2 some are, 3 no source could be asked: then nothing is known, good or bad.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SOURCES = {"pypi": "the package index", "osv": "osv.dev"}


def main(files: list[str]) -> int:
    """Ask the sources in turn about all files. A mirror of the index that has no advisories knows no package."""
    reasons = []
    for source, name in SOURCES.items():
        found = ask(source, files)
        if isinstance(found, str):
            reasons.append(f"  {name}: {found}")
            continue
        known = [each for each in found if "skip_reason" not in each]
        if known:
            return report(name, known, [each for each in found if "skip_reason" in each])
        reasons.append(f"  {name}: it answers, and has advisories for none of the {len(found)} packages")
    sys.stderr.write(
        "No source of advisories could be asked, so nothing is known about these packages:\n"
        + "\n".join(reasons)
        + "\nRun it where one of them can be reached: make advisories\n"
    )
    return 3


def ask(source: str, files: list[str]) -> list[dict[str, Any]] | str:
    """What a source says of each package, or why it says nothing."""
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "10", "--format", "json"]
    named = [part for file in files for part in ("--requirement", file)]
    command = [sys.executable, "-m", "pip_audit", *options, "--vulnerability-service", source, *named]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    try:
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return (done.stderr.strip().splitlines() or [f"pip-audit ended with code {done.returncode}"])[-1]
    return dependencies


def report(name: str, known: list[dict[str, Any]], unknown: list[dict[str, Any]]) -> int:
    """Print each vulnerability, and how many packages were looked up."""
    hit = [(each, vulnerability) for each in known for vulnerability in each["vulns"]]
    for each, vulnerability in hit:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
        sys.stdout.write(f"{each['name']} {each['version']}: {vulnerability['id']}, fixed in {fixed}\n")
    sys.stdout.write(f"{len(hit)} known vulnerabilities in {len(known)} packages, by {name}.\n")
    if unknown:
        sys.stdout.write(f"Not known there: {', '.join(sorted(each['name'] for each in unknown))}\n")
    return 2 if hit else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
