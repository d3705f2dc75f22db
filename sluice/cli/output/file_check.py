"""`check`: files and their contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sluice.cli.output.tables import out, plain, print_json, print_table
from sluice.contract.checks.compile import checks_of
from sluice.contract.checks.version import version_of
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError, SluiceError, ToolError
from sluice.contract.formatting import counted, percent
from sluice.contract.gate import CheckResult
from sluice.contract.registry import load_contract
from sluice.file_check.check import FileCheck, check_file
from sluice.file_check.deliveries import batches_of


class FilesFailed(SluiceError):
    """A file did not pass; `exit_code` is that of the worst."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def check(
    files: Sequence[str], contract_file: str, named: Sequence[str], as_json: bool, references: Sequence[str] = ()
) -> None:
    """Check each file, and show what was found.

    Raises:
        FilesFailed: after printing, if a file did not pass.
        ConfigError: the contract, a batch or a reference is wrong; nothing was checked.
        ToolError: there is no such file; nothing was checked.
    """
    contract = load_contract(Path(contract_file))
    try:
        batches = batches_of(contract, files, named)
    except ConfigError:  # of a name that does not say which batch it is, as one that is mistyped
        if missing := [file for file in files if "://" not in file and not Path(file).exists()]:
            raise ToolError(f"{missing[0]}: no such file or folder") from None
        raise
    version = version_of(contract)
    known = [_reference(contract, Path(contract_file), written) for written in references]
    checked = []
    for file, batch in zip(files, batches, strict=True):
        checked.append(check_file(file, contract, batch, known))
        if not as_json:
            _show(checked[-1])
    if as_json:
        documents = [each.as_dict() for each in checked]
        print_json({"dataset_id": contract.dataset_id, "contract_version": version, "files": documents})
    if failed := [each for each in checked if each.exit_code]:
        raise FilesFailed("\n".join(each.message for each in failed), max(each.exit_code for each in failed))


def _reference(contract: Contract, file: Path, written: str) -> tuple[str, Contract]:
    """The file, and the contract of its dataset, which lies beside that of the files."""
    datasets = {check.looks_up[0] for check in checks_of(contract, contract.files.batches.first) if check.looks_up}
    dataset, equals, path = written.partition("=")
    if not (equals and dataset in datasets):
        dataset, path = next(iter(datasets), ""), written
        if len(datasets) != 1:
            several = f"{', '.join(sorted(datasets))}: name the file's dataset, as in {dataset}={path}"
            where = several if datasets else "no other dataset"
            raise ConfigError(f"--reference {written}: {contract} looks keys up in {where}")
    if dataset == contract.dataset_id:
        return path, contract
    other = file.with_name(f"{dataset.replace('__', '_', 1)}.py")
    if not other.is_file():
        raise ConfigError(f"--reference {written}: to read it, the contract of {dataset} is needed: {other}")
    return path, load_contract(other)


def _show(checked: FileCheck) -> None:
    subject = f"{checked.file}, {checked.dataset_id} {checked.batch}: {checked.verdict}"
    report = checked.report
    if report is None:
        _print(subject)
        return
    share = percent(report.rejected / report.rows) if report.rows else "-"
    blank = f", {counted(checked.blank_lines, 'blank line')}" if checked.blank_lines else ""
    _print(
        f"{subject}. {counted(report.rows, 'row')} read{blank}, {report.accepted:,} accepted, "
        f"{report.rejected:,} rejected ({share})"
    )
    found = [result for result in report.checks if result.failing or result.error]
    if found:
        print_table("", [_row(result) for result in found], right=("failing", "share", "tolerance"))
    for result in found:
        _show_sample(result)
    for warning in checked.warnings:
        _print(f"Warning: {warning}")
    for unknown in checked.not_judged:
        _print(f"Not judged here: {unknown}")


def _row(result: CheckResult) -> dict[str, str]:
    return {
        "check": result.name,
        "severity": result.severity,
        "failing": f"{result.failing:,}",
        "share": percent(result.share),
        "tolerance": percent(result.tolerance) if result.tolerance is not None else "",
    }


def _show_sample(result: CheckResult) -> None:
    for row in result.sample:
        cells = ", ".join(f"{name}={value!r}" for name, value in row.items() if name != "_row_number")
        _print(f"  row {row['_row_number']}: {cells}   fails {result.name}")


def _print(text: str) -> None:
    out.print(plain(text), highlight=False, soft_wrap=True)
