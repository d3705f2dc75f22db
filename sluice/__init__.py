"""Sluice: quality-gated ELT into PostgreSQL.

The names below are public; everything else may change with any version. They are imported when they are first used:
`import sluice` itself loads neither Prefect nor dbt nor a database driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluice.cli.app import main
    from sluice.contract.batches import Daily, EachFile, Hourly, Monthly, Quarterly, Single, Weekly, Yearly
    from sluice.contract.columns import (
        Bool,
        Bytes,
        Date,
        Float,
        Int,
        Json,
        Money,
        Text,
        Time,
        Timestamp,
        UtcTimestamp,
        Uuid,
        column,
        days,
    )
    from sluice.contract.contract import Contract, Files, Freshness, Gate
    from sluice.contract.errors import (
        BusyError,
        ConfigError,
        ContractError,
        DataError,
        SluiceError,
        ToolError,
    )
    from sluice.contract.sources import Rows, Table
    from sluice.file_check.check import FileCheck, check_file
    from sluice.project.datasets import contract_for, contracts
    from sluice.runs.outcomes import Marts, Outcome, RunFailed, Summary
    from sluice.steps.corrections import release, replay
    from sluice.steps.decorator import flow
    from sluice.steps.deliver import deliver, deliver_range
    from sluice.steps.finish import finish
    from sluice.steps.load import load
    from sluice.steps.transform import transform

__all__ = [
    "Bool",
    "BusyError",
    "Bytes",
    "ConfigError",
    "Contract",
    "ContractError",
    "Daily",
    "DataError",
    "Date",
    "EachFile",
    "FileCheck",
    "Files",
    "Float",
    "Freshness",
    "Gate",
    "Hourly",
    "Int",
    "Json",
    "Marts",
    "Money",
    "Monthly",
    "Outcome",
    "Quarterly",
    "Rows",
    "RunFailed",
    "Single",
    "SluiceError",
    "Summary",
    "Table",
    "Text",
    "Time",
    "Timestamp",
    "ToolError",
    "UtcTimestamp",
    "Uuid",
    "Weekly",
    "Yearly",
    "check_file",
    "column",
    "contract_for",
    "contracts",
    "days",
    "deliver",
    "deliver_range",
    "finish",
    "flow",
    "load",
    "main",
    "release",
    "replay",
    "transform",
]

_HOMES = {
    "sluice.contract.batches": ("Daily", "EachFile", "Hourly", "Monthly", "Quarterly", "Single", "Weekly", "Yearly"),
    "sluice.contract.columns": (
        *(
            "Bool",
            "Date",
            "Float",
            "Int",
            "Money",
            "Text",
            "Timestamp",
            "UtcTimestamp",
            "Time",
            "Uuid",
            "Bytes",
            "Json",
        ),
        *("column", "days"),
    ),
    "sluice.contract.contract": ("Contract", "Files", "Freshness", "Gate"),
    "sluice.contract.errors": (
        *("BusyError", "ConfigError", "ContractError", "DataError", "SluiceError", "ToolError"),
    ),
    "sluice.contract.sources": ("Rows", "Table"),
    "sluice.cli.app": ("main",),
    "sluice.file_check.check": ("FileCheck", "check_file"),
    "sluice.project.datasets": ("contract_for", "contracts"),
    "sluice.runs.outcomes": ("Marts", "Outcome", "RunFailed", "Summary"),
    "sluice.steps.corrections": ("release", "replay"),
    "sluice.steps.deliver": ("deliver", "deliver_range"),
    "sluice.steps.finish": ("finish",),
    "sluice.steps.load": ("load",),
    "sluice.steps.decorator": ("flow",),
    "sluice.steps.transform": ("transform",),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'sluice' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
