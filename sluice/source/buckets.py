"""Bring a file from a bucket or from a Prefect storage block, whole or not at all. fsspec speaks the protocols.

`gs://` and `s3://` use the machine's own credentials, as Google's and Amazon's tools do; `block://type/name/path` uses
those that the block holds. A file is looked at before and after it is fetched: one that was replaced meanwhile would be
a mixture, and is fetched again.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.callbacks import Callback

from sluice.contract.errors import ConfigError, SluiceError, ToolError, is_of
from sluice.project.atomic import replacing
from sluice.source import allowed
from sluice.source.addresses import BLOCK, Address, scheme_of
from sluice.source.download_cache import here, place_for
from sluice.source.files import Listing, SourceMissing, SourceRefused, SourceUnavailable

PATIENCE = 60.0  # seconds between two pieces of a file

# What the extra of each brings: the module that speaks the protocol, and the one that has the block type.
EXTRAS = {"gs": "gcs", "s3": "s3", "gcs-bucket": "gcs", "s3-bucket": "s3"}
MODULES = {"gcs": ("gcsfs", "prefect_gcp"), "s3": ("s3fs", "prefect_aws")}
# Errors of the stores' clients for credentials that are missing or no longer good, by the module that has them
NO_CREDENTIALS = {
    "google.auth.exceptions": ("GoogleAuthError",),
    "botocore.exceptions": (
        *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "UnknownCredentialError"),
        *("NoAuthTokenError", "TokenRetrievalError", "UnknownTokenProviderError", "SSOTokenLoadError"),
        *("UnauthorizedSSOTokenError", "LoginTokenLoadError"),
    ),
}
StoredFile = tuple[Any, str]  # an fsspec file system, and the path in it


def look_remote(address: str) -> Listing:
    """What the store says of the file. Raises as `sluice.source.files.look`."""
    with _store_errors(address):
        return _look(address, *place(address))


def find(address: Address) -> dict[str, Listing]:
    """The files below a folder of the store, by their paths from there. Raises as `look_remote`."""
    with _store_errors(address):
        files, inside = place(address)
        folder = files._strip_protocol(inside).rstrip("/") + "/"  # of what find() answers with, too
        found = files.find(folder.rstrip("/"), detail=True).items()
        below = {path.removeprefix(folder): facts for path, facts in found if path.startswith(folder)}
        return {path: _listing(Address(f"{address.real}{path}"), facts) for path, facts in below.items()}


def download(listing: Listing, folder: Path, progress: Callable[[int], None] | None) -> tuple[Path, Listing]:
    """The file under `folder`, and the listing of what came. What is there already is not fetched again."""
    if (known := here(listing, folder)) is not None:
        return known, listing
    address = listing.address
    with _store_errors(address):
        files, inside = place(address)
        came = _look(address, files, inside)
        path = place_for(came, folder)
        with replacing(path) as part:
            files.get_file(inside, str(part), callback=_Pieces(progress))
            if _look(address, files, inside) != came or part.stat().st_size != came.size:
                raise SourceUnavailable(f"{address}: was replaced while it was fetched; try again")
    return path, came


class _Pieces(Callback):
    def __init__(self, progress: Callable[[int], None] | None) -> None:
        super().__init__()
        self._progress = progress

    def relative_update(self, inc: int = 1) -> None:
        if self._progress is not None:
            self._progress(inc)


def place(address: str) -> StoredFile:
    """The file system that an address names, and the path in it.

    Raises:
        ConfigError: an extra is not installed, the block is missing or no storage, or lacks credentials.
    """
    scheme, rest = scheme_of(address), address.partition("://")[2]
    if scheme == BLOCK:
        kind, name, path = rest.split("/", 2)
        return _of_block(address, kind, name, path)
    _require(address, scheme)
    return _buckets(scheme), rest


def _require(address: str, what: str) -> None:
    """Say in one message what to install, if the extra is missing."""
    if (extra := EXTRAS.get(what)) is None:
        return
    for module in MODULES[extra]:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigError(
                f"{address}: needs an extra that is not installed ({error.name or module}): "
                f"pip install 'sluice-elt[{extra}]' (in a checkout: pip install -e '.[{extra}]')"
            ) from None


def _buckets(scheme: str, **options: Any) -> Any:
    """The file system of all buckets of a cloud. `options` hold credentials; none: the machine's own."""
    common = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "gs":
        # Not the class that fsspec would choose: it asks another service, over gRPC, what kind each bucket is, which
        # needs one more right, and waits a minute where that service is not reached.
        from gcsfs.core import GCSFileSystem

        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs tracebacks of what we report in one line
        return GCSFileSystem(requests_timeout=PATIENCE, **common, **options)
    return fsspec.filesystem("s3", **common, **options)


