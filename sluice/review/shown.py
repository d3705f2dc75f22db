"""A review in words: lines for a console, Markdown for a comment. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluice.contract.exchange.change import Change
from sluice.contract.formatting import counted
from sluice.marts.difference.difference import folded, lines_of, markdown_of, safe
from sluice.review.models import ModelChanges
from sluice.review.review import Review
from sluice.review.verdicts import BatchVerdict, CheckCount, ContractChange

SAMPLES = 3  # failing rows of a check in a comment


def text(review: Review) -> str:
    """For a console."""
    return "\n".join(_text(review))


def _text(review: Review) -> Iterator[str]:
    yield f"Against {review.base} ({review.commit[:10]})"
    if not review.contracts:
        yield "No contract changed"
    for contract in review.contracts:
        yield f"contract {contract.dataset}: {contract.verdict}"
        yield from (f"  {_worded(change)}" for change in contract.changes)
        yield from (f"  not judged: {each}" for each in contract.not_judged)
        for batch in contract.batches:
            yield f"  {batch.said}"
            yield from (f"    check {check}" for check in batch.checks)
            yield from (f"    row {_row(row)}" for check in batch.checks for row in check.sample[:SAMPLES])
            yield from (f"    not judged: {each}" for each in batch.not_judged)
    if review.models is not None:
        yield from _models_text(review.models)
    yield from (f"Look at: {reason}" for reason in review.reasons)


def _models_text(models: ModelChanges) -> Iterator[str]:
    if not (models.changed or models.gone or models.failures):
        yield "No model changed"
    for what in ("changed", "gone", "downstream"):
        if names := getattr(models, what):
            yield f"models {what}: {', '.join(names)}"
    yield from (f"note: {note}" for note in models.notes)
    if models.built:
        yield f"{models.built} built and tested beside what readers have" + ("" if models.failures else "; all passed")
    yield from models.failures.splitlines()
    yield from lines_of(models.marts)


def markdown(review: Review) -> str:
    """For a comment in a pull request."""
    return "\n".join(_markdown(review)).strip()


def _markdown(review: Review) -> Iterator[str]:
    yield f"### Sluice: what this changes, against {safe(review.base)} ({review.commit[:10]})"
    yield ""
    if review.reasons:
        yield from ("**Look at this before merging:**", "", *(f"- {safe(each)}" for each in review.reasons), "")
    else:
        yield from ("Nothing is over a threshold.", "")
    yield from _contracts(review.contracts)
    if review.models is not None:
        yield from _models(review.models)


def _contracts(contracts: Sequence[ContractChange]) -> Iterator[str]:
    if not contracts:
        yield from ("No contract changed.", "")
    for contract in contracts:
        yield from (f"#### Contract {safe(contract.dataset)}: {contract.verdict}", "")
        yield from (f"- {safe(_worded(change))}" for change in contract.changes)
        yield from (f"- not judged: {safe(each)}" for each in contract.not_judged)
        yield ""
        if contract.batches:
            yield from _batches(contract.batches)


def _batches(batches: Sequence[BatchVerdict]) -> Iterator[str]:
    yield "Its last batches, every row of each file judged by the contract as it was and as it is here:"
    yield from ("", "| batch | rows | rejected before | rejected now | gate before | gate now |")
    yield "|---|---:|---:|---:|---|---|"
    for batch in batches:
        numbers = [f"{each.rejected:,}" if each else "not judged" for each in (batch.before, batch.now)]
        gates = [("closed" if each.reasons else "open") if each else "" for each in (batch.before, batch.now)]
        name = safe(batch.batch) + ("" if batch.status == "published" else f" ({batch.status})")
        yield f"| {' | '.join([name, f'{batch.rows:,}', *numbers, *gates])} |"
    yield ""
    for batch in batches:
        details = [*_checks(batch.checks), *(f"- not judged: {safe(each)}" for each in batch.not_judged)]
        if details:
            yield from (folded(f"{batch.batch}: checks and rows"), "", *details)
            yield from ("", "</details>", "")


def _models(models: ModelChanges) -> Iterator[str]:
    if not (models.changed or models.gone or models.failures):
        yield from ("No model changed.", *(f"- note: {safe(note)}" for note in models.notes))
        return
    yield from ("#### Models", "")
    for what in ("changed", "gone", "downstream"):
        if names := getattr(models, what):
            yield f"- {what}: {safe(', '.join(names))}"
    yield from (f"- note: {safe(note)}" for note in models.notes)
    if models.failures:
        yield from ("", "**Failed:**", "", "```", *models.failures.replace("```", "~~~").splitlines(), "```")
    yield ""
    if models.marts:
        yield f"Built on staging as it is: {counted(models.built, 'model')}. The marts, against what readers have:"
        yield from ("", *markdown_of(models.marts))


def _checks(checks: Sequence[CheckCount]) -> Iterator[str]:
    for check in checks:
        yield f"- {safe(str(check))}"
        yield from (f"    - row {safe(_row(row))}" for row in check.sample[:SAMPLES])


def _worded(change: Change) -> str:
    whom = f"breaks {' and '.join(change.breaks)}" if change.breaks else "compatible"
    return f"{whom}: {change.what}"


def _row(row: Mapping[str, Any]) -> str:
    cells = ", ".join(f"{name}={value}" for name, value in row.items() if name != "_row_number")
    return f"{row['_row_number']}: {cells}"
