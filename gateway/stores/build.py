"""From a store's description in topology.yaml to the store: the one place that composes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from time import perf_counter
from types import MappingProxyType
from typing import Any

import asyncssh
from obstore.store import AzureStore, S3Store

from gateway.errors import ConfigError
from gateway.policy.mesh import StoreSpec
from gateway.stores.cloud import CloudStore
from gateway.stores.cloud_blob_inbox import BlobInbox
from gateway.stores.cloud_s3_inbox import S3Inbox
from gateway.stores.file import FileStore
from gateway.stores.gcs import GcsStore
from gateway.stores.gcs_tokens import Tokens
from gateway.stores.gcs_wire import ENDPOINT as GCS_ENDPOINT
from gateway.stores.gcs_wire import Bucket
from gateway.stores.profiles import PROFILES
from gateway.stores.sftp import SftpStore
from gateway.stores.sftp_dial import Where
from gateway.stores.sftp_pins import pins_of
from gateway.stores.wrappers import Measure, Measured, Place, Tries, wrapped

DEFAULT_REGION = "us-east-1"

BuiltStore = FileStore | CloudStore | GcsStore | SftpStore


CALLS_AT_ONCE = 256
"""Of one store in a cloud: each is a connection. Of an sFTP server: they share a few."""

CALL_WAIT_SECONDS = 30.0
TRIES = 3
RETRY_SECONDS = 0.1
"""Before the second try; four times as long before the next. Who asks may have another place to
read from, and the courier has a patience of its own."""


def build(spec: StoreSpec, secrets: Mapping[str, str], pool: Executor) -> BuiltStore:
    """The bare store that `spec` describes. `secrets` holds its credentials, resolved:

    s3      id, secret, maybe token (of a session)
    azure   key (the account's) or sas (a shared access signature)
    gcs     service_account (the JSON key's text)
    sftp    host_key (see pins_of), key (private) or password or both, maybe the key's passphrase

    Without any those of the machine are used in a cloud: environment, profile, instance role.

    `pool` serves folders. ConfigError where the kind is unknown or a credential is missing.
    """
    try:
        return _KINDS[spec.type](spec, secrets, pool)
    except KeyError as error:
        raise ConfigError(
            f"The store {spec.name} of {spec.party} lacks {error.args[0]!r}, "
            f"or is of a kind that isn't one of {', '.join(_KINDS)}."
        ) from error


def fitted(place: BuiltStore, measure: Measure, draw: Callable[[], float]) -> Place:
    """The store as it is used. `measure` is told of every call but reads of a folder; `draw` gives
    the jitter of waits. A folder needs neither more tries nor a limit: its pool is one."""
    if isinstance(place, FileStore):
        return Measured(place, measure, perf_counter, reads=False)
    return wrapped(
        place,
        most=CALLS_AT_ONCE,
        wait_s=CALL_WAIT_SECONDS,
        tries=Tries(TRIES, lambda tried: RETRY_SECONDS * 4 ** (tried - 1) * (0.5 + draw())),
        measure=measure,
        clock=perf_counter,
    )


def _file(spec: StoreSpec, secrets: Mapping[str, str], pool: Executor) -> FileStore:
    return FileStore(spec.path, pool)


def _s3(spec: StoreSpec, secrets: Mapping[str, str], pool: Executor) -> CloudStore:
    region = spec.region or DEFAULT_REGION
    where: dict[str, Any] = {"region_name": region}
    options: dict[str, Any] = {"region": region}
    if spec.endpoint:
        where["endpoint_url"] = options["endpoint"] = spec.endpoint
    if secrets:
        where["aws_access_key_id"] = options["access_key_id"] = secrets["id"]
        where["aws_secret_access_key"] = options["secret_access_key"] = secrets["secret"]
        if "token" in secrets:
            where["aws_session_token"] = options["session_token"] = secrets["token"]
    place = S3Store(
        spec.bucket, client_options=_client(spec), retry_config=_no_retries(), **options
    )
    profile = PROFILES["s3"]
    inbox = S3Inbox(spec.bucket, profile, where, spec.prefix)
    return CloudStore(place, profile, inbox, spec.prefix)


def _azure(spec: StoreSpec, secrets: Mapping[str, str], pool: Executor) -> CloudStore:
    options: dict[str, Any] = {"account_name": spec.account}
    if spec.endpoint:
        options["endpoint"] = spec.endpoint
    if "sas" in secrets:
        options["sas_key"] = secrets["sas"]
    elif secrets:
        options["account_key"] = secrets["key"]
    place = AzureStore(
        spec.container, client_options=_client(spec), retry_config=_no_retries(), **options
    )
    profile = PROFILES["azure"]
    return CloudStore(place, profile, BlobInbox(place, profile, spec.prefix), spec.prefix)


def _gcs(spec: StoreSpec, secrets: Mapping[str, str], pool: Executor) -> GcsStore:
    if spec.endpoint.startswith("http:"):  # an emulator: it asks for no credentials
        bucket = Bucket(spec.bucket, spec.endpoint)
    else:
        tokens = Tokens(secrets["service_account"] if secrets else "")
        bucket = Bucket(spec.bucket, spec.endpoint or GCS_ENDPOINT, tokens)
    return GcsStore(bucket, PROFILES["gcs"], spec.prefix)


def _sftp(spec: StoreSpec, secrets: Mapping[str, str], pool: Executor) -> SftpStore:
    key = None
    if "key" in secrets:
        try:
            key = asyncssh.import_private_key(secrets["key"], secrets.get("passphrase"))
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise ConfigError(f"The private key of {spec.user} can't be read: {error}.") from error
    pins = pins_of(secrets["host_key"])
    where = Where(spec.host, spec.port, spec.user, pins, key, secrets.get("password"))
    return SftpStore(where, spec.path)


def _client(spec: StoreSpec) -> Any:
    return {"allow_http": spec.endpoint.startswith("http:"), "timeout": "10m"}


def _no_retries() -> Any:
    return {"max_retries": 0}  # wrappers.Retrying knows what may be tried again


_Builder = Callable[[StoreSpec, Mapping[str, str], Executor], BuiltStore]
_KINDS: Mapping[str, _Builder] = MappingProxyType(
    {"file": _file, "s3": _s3, "azure": _azure, "gcs": _gcs, "sftp": _sftp}
)
