"""The small documents that a bucket keeps as they were put: tags, CORS, and the like."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.errors import InvalidTag
from gateway.s3 import body, cors, heading
from gateway.s3.desk import Desk, Request
from gateway.s3.errors import S3Error
from gateway.s3.wire import Answer
from gateway.s3.xml import shapes

TAG_KEY_CHARS_MAX = 128
TAG_VALUE_CHARS_MAX = 256


def _any(tree: shapes.Tree) -> None:
    """Its shape is all that is asked of it."""


def _check_tags(tree: shapes.Tree) -> None:
    tags = tree["TagSet"][0].get("Tag", ())
    keys = [tag["Key"][0] for tag in tags]
    if len(set(keys)) < len(keys):
        raise InvalidTag("Cannot provide multiple Tags with the same key")
    for tag in tags:
        if not 0 < len(tag["Key"][0]) <= TAG_KEY_CHARS_MAX:
            raise InvalidTag("The TagKey you have provided is invalid")
        if len(tag["Value"][0]) > TAG_VALUE_CHARS_MAX:
            raise InvalidTag("The TagValue you have provided is invalid")


def _check_ownership(tree: shapes.Tree) -> None:
    if tree["Rule"][0]["ObjectOwnership"] != ["BucketOwnerEnforced"]:
        raise S3Error("AccessControlListNotSupported")


@dataclass(frozen=True, slots=True)
class Setting:
    """One document: its name among a bucket's settings, its root element, what reading an absent
    one answers, and what beyond its shape is judged."""

    name: str
    root: str
    absent: str
    check: Callable[[shapes.Tree], None] = _any
    put_status: int = 200


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "bucket_tagging": Setting("tagging", "Tagging", "NoSuchTagSet", _check_tags, 204),
        "bucket_cors": Setting(
            cors.SETTING, "CORSConfiguration", "NoSuchCORSConfiguration", cors.check
        ),
        "public_access_block": Setting(
            "publicAccessBlock",
            "PublicAccessBlockConfiguration",
            "NoSuchPublicAccessBlockConfiguration",
        ),
        "bucket_ownership_controls": Setting(
            "ownershipControls",
            "OwnershipControls",
            "OwnershipControlsNotFoundError",
            _check_ownership,
        ),
    }
)
"""By the noun of their operations."""

Handler = Callable[[Desk, Request], Awaitable[Answer]]


def _reader(setting: Setting) -> Handler:
    async def get(desk: Desk, request: Request) -> Answer:
        bucket = await desk.exchange.buckets.one(request.caller, request.bucket)
        kept = bucket.settings.get(setting.name)
        if kept is None:
            raise S3Error(setting.absent)
        return heading.document(shapes.write(setting.root, json.loads(kept)))

    return get


def _writer(setting: Setting) -> Handler:
    async def put(desk: Desk, request: Request) -> Answer:
        tree = shapes.read(await body.document(desk, request), setting.root)
        setting.check(tree)
        await desk.exchange.buckets.set_setting(
            request.caller, request.bucket, setting.name, json.dumps(tree)
        )
        return Answer(setting.put_status)

    return put


def _eraser(setting: Setting) -> Handler:
    async def delete(desk: Desk, request: Request) -> Answer:
        await desk.exchange.buckets.set_setting(request.caller, request.bucket, setting.name, "")
        return Answer(204)

    return delete


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        f"{verb}_{noun}": make(setting)
        for noun, setting in SETTINGS.items()
        for verb, make in (("get", _reader), ("put", _writer), ("delete", _eraser))
    }
)
"""By `Operation.handler`."""


async def get_bucket_policy_status(desk: Desk, request: Request) -> Answer:
    """Nothing here is ever public: there is no anonymous access."""
    await desk.exchange.buckets.one(request.caller, request.bucket)
    return heading.document(shapes.write("PolicyStatus", {"IsPublic": ["false"]}))