def _of_block(address: str, kind: str, name: str, path: str) -> StoredFile:
    from prefect.blocks.core import Block

    _require(address, kind)
    try:
        block: Any = Block.load(f"{kind}/{name}")
    except ValueError as error:
        raise ConfigError(
            f"{address}: the block {kind}/{name} cannot be used: {_first_line(error)}. Make it with sluice setup, or "
            "in the Prefect UI (Blocks)"
        ) from None
    if kind == "gcs-bucket":
        credentials = block.gcp_credentials
        own = credentials.service_account_info or credentials.service_account_file
        token = credentials.get_credentials_from_service_account() if own else None
        return _buckets("gs", token=token), f"{block.bucket}/{block.bucket_folder}{path}"
    if kind == "s3-bucket":
        folder = block.bucket_folder.strip("/") + "/" if block.bucket_folder.strip("/") else ""
        return _buckets("s3", **_of_amazon(block.credentials)), f"{block.bucket_name}/{folder}{path}"
    if kind == "remote-file-system":
        return block.filesystem, _within(block, path)
    if kind == "local-file-system":
        file = _within(block, path)
        allowed.refuse_outside(Path(file), address)
        return fsspec.filesystem("file"), file
    raise ConfigError(
        f"{address}: {kind} is not a supported storage block; use gcs-bucket, s3-bucket, remote-file-system (any of "
        "fsspec's) or local-file-system"
    )


def _within(block: Any, path: str) -> str:
    """The path below the block's base path; never above it. Prefect gives no public way to it (read in 3.9)."""
    return str(block._resolve_path(path))


def _of_amazon(credentials: Any) -> dict[str, Any]:
    """The arguments of s3fs for a block's credentials (AwsCredentials, with a role or not, or MinIOCredentials)."""
    session = credentials.get_boto3_session()
    keys = session.get_credentials()
    found = keys.get_frozen_credentials() if keys else None
    parameters = credentials.aws_client_parameters
    client = {"region_name": session.region_name, "verify": parameters.verify_cert_path or parameters.verify}
    return {
        "key": found.access_key if found else None,
        "secret": found.secret_key if found else None,
        "token": found.token if found else None,
        "endpoint_url": parameters.endpoint_url,
        "client_kwargs": {name: value for name, value in client.items() if value is not None},
        "use_ssl": parameters.use_ssl,
    }


def _look(address: str, files: Any, inside: str) -> Listing:
    facts = files.info(inside)
    if facts.get("type") == "directory":
        raise ConfigError(f"{address}: is a folder; name the file itself")
    return _listing(address, facts)


def _listing(address: str, facts: Mapping[str, Any]) -> Listing:
    size = facts.get("size")
    etag = facts.get("etag") or facts.get("ETag")
    modified = next((facts[name] for name in ("mtime", "updated", "LastModified", "created") if facts.get(name)), None)
    time = _utc(modified)
    if time and etag:  # some stores give fractions of a second in a list, and none for one file
        time = datetime.fromisoformat(time).replace(microsecond=0).isoformat()
    return Listing(address, None if size is None else int(size), etag and str(etag), time)


def _utc(modified: Any) -> str | None:
    """ISO time in UTC, of what a store gives: a time, seconds, or text."""
    if isinstance(modified, int | float):
        modified = datetime.fromtimestamp(modified, UTC)
    if isinstance(modified, str):
        try:
            modified = datetime.fromisoformat(modified)
        except ValueError:
            return None
    if not isinstance(modified, datetime):
        return None
    return (modified if modified.tzinfo else modified.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


@contextmanager
def _store_errors(address: str) -> Iterator[None]:
    """Every error of a store's client, as ours: temporary, permanent, or not allowed."""
    try:
        yield
    except SluiceError:
        raise
    except FileNotFoundError:
        raise SourceMissing(
            f"{address}: the file does not exist in the store; has the provider published the batch?"
        ) from None
    except PermissionError as error:
        raise SourceRefused(f"{address}: access denied: {_first_line(error)}; check the credentials") from None
    except Exception as error:  # noqa: BLE001 - each client raises different kinds, and all must be caught
        name, said = type(error).__name__, _first_line(error)
        if any(is_of(error, module, *names) for module, names in NO_CREDENTIALS.items()):
            raise ConfigError(f"{address}: no usable credentials: {said}. See docs/sources.md") from None
        if getattr(error, "code", None) in (401, 403):
            raise SourceRefused(f"{address}: access denied: {said}; check the credentials") from None
        if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
            raise ToolError(f"{address}: cannot be fetched: {said}; is the disk full?") from None
        raise SourceUnavailable(f"{address}: {name}: {said}; check the network, then try again") from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
