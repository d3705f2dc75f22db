"""Make a block, or change it where the environment says something else. What a block is made of stands here only."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from prefect.blocks.core import Block, UnknownBlockType
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver
from pydantic import BaseModel, SecretStr, ValidationError

from contracts.errors import ConfigError
from flows.alerts import AppriseAddress
from flows.doctor.findings import Finding, fail, ok
from flows.setup.answers import Answers, Field, variable
from flows.setup.needs import CONNECTOR, Wanted

Values = Mapping[str, str]

CONNECTOR_FIELDS = (
    Field("host", "Host of the PostgreSQL"),
    Field("port", "Port", default="5432"),
    Field("database", "Database"),
    Field("user", "User"),
    Field("password", "Password (empty: none)", default="", secret=True),
    Field("sslmode", "TLS: disable, prefer, require or verify-full", default="prefer"),
)
CHANNEL_FIELDS = (Field("url", "Address, with its token or password in it", secret=True),)
GCS_FIELDS = (
    Field("bucket", "Bucket"),
    Field("folder", "Folder in it", default=""),
    Field("key_file", "Key file of a service account (empty: the machine's own credentials)", default=""),
)
S3_FIELDS = (
    Field("bucket", "Bucket"),
    Field("folder", "Folder in it", default=""),
    Field("access_key_id", "Access key (empty: the machine's own credentials)", default=""),
    Field("secret_access_key", "Secret key", default="", secret=True),
    Field("region", "Region", default=""),
    Field("endpoint_url", "Endpoint, if it is not Amazon's", default=""),
)
LOCAL_FIELDS = (Field("path", "Folder"),)


def _connector(values: Values) -> Block:
    return SqlAlchemyConnector(
        connection_info=ConnectionComponents(
            driver=SyncDriver.POSTGRESQL_PSYCOPG2,
            host=values["host"],
            port=int(values["port"]),
            database=values["database"],
            username=values["user"],
            password=values["password"] or None,
            query={**json.loads(values.get("query", "{}")), "sslmode": values["sslmode"]},
        )
    )


def _of_connector(block: Any) -> Values:
    made = block.connection_info
    if not isinstance(made, ConnectionComponents):  # of one text, of which nothing can be changed alone
        return {}
    password = made.password.get_secret_value() if made.password else ""
    parts = {"host": made.host, "port": made.port, "database": made.database, "user": made.username}
    known = {name: str(value) for name, value in parts.items() if value is not None}
    query = {"query": json.dumps(made.query or {})}
    return {**known, **query, "password": password, "sslmode": str((made.query or {}).get("sslmode", "prefer"))}


def _gcs(values: Values) -> Block:
    from prefect_gcp import GcpCredentials, GcsBucket

    key = json.loads(Path(values["key_file"]).expanduser().read_text(encoding="utf-8")) if values["key_file"] else None
    credentials = GcpCredentials(service_account_info=key)
    return GcsBucket(bucket=values["bucket"], bucket_folder=values["folder"], gcp_credentials=credentials)


def _s3(values: Values) -> Block:
    from prefect_aws import AwsCredentials, S3Bucket
    from prefect_aws.client_parameters import AwsClientParameters

    secret = values["secret_access_key"]
    credentials = AwsCredentials(
        aws_access_key_id=values["access_key_id"] or None,
        aws_secret_access_key=SecretStr(secret) if secret else None,
        region_name=values["region"] or None,
        aws_client_parameters=AwsClientParameters(endpoint_url=values["endpoint_url"] or None),
    )
    return S3Bucket(bucket_name=values["bucket"], bucket_folder=values["folder"], credentials=credentials)


def _of_s3(block: Any) -> Values:
    made = block.credentials
    key, secret = getattr(made, "aws_access_key_id", None), getattr(made, "aws_secret_access_key", None)
    endpoint = getattr(getattr(made, "aws_client_parameters", None), "endpoint_url", None)
    return {
        "bucket": block.bucket_name,
        "folder": block.bucket_folder,
        "access_key_id": key or "",
        "secret_access_key": secret.get_secret_value() if secret else "",
        "region": getattr(made, "region_name", None) or "",
        "endpoint_url": endpoint or "",
    }


def _local(values: Values) -> Block:
    from prefect.filesystems import LocalFileSystem

    return LocalFileSystem(basepath=str(Path(values["path"]).expanduser().resolve()))


KINDS: dict[str, tuple[tuple[Field, ...], Callable[[Values], Block]]] = {
    CONNECTOR: (CONNECTOR_FIELDS, _connector),
    "gcs-bucket": (GCS_FIELDS, _gcs),
    "s3-bucket": (S3_FIELDS, _s3),
    "local-file-system": (LOCAL_FIELDS, _local),
}
# What such a block holds now, as the values it is made of; other kinds are made whole.
READ: dict[str, Callable[[Any], Values]] = {CONNECTOR: _of_connector, "s3-bucket": _of_s3}


def register() -> Iterator[Finding]:
    """Make the block types of Sluice known to the server, so that its UI offers them."""
    for kind in (AppriseAddress, SqlAlchemyConnector):
        kind.register_type_and_schema()
    yield ok("blocks", "the UI offers the types Apprise Address and SQLAlchemy Connector")


def make(block: Wanted, answers: Answers) -> Iterator[Finding]:
    """Make the block or change it, and say which; one that nobody says anything about is left alone."""
    known = _load(block)
    fields, build = _kind(block)
    now = READ.get(block.kind, lambda _: {})(known) if known else None
    values = answers.of(block, fields, now) if fields else None
    if values is None:
        yield ok(block.area, f"{block} is there") if known else _nobody_said(block, fields)
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
        yield ok(block.area, f"{block} is there, as the environment says")
        return
    new.save(block.name, overwrite=known is not None)
    yield ok(block.area, f"{block} was {'changed' if known else 'made'} (for {block.why})")


def _nobody_said(block: Wanted, fields: tuple[Field, ...]) -> Finding:
    needed = ", ".join(variable(block, field) for field in fields if field.default is None)
    advice = f"Set {needed} and call again, or call it in a terminal, or make the block in Prefect's UI"
    if not fields:  # its type asks for more than an address
        advice = "Make it in Prefect's UI (Blocks), then: sluice setup"
    return fail(block.area, f"{block}, which {block.why} names, does not exist", advice, 5)


def _load(block: Wanted) -> Any:
    try:
        return Block.load(str(block))
    except UnknownBlockType as error:
        raise ConfigError(f"{block}: {error}") from None
    except ValueError as error:
        if "Unable to find block document" in str(error):
            return None
        raise ConfigError(f"{block} is there but cannot be used: {str(error).splitlines()[0]}") from None


def _kind(block: Wanted) -> tuple[tuple[Field, ...], Callable[[Values], Block]]:
    if block.kind in KINDS:
        return KINDS[block.kind]
    try:
        of_type = Block.get_block_class_from_key(block.kind)
    except UnknownBlockType as error:
        raise ConfigError(f"{block}: {error}") from None
    required = {name for name, field in of_type.model_fields.items() if field.is_required()}
    if required != {"url"}:
        return (), lambda _: of_type()  # more than an address: the UI's form is the better place
    return CHANNEL_FIELDS, lambda values: _channel(of_type, values["url"])


def _channel(of_type: type[Block], url: str) -> Block:
    """The block, if its address is one: Apprise takes any text, and then sends nowhere."""
    apprise = logging.getLogger("apprise")  # it would log the address
    apprise.disabled = True
    try:
        block = of_type(url=url)
    finally:
        apprise.disabled = False
    client: Any = getattr(block, "_apprise_client", None)
    if client is not None and not len(client):
        raise ConfigError("its address is none that Apprise knows: docs/alerts.md shows some")
    return block


def _build(block: Wanted, build: Callable[[Values], Block], values: Values) -> Block:
    """The block, or an error without its values: pydantic would show them."""
    try:
        return build(values)
    except ConfigError as error:
        raise ConfigError(f"{block}: not made: {error}") from None
    except ImportError as error:
        extra = "gcs" if block.kind == "gcs-bucket" else "s3"
        raise ConfigError(f"{block}: {error.name} is not installed: pip install 'sluice[{extra}]'") from None
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
