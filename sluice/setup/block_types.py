"""The values of each block type: what to ask for, how to create the block, and how to read the values back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prefect.blocks.core import Block, UnknownBlockType
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver
from pydantic import BaseModel, SecretStr

from sluice.alerts.escaping import services_of
from sluice.contract.errors import ConfigError
from sluice.project.settings import SPARK_BLOCK
from sluice.setup.answers import Field
from sluice.setup.required_blocks import CONNECTOR, Wanted
from sluice.warehouse.spark.connection.block import SparkEngine

Values = Mapping[str, Any]  # texts, and under EXISTING the block that is there, for what nobody asks about
Fields = tuple[Field, ...]
Build = Callable[[Values], Block]
EXISTING = "kept"

CONNECTOR_FIELDS = (
    Field("host", "Host of the PostgreSQL"),
    Field("port", "Port", default="5432"),
    Field("database", "Database"),
    Field("user", "User"),
    Field("password", "Password (empty: none)", default="", secret=True),
    Field("sslmode", "TLS: disable, prefer, require or verify-full", default="prefer"),
)
CHANNEL_FIELDS = (Field("url", "Address, including its token or password", secret=True),)
GCS_FIELDS = (
    Field("bucket", "Bucket"),
    Field("folder", "Folder in the bucket", default=""),
    Field("key_file", "Key file of a service account (empty: the machine's credentials)", default=""),
)
S3_FIELDS = (
    Field("bucket", "Bucket"),
    Field("folder", "Folder in the bucket", default=""),
    Field("access_key_id", "Access key (empty: the machine's credentials)", default=""),
    Field("secret_access_key", "Secret key", default="", secret=True),
    Field("region", "Region", default=""),
    Field("endpoint_url", "Endpoint, if it is not Amazon's", default=""),
)
SPARK_FIELDS = (
    Field("master", "Master: local[2], spark://host:7077", default="local[2]"),
    Field("warehouse", "Warehouse: URI of the folder that tables lie in"),
    Field("catalogue", 'Iceberg catalogue, as JSON: {"type": "rest", "uri": "https://..."}'),
    Field("secrets", 'Its secrets, as JSON: {"token": "..."} (empty: none)', default="", secret=True),
    Field("jars", "Paths of further jars, separated by commas (empty: none)", default=""),
    Field("settings", "Further settings of Spark, as JSON (empty: none)", default=""),
)
LOCAL_FIELDS = (Field("path", "Folder"),)


def _connector(values: Values) -> Block:
    return SqlAlchemyConnector(
        connection_info=ConnectionComponents(
            driver=SyncDriver.POSTGRESQL_PSYCOPG2,
            host=values["host"],
            port=_port(values["port"]),
            database=values["database"],
            username=values["user"],
            password=values["password"] or None,
            query={**json.loads(values.get("query", "{}")), "sslmode": values["sslmode"]},
        )
    )


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise ConfigError(f"invalid port {value!r}: expected a number from 1 to 65535")
    return int(value)


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

    key = Path(values["key_file"]).expanduser().read_text(encoding="utf-8") if values["key_file"] else values.get("key")
    kept = _fields(values[EXISTING].gcp_credentials) if EXISTING in values else {}
    changed = {"service_account_info": json.loads(key) if key else None, "service_account_file": None}
    credentials = GcpCredentials(**{**kept, **changed})
    return GcsBucket(bucket=values["bucket"], bucket_folder=values["folder"], gcp_credentials=credentials)


def _of_gcs(block: Any) -> Values:
    made = block.gcp_credentials
    file, key = made.service_account_file, made.service_account_info
    return {
        "bucket": block.bucket,
        "folder": block.bucket_folder,
        "key_file": str(file) if file else "",
        "key": json.dumps(key.get_secret_value()) if key else "",
        EXISTING: block,
    }


def _s3(values: Values) -> Block:
    from prefect_aws import AwsCredentials, S3Bucket
    from prefect_aws.client_parameters import AwsClientParameters

    secret = values["secret_access_key"]
    kept = _fields(values[EXISTING].credentials) if EXISTING in values else {}
    client = _fields(kept["aws_client_parameters"]) if kept else {}
    changed = {
        "aws_access_key_id": values["access_key_id"] or None,
        "aws_secret_access_key": SecretStr(secret) if secret else None,
        "region_name": values["region"] or None,
        "aws_client_parameters": AwsClientParameters(**{**client, "endpoint_url": values["endpoint_url"] or None}),
    }
    credentials = AwsCredentials(**{**kept, **changed})
    return S3Bucket(bucket_name=values["bucket"], bucket_folder=values["folder"], credentials=credentials)


def _of_s3(block: Any) -> Values:
    made = block.credentials
    if not hasattr(made, "aws_access_key_id"):  # MinIO's, made by hand: not to be turned into Amazon's
        return {}
    secret = made.aws_secret_access_key
    return {
        "bucket": block.bucket_name,
        "folder": block.bucket_folder,
        "access_key_id": made.aws_access_key_id or "",
        "secret_access_key": secret.get_secret_value() if secret else "",
        "region": made.region_name or "",
        "endpoint_url": made.aws_client_parameters.endpoint_url or "",
        EXISTING: block,
    }


def _fields(made: BaseModel) -> dict[str, Any]:
    """What a block's part holds. Of it a new one is made: a copy would be saved as what the old one held."""
    return {name: getattr(made, name) for name in type(made).model_fields if name in made.model_fields_set}


