"""Lifecycle configurations: put, shown and taken away by the bucket's owner alone."""

from __future__ import annotations

from gateway.lifecycle import SETTING, rules_of, text_of
from gateway.s3 import body, heading
from gateway.s3.desk import Desk, Request
from gateway.s3.errors import S3Error
from gateway.s3.rules import rules_in, tree_of
from gateway.s3.wire import Answer
from gateway.s3.xml import shapes

ROOT = "LifecycleConfiguration"
BYTES_MAX = 512 * 1024
"""1,000 rules of some 500 bytes each."""

SMALLEST = "x-amz-transition-default-minimum-object-size"
"""What is smaller is not moved to another storage class; clients wait to see S3's default here."""

SMALLEST_SHOWN = "all_storage_classes_128K"


async def get_bucket_lifecycle_configuration(desk: Desk, request: Request) -> Answer:
    """For the owner alone: its prefixes and tags tell of keys that others may not see."""
    bucket = await desk.exchange.buckets.owned(request.caller, request.bucket)
    rules = rules_of(bucket)
    if not rules:
        raise S3Error("NoSuchLifecycleConfiguration")
    return heading.document(shapes.write(ROOT, tree_of(rules)), {SMALLEST: SMALLEST_SHOWN})


async def put_bucket_lifecycle_configuration(desk: Desk, request: Request) -> Answer:
    text = await body.parsed(desk, request, _read, BYTES_MAX)
    await desk.exchange.buckets.set_setting(request.caller, request.bucket, SETTING, text)
    return Answer(200, {SMALLEST: SMALLEST_SHOWN})


def _read(content: bytes) -> str:
    return text_of(rules_in(shapes.read(content, ROOT, BYTES_MAX)))


async def delete_bucket_lifecycle(desk: Desk, request: Request) -> Answer:
    await desk.exchange.buckets.set_setting(request.caller, request.bucket, SETTING, "")
    return Answer(204)
