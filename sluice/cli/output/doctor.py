"""`doctor` and `setup`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sluice.cli.output.tables import out, print_json, print_table
from sluice.contract.errors import ConfigError, ToolError
from sluice.doctor.finding import Finding
from sluice.project import paths


def doctor(send: bool, as_json: bool) -> None:
    """What the doctor found.

    Raises:
        ConfigError: after printing, if a configuration is wrong.
        ToolError: after printing, if anything else failed.
    """
    paths.root()  # before anything is looked at: outside of a project there is nothing to find
    from sluice.doctor.diagnose import diagnose

    _tell("Doctor", diagnose(send), as_json, "sluice doctor")


def setup(ask: bool, send: bool, as_json: bool) -> None:
    """What setup made and found. Raises as `doctor`."""
    from sluice.setup.answers import Answers

    paths.root()
    from sluice.setup.set_up import set_up

    _tell("Setup", set_up(Answers(ask), send), as_json, "sluice setup")


def separate_users(ask: bool, dry_run: bool, as_json: bool) -> None:
    """What was done to separate the warehouse's users, or would be. Raises as `doctor`."""
    from sluice.setup.answers import Answers

    paths.root()
    from sluice.setup.set_up import separate

    _tell("Roles", separate(Answers(ask), dry_run), as_json, "sluice setup --roles")


def _tell(title: str, found: Sequence[Finding], as_json: bool, again: str) -> None:
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        names = ("area", "verdict", "found", "what to do")
        shown = [(each.area, each.verdict, each.found, each.advice) for each in found]
        print_table(title, [dict(zip(names, row, strict=True)) for row in shown], names=names)
        counts = [f"{sum(each.verdict == v for each in found)} {v}" for v in ("ok", "warn", "fail")]
        out.print(", ".join(counts), highlight=False)
    failed = [finding for finding in found if finding.verdict == "fail"]
    if failed:
        areas = ", ".join(dict.fromkeys(finding.area for finding in failed))
        wrong = any(finding.exit_code == ConfigError.exit_code for finding in failed)
        raise (ConfigError if wrong else ToolError)(
            f"problems found: {areas}. Fix them as advised above, then run: {again}"
        )
