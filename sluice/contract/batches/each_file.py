"""Batches of a dataset whose files come when they come: each file of a folder is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sluice.contract.errors import ConfigError, ContractError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # safe in addresses, folders and commands


@dataclass(frozen=True, slots=True)
class EachFile:
    r"""Each file that matches is one batch. Names, and so batches, are in the order of text: 007 comes before 012.

    Attributes:
        pattern: a regular expression for the whole path below the folder of `Files.url`, as in
            `EachFile(r"orders_(\d+)\.csv")`. Its group `batch`, or its first, is the name of the batch.
    """

    pattern: str
    by: None = None

    fields: ClassVar[Mapping[str, str]] = {}
    layout: ClassVar[str] = ""
    many: ClassVar[bool] = True
    unreal: ClassVar[str] = "canary"
    first: ClassVar[str] = "canary"  # which is first is not known before the folder is listed

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.pattern).groups
        except (re.error, TypeError) as error:
            raise ContractError(f"EachFile({self.pattern!r}): not a regular expression: {error}") from None
        if not groups:
            raise ContractError(
                f"EachFile({self.pattern!r}): put what names the batch in brackets, as in orders_([0-9]+)[.]csv"
            )

    def validate(self, batch: str) -> None:
        """Raises ConfigError unless `batch` is a name that a batch can have."""
        if not _NAME.fullmatch(batch):
            raise ConfigError(
                f"batch {batch!r}: a name has letters, digits, _ . and - and at most 100 characters, the first of them "
                "a letter or digit"
            )

    def due(self, now: datetime) -> tuple[str, ...]:  # noqa: ARG002
        """None by the clock: the files that are there are."""
        return ()

    def parts(self, batch: str) -> Mapping[str, str]:  # noqa: ARG002
        """A name has none."""
        return {}

    def window(self, batch: str) -> None:  # noqa: ARG002
        """No time bounds."""
        return None

    instants = window

    def batch_of(self, path: str) -> str | None:
        """The batch that a file is, by its path below the folder; None if it does not match.

        Raises:
            ConfigError: its name is not one that a batch can have.
        """
        match = re.fullmatch(self.pattern, path)
        if match is None:
            return None
        batch = match.groupdict().get("batch") or match[1] or ""
        try:
            self.validate(batch)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
        return batch

    def named(self, paths: Iterable[str]) -> tuple[dict[str, str], list[str]]:
        """The path of each batch, in batch order, and what is wrong with other paths that match, a line each."""
        found: dict[str, list[str]] = {}
        wrong = []
        for path in paths:
            try:
                batch = self.batch_of(path)
            except ConfigError as error:
                wrong.append(str(error))
                continue
            if batch is not None:
                found.setdefault(batch.replace("-", "_"), []).append(path)  # as in the names of its tables
        for several in found.values():
            if len(several) > 1:
                wrong.append(f"{' and '.join(sorted(several)[:5])} would be one batch, or have one name for its tables")
        alone = [path for several in found.values() if len(several) == 1 for path in several]
        return dict(sorted((str(self.batch_of(path)), path) for path in alone)), wrong
