"""Bucket settings and small documents: one shape says what each may hold, read and written alike.

A document becomes a `Tree` (element names to their texts or trees, in order), which is plain
enough to be kept as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from lxml import etree

from gateway.s3.xml.build import document, element
from gateway.s3.xml.parse import (
    CONFIGURATION_BYTES_MAX,
    leaf_text,
    local_name,
    malformed,
    read_root,
)

Tree = Mapping[str, Sequence[Any]]
Inside = Mapping[str, "Child"]


class Child(NamedTuple):
    """How often an element comes, and what it holds: text that matches, or further elements."""

    least: int
    most: int
    inside: re.Pattern[str] | Inside


def _one(inside: re.Pattern[str] | Inside) -> Child:
    return Child(1, 1, inside)


def _maybe(inside: re.Pattern[str] | Inside) -> Child:
    return Child(0, 1, inside)


ANY = re.compile(r".*", re.DOTALL)
BOOLEAN = re.compile(r"true|false|TRUE|FALSE")
MODE = re.compile(r"GOVERNANCE|COMPLIANCE")
INTEGER = re.compile(r"-?[0-9]{1,9}")
SIZE = re.compile(r"-?[0-9]{1,18}")

TAGS_MAX = 50
CORS_RULES_MAX = 100
CORS_NAMES_MAX = 100
GRANTS_MAX = 100
LIFECYCLE_RULES_MAX = 1000
TRANSITIONS_MAX = 10
NOTIFICATIONS_MAX = 100
NOTIFICATION_EVENTS_MAX = 100
FILTER_RULES_MAX = 10

_OWNER: Inside = MappingProxyType({"ID": _maybe(ANY), "DisplayName": _maybe(ANY)})
_GRANTEE: Inside = MappingProxyType({**_OWNER, "URI": _maybe(ANY), "EmailAddress": _maybe(ANY)})
_NAMES = Child(0, CORS_NAMES_MAX, ANY)
_TAG: Inside = MappingProxyType({"Key": _one(ANY), "Value": _one(ANY)})
_SIZES: Inside = MappingProxyType(
    {"ObjectSizeGreaterThan": _maybe(SIZE), "ObjectSizeLessThan": _maybe(SIZE)}
)
_LIFECYCLE_RULE: Inside = MappingProxyType(
    {
        "ID": _maybe(ANY),
        "Prefix": _maybe(ANY),
        "Filter": _maybe(
            {
                "Prefix": _maybe(ANY),
                "Tag": _maybe(_TAG),
                **_SIZES,
                "And": _maybe({"Prefix": _maybe(ANY), "Tag": Child(0, TAGS_MAX, _TAG), **_SIZES}),
            }
        ),
        "Status": _one(re.compile("Enabled|Disabled")),
        "Transition": Child(
            0,
            TRANSITIONS_MAX,
            {"Date": _maybe(ANY), "Days": _maybe(INTEGER), "StorageClass": _one(ANY)},
        ),
        "Expiration": _maybe(
            {
                "Date": _maybe(ANY),
                "Days": _maybe(INTEGER),
                "ExpiredObjectDeleteMarker": _maybe(BOOLEAN),
            }
        ),
        "NoncurrentVersionTransition": Child(
            0,
            TRANSITIONS_MAX,
            {
                "NoncurrentDays": _maybe(INTEGER),
                "StorageClass": _one(ANY),
                "NewerNoncurrentVersions": _maybe(INTEGER),
            },
        ),
        "NoncurrentVersionExpiration": _maybe(
            {"NoncurrentDays": _one(INTEGER), "NewerNoncurrentVersions": _maybe(INTEGER)}
        ),
        "AbortIncompleteMultipartUpload": _maybe({"DaysAfterInitiation": _one(INTEGER)}),
    }
)

_NOTIFICATION: Inside = MappingProxyType(
    {
        "Event": Child(1, NOTIFICATION_EVENTS_MAX, ANY),
        "Filter": _maybe(
            {
                "S3Key": _maybe(
                    {
                        "FilterRule": Child(
                            0, FILTER_RULES_MAX, {"Name": _one(ANY), "Value": _one(ANY)}
                        )
                    }
                )
            }
        ),
    }
)


def _notifications(element: str) -> Child:
    """Configurations that send to what `element` names."""
    inside = {"Id": _maybe(ANY), element: _one(ANY), **_NOTIFICATION}
    return Child(0, NOTIFICATIONS_MAX, inside)


SHAPES: Mapping[str, Inside] = MappingProxyType(
    {
        "Tagging": {"TagSet": _one({"Tag": Child(0, TAGS_MAX, _TAG)})},
        "LifecycleConfiguration": {"Rule": Child(1, LIFECYCLE_RULES_MAX, _LIFECYCLE_RULE)},
        "NotificationConfiguration": {
            "TopicConfiguration": _notifications("Topic"),
            "QueueConfiguration": _notifications("Queue"),
            "CloudFunctionConfiguration": _notifications("CloudFunction"),
            "EventBridgeConfiguration": _maybe({}),
        },
        "CORSConfiguration": {
            "CORSRule": Child(
                1,
                CORS_RULES_MAX,
                {
                    "ID": _maybe(ANY),
                    "AllowedMethod": Child(1, CORS_NAMES_MAX, ANY),
                    "AllowedOrigin": Child(1, CORS_NAMES_MAX, ANY),
                    "AllowedHeader": _NAMES,
                    "ExposeHeader": _NAMES,
                    "MaxAgeSeconds": _maybe(INTEGER),
                },
            )
        },
        "PublicAccessBlockConfiguration": {
            name: _maybe(BOOLEAN)
            for name in (
                "BlockPublicAcls",
                "IgnorePublicAcls",
                "BlockPublicPolicy",
                "RestrictPublicBuckets",
            )
        },
        "OwnershipControls": {
            "Rule": _one(
                {
                    "ObjectOwnership": _one(
                        re.compile("BucketOwnerEnforced|BucketOwnerPreferred|ObjectWriter")
                    )
                }
            )
        },
        "ObjectLockConfiguration": {
            "ObjectLockEnabled": _one(re.compile("Enabled")),
            "Rule": _maybe(
                {
                    "DefaultRetention": _one(
                        {"Mode": _one(MODE), "Days": _maybe(INTEGER), "Years": _maybe(INTEGER)}
                    )
                }
            ),
        },
        "Retention": {"Mode": _maybe(MODE), "RetainUntilDate": _maybe(ANY)},
        "LegalHold": {"Status": _one(re.compile("ON|OFF"))},
        "PolicyStatus": {"IsPublic": _one(BOOLEAN)},
        "ServerSideEncryptionConfiguration": {
            "Rule": Child(
                1,
                1,
                {
                    "ApplyServerSideEncryptionByDefault": _maybe(
                        {
                            "SSEAlgorithm": _one(re.compile("AES256|aws:kms|aws:kms:dsse")),
                            "KMSMasterKeyID": _maybe(ANY),
                        }
                    ),
                    "BucketKeyEnabled": _maybe(BOOLEAN),
                },
            )
        },
        "RequestPaymentConfiguration": {"Payer": _one(re.compile("BucketOwner|Requester"))},
        "AccelerateConfiguration": {},
        "BucketLoggingStatus": {},
        "AccessControlPolicy": {
            "Owner": _maybe(_OWNER),
            "AccessControlList": _maybe(
                {
                    "Grant": Child(
                        0, GRANTS_MAX, {"Grantee": _one(_GRANTEE), "Permission": _one(ANY)}
                    )
                }
            ),
        },
    }
)
"""By root element (AWS: S3 API reference)."""


def read(body: bytes, root: str, bytes_max: int = CONFIGURATION_BYTES_MAX) -> Tree:
    """The document; MalformedXML where it is not of its shape."""
    return _read(read_root(body, root, bytes_max), SHAPES[root])


def _read(node: etree._Element, shape: Inside) -> Tree:
    found: dict[str, list[Any]] = {}
    for child in node:
        name = local_name(child)
        if name not in shape:
            raise malformed(f"{local_name(node)} can't hold {name}")
        inside = shape[name].inside
        found.setdefault(name, []).append(
            _matching(name, leaf_text(child), inside)
            if isinstance(inside, re.Pattern)
            else _read(child, inside)
        )
    for name, child_shape in shape.items():
        if not child_shape.least <= len(found.get(name, ())) <= child_shape.most:
            text = f"{child_shape.least} to {child_shape.most} times"
            raise malformed(f"{local_name(node)} must hold {name} {text}")
    return found


def _matching(name: str, text: str, pattern: re.Pattern[str]) -> str:
    if pattern.fullmatch(text) is None:
        raise malformed(f"{name} is not what was expected")
    return text


def write(root: str, tree: Tree) -> bytes:
    return document(root, _written(SHAPES[root], tree))


def _written(shape: Inside, tree: Tree) -> str:
    return "".join(
        element(name, each)
        if isinstance(child.inside, re.Pattern)
        else f"<{name}>{_written(child.inside, each)}</{name}>"
        for name, child in shape.items()
        for each in tree.get(name, ())
    )
