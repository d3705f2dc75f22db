"""Errors a user can meet. Every one names what is wrong, where, and what to do next; its class gives the exit code."""

from __future__ import annotations

import sys


class SluiceError(Exception):
    """A problem with one clear message.

    Attributes:
        exit_code: what the process ends with (the README and `sluice --help` list the codes).
    """

    exit_code = 3

    def reason(self, dataset_id: str, batch: str) -> str:
        """The message without the dataset and batch that it may begin with: for what names them itself."""
        return str(self).removeprefix(f"{dataset_id} {batch}: ").removeprefix(f"{dataset_id}: ")


class ConfigError(SluiceError):
    """The call, a contract, a block or the project is wrong: nothing was tried."""

    exit_code = 5


class ContractError(ConfigError):
    """A contract contradicts itself or names something that does not exist."""


class DataError(SluiceError):
    """The delivered data is bad: the gate stays closed and readers keep what they had."""

    exit_code = 2


class ToolError(SluiceError):
    """Something Sluice depends on failed: network, database, dbt, disk."""

    exit_code = 3


class Overtaken(ToolError):
    """A later run took over what this one was about to write, and does the work: nobody needs to be alerted."""


class BusyError(SluiceError):
    """Another run holds the dataset or the dbt build."""

    exit_code = 4


def is_of(error: BaseException, module: str, *names: str) -> bool:
    """Whether an error is of one of a library's types, without importing the library: if it raised, it is loaded."""
    loaded = sys.modules.get(module)
    kinds = tuple(kind for name in names if isinstance(kind := getattr(loaded, name, None), type))
    return isinstance(error, kinds)
