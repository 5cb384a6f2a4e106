"""What a webhook is sent: S3's event structure, and a signature over it. Pure.

AWS: "Event message structure" (versions 2.1 to 2.3). Signatures after Standard Webhooks
(standardwebhooks.com, specification 1.0), for which verifiers exist in most languages.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote_plus

from gateway.errors import ConfigError
from gateway.model import Bucket, Version
from gateway.notifications import GONE, TEST, Notice

SECRET_BYTES_MIN = 16
SECRET_PREFIX = "whsec_"  # noqa: S105 - only what it begins with

SOURCE = "aws:s3"
"""Consumers of S3's events look for exactly this."""

_VERSIONS: Mapping[str, str] = MappingProxyType(
    {"Replication": "2.2", "LifecycleExpiration": "2.3", "ObjectTagging": "2.3"}
)
"""The structure's version, where it is not 2.1, by the event's family."""

MS_NS = 10**6
S_MS = 1000


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to send, and the key that signs."""

    url: str
    key: bytes

    def __repr__(self) -> str:
        return f"Webhook({self.url.partition('?')[0]!r})"


def key_of(secret: str) -> bytes:
    """The bytes of `whsec_` and base64 as the specification has it; of any other text its UTF-8.
    ConfigError for one that is too short or no base64."""
    if secret.startswith(SECRET_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error:
            raise ConfigError("a webhook's secret that begins with whsec_ is base64") from None
    else:
        key = secret.encode()
    if len(key) < SECRET_BYTES_MIN:
        raise ConfigError(f"a webhook's secret has at least {SECRET_BYTES_MIN} bytes")
    return key


def headers(webhook: Webhook, notice: Notice, now: int, body: bytes, missed: int) -> dict[str, str]:
    """`now` in seconds. The id is that of the notice, the same at each attempt; `missed` counts
    what the receiver was never sent."""
    signed = f"{notice.name}.{now}.".encode() + body
    digest = hmac.digest(webhook.key, signed, "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": notice.name,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "x-crossdock-missed": str(missed),
    }


def body(notice: Notice, version: Version | None, bucket: Bucket, region: str) -> bytes:
    """The message, the same at each attempt."""
    if version is None or notice.event == TEST:
        told: dict[str, Any] = {
            "Service": "Amazon S3",
            "Event": TEST,
            "Time": _time(notice.id),
            "Bucket": bucket.name,
            "RequestId": notice.request,
            "HostId": "crossdock",
        }
    else:
        told = {"Records": [_record(notice, version, bucket, region)]}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _record(notice: Notice, version: Version, bucket: Bucket, region: str) -> Mapping[str, Any]:
    name = notice.event.removeprefix("s3:")
    family = name.partition(":")[0]
    own = notice.party == version.author and notice.principal
    who = f"{version.author}/{notice.principal}" if own else version.author
    record: dict[str, Any] = {
        "eventVersion": _VERSIONS.get(family, "2.1"),
        "eventSource": SOURCE,
        "awsRegion": region,
        "eventTime": _time(notice.id),
        "eventName": name,
        "userIdentity": {"principalId": who},
        "requestParameters": {"sourceIPAddress": ""},
        "responseElements": {
            "x-amz-request-id": notice.request or notice.name[:16].upper(),
            "x-amz-id-2": "crossdock",
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": notice.watch,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": bucket.owner},
                "arn": f"arn:aws:s3:::{bucket.name}",
            },
            "object": _object(notice, version, bucket),
        },
    }
    if family == "Replication":
        record["replicationEventData"] = _replication(notice)
    return record


def _object(notice: Notice, version: Version, bucket: Bucket) -> Mapping[str, Any]:
    told: dict[str, Any] = {"key": quote_plus(version.ref.key, safe="/")}
    if notice.event not in GONE:
        told |= {"size": version.size, "eTag": version.etag}
    label = bucket.label(version)
    if label:
        told["versionId"] = label
    return {**told, "sequencer": f"{notice.id:016X}"}


def _replication(notice: Notice) -> Mapping[str, Any]:
    """The recipient stands where S3 has a bucket: its author is told of no partner's places."""
    copy = notice.copy
    told = {
        "replicationRuleId": copy.get("rule", ""),
        "destinationBucket": f"arn:crossdock:s3:::{copy.get('to', '')}",
        "s3Operation": "OBJECT_PUT",
        "requestTime": _time(notice.id),
    }
    if copy.get("code"):
        told["failureReason"] = copy["code"]
    if "threshold" in copy:
        told["threshold"] = copy["threshold"]
        told["replicationTime"] = f"{int(copy['took']) / S_MS:.3f}"
    return told


def _time(moment: int) -> str:
    """ISO 8601 with milliseconds, as S3 writes it."""
    seconds, left = divmod(moment // MS_NS, S_MS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{left:03}Z"
