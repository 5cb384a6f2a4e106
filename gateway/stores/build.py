"""From a store's description in topology.yaml to the store: the one place that composes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from types import MappingProxyType
from typing import Any

from obstore.store import AzureStore, GCSStore, S3Store

from gateway.errors import ConfigError
from gateway.policy.mesh import StoreSpec
from gateway.stores.cloud import CloudStore
from gateway.stores.cloud_blob_inbox import BlobInbox
from gateway.stores.cloud_s3_inbox import S3Inbox
from gateway.stores.file import FileStore
from gateway.stores.profiles import PROFILES

DEFAULT_REGION = "us-east-1"

BuiltStore = FileStore | CloudStore


def build(spec: StoreSpec, secrets: Mapping[str, str], pool: Executor) -> BuiltStore:
    """The store that `spec` describes. `secrets` holds its credentials, resolved:

    s3      id, secret, maybe token (of a session)
    azure   key (the account's) or sas (a shared access signature)
    gcs     service_account (the JSON key's text)

    Without any the machine's own are used: environment, profile, instance role.

    `pool` serves folders. ConfigError where the kind is unknown or a credential is missing.
    """
    try:
        return _KINDS[spec.type](spec, secrets, pool)
    except KeyError as error:
        raise ConfigError(
            f"The store {spec.name} of {spec.party} lacks {error.args[0]!r}, "
            f"or is of a kind that isn't one of {', '.join(_KINDS)}."
        ) from error


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
    return _blob_store(place, "azure", spec.prefix)


def _gcs(spec: StoreSpec, secrets: Mapping[str, str], pool: Executor) -> CloudStore:
    options: dict[str, Any] = {}
    if secrets:
        options["service_account_key"] = secrets["service_account"]
    if spec.endpoint:  # an emulator: it asks for no credentials
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        emulator = {"gcs_base_url": spec.endpoint, "disable_oauth": True}
        options["service_account_key"] = json.dumps(nobody | emulator)
    place = GCSStore(
        spec.bucket, client_options=_client(spec), retry_config=_no_retries(), **options
    )
    return _blob_store(place, "gcs", spec.prefix)


def _blob_store(place: Any, kind: str, prefix: str) -> CloudStore:
    profile = PROFILES[kind]
    return CloudStore(place, profile, BlobInbox(place, profile, prefix), prefix)


def _client(spec: StoreSpec) -> Any:
    return {"allow_http": spec.endpoint.startswith("http:"), "timeout": "10m"}


def _no_retries() -> Any:
    return {"max_retries": 0}  # wrappers.Retrying knows what may be tried again


_Builder = Callable[[StoreSpec, Mapping[str, str], Executor], BuiltStore]
_KINDS: Mapping[str, _Builder] = MappingProxyType(
    {"file": _file, "s3": _s3, "azure": _azure, "gcs": _gcs}
)
