"""What `sluice plan`, `doctor` and `setup` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from contracts.errors import ConfigError, ToolError
from flows import foresee
from flows.doctor.findings import Finding
from flows.printing import out, print_json, print_table


def plan(datasets: list[str] | None, batches: list[str] | None, url: str | None, as_json: bool) -> None:
    """What tonight's run would do.

    Raises:
        ToolError: after printing, if a source did not answer: then the plan is not whole.
    """
    foreseen = foresee.foresee(datasets, batches, url)
    if as_json:
        print_json(foreseen.as_dict())
    else:
        _print(foreseen)
    unknown = [batch for batch in foreseen.batches if batch.would == "unknown"]
    if unknown:
        names = ", ".join(f"{batch.dataset} {batch.batch}" for batch in unknown)
        raise ToolError(f"not known, for their source does not answer now: {names}. Try again: sluice plan")


def _print(foreseen: foresee.Plan) -> None:
    rows = [
        {
            "dataset": batch.dataset,
            "batch": batch.batch,
            "would": batch.would,
            "why": "\n".join(batch.why),
            "checks": str(len(batch.checks) or ""),
        }
        for batch in foreseen.batches
    ]
    print_table("Tonight", rows, right=("checks",))
    models = foreseen.models
    verb = f"dbt would build {models.size}" if models.build else "dbt would build nothing"
    out.print(f"Marts: {verb}: {models.why}.", markup=False, highlight=False, soft_wrap=True)


def doctor(send: bool, as_json: bool) -> None:
    """What the doctor found.

    Raises:
        ConfigError: after printing, if a configuration is wrong.
        ToolError: after printing, if anything else failed.
    """
    from flows.doctor import diagnose

    _tell("Doctor", diagnose(send), as_json, "sluice doctor")


def setup(ask: bool, send: bool, as_json: bool) -> None:
    """What setup made and found. Raises as `doctor`."""
    from flows.setup import set_up
    from flows.setup.answers import Answers

    _tell("Setup", set_up(Answers(ask), send), as_json, "sluice setup")


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
        raise (ConfigError if wrong else ToolError)(f"not sound: {areas}. Do what the findings say, then: {again}")
