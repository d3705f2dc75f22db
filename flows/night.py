"""What `sluice plan` prints."""

from __future__ import annotations

from contracts.errors import ToolError
from flows import foresee
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
