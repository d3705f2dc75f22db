"""Servers that speak the protocols of Google Cloud Storage and S3, each in a thread, with one bucket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

BUCKET = "zoom"
KEYS = {"aws_access_key_id": "reader", "aws_secret_access_key": "secret-of-reader"}


@dataclass(frozen=True)
class Store:
    """A running server, and the scheme of its addresses."""

    scheme: str
    endpoint: str

    def put(self, name: str, body: bytes) -> str:
        """Write an object, as its owner would; gives its address."""
        if self.scheme == "s3":
            self.boto().put_object(Bucket=BUCKET, Key=name, Body=body)
        else:
            asked = {"uploadType": "media", "name": name}
            httpx.post(f"{self.endpoint}/upload/storage/v1/b/{BUCKET}/o", params=asked, content=body).raise_for_status()
        return f"{self.scheme}://{BUCKET}/{name}"

    def boto(self) -> Any:
        import boto3

        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **KEYS)


@contextmanager
def s3() -> Iterator[Store]:
    """moto's server, empty: what another server of this process was sent would still be there."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    store = Store("s3", f"http://{host}:{port}")
    httpx.post(f"{store.endpoint}/moto-api/reset").raise_for_status()
    store.boto().create_bucket(Bucket=BUCKET)
    try:
        yield store
    finally:
        server.stop()


@contextmanager
def gcs() -> Iterator[Store]:
    """gcp-storage-emulator's server."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    server.start()
    port = server._api._httpd.server_address[1]
    try:
        yield Store("gs", f"http://127.0.0.1:{port}")
    finally:
        server.stop()


def environment(store: Store) -> dict[str, str]:
    """What a machine's environment says that uses the store with credentials of its own."""
    if store.scheme == "gs":
        return {"STORAGE_EMULATOR_HOST": store.endpoint, "NO_GCE_CHECK": "true"}
    names = {name.upper(): value for name, value in KEYS.items()}
    return {"AWS_ENDPOINT_URL": store.endpoint, "AWS_DEFAULT_REGION": "us-east-1", **names}


def forget_credentials(monkeypatch: Any) -> None:
    """As on a machine that has none."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "STORAGE_"))]:
        monkeypatch.delenv(name)


def service_account(token_uri: str) -> dict[str, str]:
    """A Google service account's key, such as its console gives, for another place that gives tokens."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "type": "service_account",
        "project_id": "tests",
        "private_key_id": "1",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "reader@tests.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }


def token_answer() -> str:
    """What such a place answers."""
    return json.dumps({"access_token": "token-of-reader", "expires_in": 3600, "token_type": "Bearer"})
