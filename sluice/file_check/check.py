"""One file and its contract in, the verdict of a run out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.contract.authoring import patches
from sluice.contract.checks.compile import checks_of
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError, SluiceError, ToolError
from sluice.contract.gate import AuditReport, CheckResult, Decision, decide
from sluice.file_check.deliveries import batches_of
from sluice.file_check.judge import Judge
from sluice.file_check.published import References, take_in
from sluice.source.addresses import Address
from sluice.source.fetch import fetch, look
from sluice.source.files import SourceFile
from sluice.source.readers.row_stream import open_rows


class FileVerdict(StrEnum):
    """What a run would do with the file."""

    PASSED = "passed"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What a run would make of a file, as far as the file alone decides it.

    Attributes:
        verdict: `passed` where a run publishes it, `held` where the gate stays closed, `failed` where it cannot be
            read, or its columns are not the contract's.
        exit_code: 0, 2 for bad data, 3 if the file could not be had.
        report: of the audit; None if there was none.
        not_judged: limits of the gate, and checks, that compare with what is published.
        sha256: of the file's bytes, if they could be read.
    """

    dataset_id: str
    file: str
    batch: str
    verdict: FileVerdict
    exit_code: int = 0
    report: AuditReport | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()
    blank_lines: int = 0
    sha256: str | None = None

    @property
    def message(self) -> str:
        """One line that says why it does not pass."""
        closed = "gate closed: " if self.verdict is FileVerdict.HELD else ""
        return f"{self.file}, {self.dataset_id} {self.batch}: {closed}{'; '.join(self.reasons)}"

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        facts = {name: getattr(self, name) for name in ("dataset_id", "file", "batch", "verdict", "exit_code")}
        counts = {name: getattr(self.report, name, 0) for name in ("rows", "accepted", "rejected")}
        lists = {name: list(getattr(self, name)) for name in ("reasons", "warnings", "not_judged")}
        checks = [_as_dict(result) for result in self.report.results] if self.report else []
        return {**facts, **counts, "blank_lines": self.blank_lines, **lists, "sha256": self.sha256, "checks": checks}


def check_file(file: str, contract: Contract, batch: str | None = None, references: References = ()) -> FileCheck:
    """Hold a file against its contract: read as a run reads it, judged in pandas, decided by the contract's gate.

    Args:
        file: path or address.
        batch: that the file is; by its name, if not given.
        references: files that stand for what is published, each with the contract of its dataset, for the checks that
            look keys up there.

    Raises:
        ConfigError: the contract contradicts itself, the batch cannot be, or a file of `references` cannot be read.
    """
    [name] = batches_of(contract, [file], [batch] if batch else [])
    shown = str(Address(file))
    sha256 = None
    with tempfile.TemporaryDirectory(prefix="sluice-check-") as folder:
        try:
            source = fetch(look(file), Path(folder))
            sha256 = source.sha256
            report, blank_lines = _audit(source, contract, name, Path(folder), references)
        except ConfigError:
            raise
        except SluiceError as error:
            reasons = (error.reason(contract.dataset_id, name),)
            return FileCheck(
                contract.dataset_id, shown, name, FileVerdict.FAILED, error.exit_code, None, reasons, sha256=sha256
            )
    decision = decide(contract.gate, report)
    return FileCheck(
        contract.dataset_id,
        shown,
        name,
        FileVerdict.PASSED if decision.open else FileVerdict.HELD,
        0 if decision.open else 2,
        report,
        reasons_of(contract, report, decision),
        decision.warnings,
        _not_judged(contract, name, references),
        blank_lines,
        sha256,
    )


def reasons_of(contract: Contract, report: AuditReport, decision: Decision) -> tuple[str, ...]:
    """Why the gate is closed, and the patch of the contract that would accept a file of other types."""
    return () if decision.open else (*decision.reasons, *patches.unread(contract, report))


def _audit(
    file: SourceFile, contract: Contract, batch: str, folder: Path, references: References
) -> tuple[AuditReport, int]:
    judge = Judge(contract, batch, folder, known={known.dataset_id for _, known in references})
    try:
        take_in(judge, references, folder)
        with open_rows(file, contract, batch) as stream:
            for rows in stream:
                judge.take(rows)
        return judge.report(), stream.blank_lines
    except sa.exc.OperationalError as error:  # SQLite: the disk is full
        raise ToolError(f"{folder.parent}: temporary files cannot be written: {error.orig}. Set TMPDIR") from None
    finally:
        judge.close()


def _not_judged(contract: Contract, batch: str, references: References) -> tuple[str, ...]:
    """What only a run can judge, because it depends on what is published."""
    known = {each.dataset_id for _, each in references}
    looking = [(check.name, check.looks_up[0]) for check in checks_of(contract, batch) if check.looks_up]
    unknown = [
        f"{name}: looks keys up in what is published of {dataset}; to judge it by a file of that: --reference FILE"
        for name, dataset in looking
        if dataset not in known
    ]
    if contract.gate.rows_vs_last is not None:
        unknown.append("rows_vs_last: compares with the rows of the published batches")
    if contract.gate.same_bytes == "hold" and contract.files.batches.by is not None:
        unknown.append("same_bytes: compares with the files of the published batches")
    return tuple(unknown)


def _as_dict(result: CheckResult) -> Mapping[str, Any]:
    facts = {name: getattr(result, name) for name in ("severity", "tolerance", "rows", "failing", "outcome", "error")}
    return {"check": result.name, **facts, "sample": [dict(row) for row in result.sample]}
