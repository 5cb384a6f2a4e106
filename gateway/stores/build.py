"""From a store's description in topology.yaml to the store: the one place that composes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from obstore.store import S3Store

from gateway.policy.mesh import StoreSpec
from gateway.stores.cloud import CloudStore
from gateway.stores.cloud_s3_inbox import S3Inbox
from gateway.stores.profiles import PROFILES

DEFAULT_REGION = "us-east-1"


def build(spec: StoreSpec, secrets: Mapping[str, str]) -> CloudStore:
    return _s3(spec, secrets)


def _s3(spec: StoreSpec, secrets: Mapping[str, str]) -> CloudStore:
    region = spec.region or DEFAULT_REGION
    where: dict[str, Any] = {"region_name": region}
    options: dict[str, Any] = {"region": region}
    if spec.endpoint:
        where["endpoint_url"] = options["endpoint"] = spec.endpoint
    if secrets:
        where["aws_access_key_id"] = options["access_key_id"] = secrets["id"]
        where["aws_secret_access_key"] = options["secret_access_key"] = secrets["secret"]
    place = S3Store(
        spec.bucket,
        client_options={"allow_http": spec.endpoint.startswith("http:")},
        retry_config={"max_retries": 0},
        **options,
    )
    profile = PROFILES["s3"]
    return CloudStore(
        place, profile, S3Inbox(spec.bucket, profile, where, spec.prefix), spec.prefix
    )