def _local(values: Values) -> Block:
    from prefect.filesystems import LocalFileSystem

    return LocalFileSystem(basepath=str(Path(values["path"]).expanduser().resolve()))


def _spark(values: Values) -> Block:
    jars = [each.strip() for each in values["jars"].split(",") if each.strip()]
    mappings: dict[str, Any] = {name: _mapping(name, values[name]) for name in ("catalogue", "secrets", "settings")}
    return SparkEngine(master=values["master"], warehouse=values["warehouse"], jars=jars, **mappings)


def _mapping(name: str, text: str) -> dict[str, str]:
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError:  # without the text, which may hold a secret
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ConfigError(f'{name}: expected texts by their names, as JSON: {{"name": "value"}}')
    return found


def _of_spark(block: Any) -> Values:
    return {
        "master": block.master,
        "warehouse": block.warehouse,
        "catalogue": json.dumps(block.catalogue),
        "secrets": json.dumps(block.secrets.get_secret_value()),
        "jars": ",".join(block.jars),
        "settings": json.dumps(block.settings),
    }


KINDS: dict[str, tuple[Fields, Build]] = {
    CONNECTOR: (CONNECTOR_FIELDS, _connector),
    "gcs-bucket": (GCS_FIELDS, _gcs),
    "s3-bucket": (S3_FIELDS, _s3),
    "local-file-system": (LOCAL_FIELDS, _local),
    SPARK_BLOCK: (SPARK_FIELDS, _spark),
}
# What such a block holds now, as the values it is built from.
HOLDS: dict[str, Callable[[Any], Values]] = {
    CONNECTOR: _of_connector,
    "gcs-bucket": _of_gcs,
    "s3-bucket": _of_s3,
    SPARK_BLOCK: _of_spark,
}


def made_of(block: Wanted) -> tuple[Fields, Build]:
    """The values of a block of this type, and what creates it; no values: only Prefect's UI can.

    Raises:
        ConfigError: no such type.
    """
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


def held_by(kind: str, block: Any) -> Values:
    """The values that a block holds, so that one can be changed alone; none for a block that is made whole."""
    return HOLDS.get(kind, lambda _: {})(block)


def _channel(of_type: type[Block], url: str) -> Block:
    """The block, if its address is one: Apprise takes any text, and then sends nowhere."""
    apprise = logging.getLogger("apprise")  # it would log the address
    apprise.disabled = True
    try:
        block = of_type(url=url)
    finally:
        apprise.disabled = False
    client = services_of(block)
    if client is not None and not len(client):
        raise ConfigError("Apprise does not support this address: see docs/alerts.md for examples")
    return block
