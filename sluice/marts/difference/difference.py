"""What differs between two sides, as values: for people, for a comment in Markdown, and as JSON. Asks nothing."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sluice.contract.formatting import counted, percent


def same(before: Decimal | None, now: Decimal | None) -> bool:
    """Whether a number is as it was: NaN, which equals nothing, may be so, too."""
    return before == now or str(before) == str(now)


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """One column, before and now.

    Attributes:
        state: `both`, `new`, `gone` or `retyped`.
        changed: rows of the same key in which it differs; None where rows cannot be compared by a key.
        nulls_before, nulls_now: share of rows that have none.
        total_before, total_now: of a number that is not an identifier.
    """

    column: str
    state: str = "both"
    changed: int | None = None
    nulls_before: float | None = None
    nulls_now: float | None = None
    total_before: Decimal | None = None
    total_now: Decimal | None = None

    @property
    def differs(self) -> bool:
        """Whether anything of it is other than it was."""
        moved = self.nulls_before != self.nulls_now or not same(self.total_before, self.total_now)
        return self.state != "both" or bool(self.changed) or moved

    @property
    def said(self) -> str:
        """What differs, in words."""
        words = [self.state] if self.state != "both" else []
        words += [f"{self.changed:,} changed"] if self.changed else []
        if self.nulls_before is not None and self.nulls_now is not None and self.nulls_before != self.nulls_now:
            words.append(f"null {percent(self.nulls_before)} before, {percent(self.nulls_now)} now")
        before, now = self.total_before, self.total_now
        if before is not None and now is not None and not same(before, now):
            words.append(f"total {before:,} before, {now:,} now")
        return "; ".join(words)


@dataclass(frozen=True, slots=True)
class RowDifference:
    """One row that differs; personal values are masked.

    Attributes:
        kind: `added`, `removed` or `changed`.
        row: the key, or the whole row where there is no key.
        values: of a changed row, what each column was and is.
    """

    kind: str
    row: Mapping[str, object]
    values: Mapping[str, tuple[object, object]] = field(default_factory=dict)

    def __str__(self) -> str:
        row = ", ".join(f"{name}={_shown(value)}" for name, value in self.row.items())
        values = ", ".join(f"{name} {_shown(old)} -> {_shown(new)}" for name, (old, new) in self.values.items())
        return f"{self.kind} {row}" + (f": {values}" if values else "")


@dataclass(frozen=True, slots=True)
class MartDifference:
    """One mart, before and now.

    Attributes:
        state: `new`, `gone`, `changed` or `same`.
        key: columns that name a row; without a tested key rows are compared whole.
        changed: keys whose row differs in any column; None without a key.
    """

    mart: str
    state: str
    key: tuple[str, ...] = ()
    rows_before: int | None = None
    rows_now: int | None = None
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    columns: tuple[ColumnDifference, ...] = ()
    sample: tuple[RowDifference, ...] = ()

    @property
    def said(self) -> str:
        """Its numbers in words."""
        if self.state == "new":
            return f"new mart, {counted(self.rows_now or 0, 'row')}"
        if self.state == "gone":
            return f"gone; readers have {counted(self.rows_before or 0, 'row')}"
        if self.state == "same":
            return f"same, {counted(self.rows_now or 0, 'row')}"
        what = "keys" if self.key else "rows"
        changed = "" if self.changed is None else f", {self.changed:,} changed"
        rows = f"{counted(self.rows_before or 0, 'row')} before, {self.rows_now:,} now"
        return f"{rows}; {what} +{self.added or 0:,} -{self.removed or 0:,}{changed}"


@dataclass(frozen=True, slots=True)
class Difference:
    """Every mart of a candidate against what readers have.

    Attributes:
        side, build, built_at: the candidate.
        live: the side that readers have; None before anything was published.
        reasons: why a publish waits for a person; empty if it does not.
    """

    side: str
    build: int
    built_at: datetime
    live: str | None
    marts: tuple[MartDifference, ...]
    reasons: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        found = {key: json_value(value) for key, value in asdict(self).items() if key != "reasons"}
        return {**found, "gate": {"waits": bool(self.reasons), "reasons": list(self.reasons)}}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield self._head()
        yield from lines_of(self.marts)
        yield from (f"Gate: {reason}" for reason in self.reasons)
        yield self._next()

    def _head(self) -> str:
        against = f"against {self.live}, which readers have" if self.live else "readers have no marts yet"
        return f"Candidate {self.side} (build {self.build}, {self.built_at:%Y-%m-%d %H:%M} UTC), {against}"

    def _next(self) -> str:
        if self.reasons:
            return 'A publish waits for a person: sluice marts publish --why "TEXT"'
        return "Publish it: sluice marts publish"

    def markdown(self) -> str:
        """For a comment: a table of all marts, and what differs in each, folded."""
        lines = [f"**{self._head()}**", "", *markdown_of(self.marts)]
        lines += ["", *(f"- **Gate:** {safe(reason)}" for reason in self.reasons), *([""] if self.reasons else [])]
        return "\n".join([*lines, f"{self._next()}"]).replace("\n\n\n", "\n\n")


def lines_of(marts: Sequence[MartDifference]) -> Iterator[str]:
    """What differs in each mart, for a console."""
    for mart in marts:
        yield f"{mart.mart}: {mart.said}"
        yield from (f"  column {each.column}: {each.said}" for each in mart.columns if each.differs)
        yield from (f"  {each}" for each in mart.sample)


def markdown_of(marts: Sequence[MartDifference]) -> Iterator[str]:
    """For a comment: a table of the marts, and what differs in each, folded."""
    yield from ("| mart | rows before | rows now | added | removed | changed |", "|---|---:|---:|---:|---:|---:|")
    for mart in marts:
        numbers = (mart.rows_before, mart.rows_now, mart.added, mart.removed, mart.changed)
        shown = ["" if number is None else f"{number:,}" for number in numbers]
        name = mart.mart if mart.state == "changed" else f"{mart.mart} ({mart.state})"
        yield f"| {' | '.join([safe(name), *shown])} |"
    for mart in marts:
        columns = [f"- column {safe(each.column)}: {safe(each.said)}" for each in mart.columns if each.differs]
        details = [*columns, *(f"- {safe(str(each))}" for each in mart.sample)]
        if details and mart.state == "changed":
            yield from ("", folded(mart.mart), "", *details, "", "</details>")


def _shown(value: object) -> str:
    return "null" if value is None else str(value)


def folded(title: str) -> str:
    """The beginning of what is folded under a title. It is HTML, where a backslash would be shown."""
    return f"<details><summary>{html.escape(title)}</summary>"


def safe(text: str) -> str:
    """A text with nothing in it that Markdown or HTML would obey."""
    for letter in "\\`*_{}[]|#~":
        text = text.replace(letter, f"\\{letter}")
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())


def json_value(value: Any) -> Any:
    """A value of `asdict` as JSON has it."""
    if isinstance(value, Decimal) and not value.is_finite():
        return str(value)  # JSON has no such number
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: json_value(each) for key, each in value.items()}
    return [json_value(each) for each in value] if isinstance(value, list | tuple) else value
