"""Where the values of a block come from: environment variables, or a person who is asked. Secrets are never shown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import typer

from sluice.setup.required_blocks import Wanted


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a block.

    Attributes:
        default: what is taken if nothing is said; None: it must be said.
    """

    name: str
    says: str
    default: str | None = None
    secret: bool = False


def variable(block: Wanted, field: Field) -> str:
    """The environment variable of a block's value: SLUICE_BLOCK_<block's name>_<value>."""
    return f"SLUICE_BLOCK_{block.name}_{field.name}".replace("-", "_").upper()


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answers.

    Attributes:
        ask: whether there is a person to ask; else only the environment is read.
    """

    ask: bool

    def of(self, block: Wanted, fields: Iterable[Field], known: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The block's values; None if nobody said any. A block that exists is only changed by the environment.

        Args:
            known: values of the block as it is, which stay where the environment is silent; None if it does not exist.
        """
        fields = tuple(fields)
        said = {field.name: value for field in fields if (value := os.environ.get(variable(block, field), ""))}
        if not said and (known is not None or not self.ask):
            return None
        if self.ask and known is None:
            self._ask(block, fields, said)
        defaults = {field.name: field.default for field in fields if field.default is not None}
        return {**defaults, **(known or {}), **said}

    def _ask(self, block: Wanted, fields: Iterable[Field], said: dict[str, str]) -> None:
        typer.echo(f"{block} (for {block.why}) does not exist yet.", err=True)
        for field in fields:
            if field.name not in said:
                said[field.name] = typer.prompt(
                    f"  {field.says}",
                    default=field.default,
                    hide_input=field.secret,
                    show_default=bool(field.default),
                    err=True,
                )
