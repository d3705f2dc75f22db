"""Make a block, or change it where the environment says something else. Of what, sluice/setup/block_types.py says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from prefect.blocks.core import Block, UnknownBlockType
from prefect.exceptions import ObjectNotFound
from prefect_sqlalchemy import SqlAlchemyConnector
from pydantic import BaseModel, ValidationError

from sluice.alerts.channels import AppriseAddress
from sluice.contract.errors import ConfigError
from sluice.doctor.finding import Finding, fail, ok
from sluice.setup.answers import Answers, variable
from sluice.setup.block_types import Build, Fields, Values, held_by, made_of
from sluice.setup.required_blocks import Wanted
from sluice.warehouse.spark.connection.block import SparkEngine


def register() -> Iterator[Finding]:
    """Make the block types of Sluice known to the server, so that its UI offers them."""
    for kind in (AppriseAddress, SqlAlchemyConnector, SparkEngine):
        kind.register_type_and_schema()
    yield ok("blocks", "the UI offers the types Apprise Address, SQLAlchemy Connector and Spark engine")


def make(block: Wanted, answers: Answers) -> Iterator[Finding]:
    """Make the block or change it, and say which; one that nobody says anything about is left alone."""
    known = _load(block)
    fields, build = made_of(block)
    now = held_by(block.kind, known) if known else None
    values = answers.of(block, fields, now) if fields else None
    if values is None:
        yield ok(block.area, f"{block} exists") if known else _nobody_said(block, fields)
        return
    if missing := [variable(block, field) for field in fields if field.name not in values]:
        yield fail(
            block.area,
            f"{block}: not {'changed' if known else 'made'}: {', '.join(missing)} not set",
            "Set it, then: sluice setup",
            5,
        )
        return
    new = _build(block, build, values)
    if known is not None and type(known) is type(new) and _content(known) == _content(new):
        yield ok(block.area, f"{block} exists, with the values of the environment")
        return
    new.save(block.name, overwrite=known is not None)
    yield ok(block.area, f"{block} was {'changed' if known else 'made'} (for {block.why})")


def _nobody_said(block: Wanted, fields: Fields) -> Finding:
    needed = ", ".join(variable(block, field) for field in fields if field.default is None)
    advice = f"Set {needed} and run sluice setup again, or run it in a terminal, or create the block in Prefect's UI"
    if not fields:  # its type asks for more than an address
        advice = "Create it in Prefect's UI (Blocks), then: sluice setup"
    return fail(block.area, f"{block} does not exist; it is named by {block.why}", advice, 5)


def _load(block: Wanted) -> Any:
    try:
        return Block.load(str(block))
    except UnknownBlockType as error:
        raise ConfigError(f"{block}: {error}") from None
    except ValueError as error:
        if isinstance(error.__cause__, ObjectNotFound):
            return None
        raise ConfigError(f"{block} exists but cannot be used: {str(error).splitlines()[0]}") from None


def _build(block: Wanted, build: Build, values: Values) -> Block:
    """The block, or an error without its values: pydantic would show them."""
    try:
        return build(values)
    except ConfigError as error:
        raise ConfigError(f"{block}: not made: {error}") from None
    except ImportError as error:
        extra = "gcs" if block.kind == "gcs-bucket" else "s3"
        raise ConfigError(f"{block}: {error.name} is not installed: pip install 'sluice-elt[{extra}]'") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors())
        raise ConfigError(f"{block}: not made: {wrong}") from None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{block}: not made: a value cannot be used ({type(error).__name__})") from None
    except Exception as error:  # noqa: BLE001 - Apprise's and Google's own, which may name an address
        raise ConfigError(f"{block}: not made: {type(error).__name__}") from None


def _content(value: Any) -> Any:
    """What a block holds, secrets revealed, for comparison only."""
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    if isinstance(value, Enum):  # one that was saved comes back as its value
        return value.value
    if isinstance(value, BaseModel):
        return {name: _content(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: _content(each) for key, each in value.items()}
    return value
