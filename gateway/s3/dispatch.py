"""Which function serves which operation, and what is judged before any of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from gateway.errors import BadDigest
from gateway.s3 import (
    acls,
    attributes,
    body,
    buckets,
    heads,
    lifecycle,
    listings,
    locks,
    multipart,
    notifications,
    objects,
    posting,
    settings,
    stated,
)
from gateway.s3.desk import Desk, Request
from gateway.s3.errors import S3Error
from gateway.s3.routes import not_implemented
from gateway.s3.wire import Answer

Handler = Callable[[Desk, Request], Awaitable[Answer]]

_SINGLE = (
    buckets.list_buckets,
    buckets.create_bucket,
    buckets.head_bucket,
    buckets.delete_bucket,
    buckets.get_bucket_location,
    buckets.get_bucket_versioning,
    buckets.put_bucket_versioning,
    listings.list_objects,
    listings.list_objects_v2,
    listings.list_object_versions,
    listings.list_multipart_uploads,
    objects.get_object,
    objects.head_object,
    objects.put_object,
    objects.copy_object,
    objects.delete_object,
    objects.delete_objects,
    objects.get_object_tagging,
    objects.put_object_tagging,
    objects.delete_object_tagging,
    multipart.create_multipart_upload,
    multipart.upload_part,
    multipart.upload_part_copy,
    multipart.complete_multipart_upload,
    multipart.abort_multipart_upload,
    multipart.list_parts,
    attributes.get_object_attributes,
    acls.get_bucket_acl,
    acls.put_bucket_acl,
    acls.get_object_acl,
    acls.put_object_acl,
    settings.get_bucket_policy_status,
    locks.get_object_lock_configuration,
    locks.put_object_lock_configuration,
    locks.get_object_retention,
    locks.put_object_retention,
    locks.get_object_legal_hold,
    locks.put_object_legal_hold,
    lifecycle.get_bucket_lifecycle_configuration,
    lifecycle.put_bucket_lifecycle_configuration,
    lifecycle.delete_bucket_lifecycle,
    notifications.get_bucket_notification_configuration,
    notifications.put_bucket_notification_configuration,
    stated.get_bucket_policy,
    stated.put_bucket_policy,
    stated.delete_bucket_policy,
    stated.get_bucket_encryption,
    stated.put_bucket_encryption,
    stated.delete_bucket_encryption,
    stated.get_bucket_request_payment,
    stated.put_bucket_request_payment,
    stated.get_bucket_accelerate_configuration,
    stated.get_bucket_logging,
    stated.get_bucket_website,
    stated.get_bucket_replication,
    posting.post_object,
)

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {**settings.HANDLERS, **{handler.__name__: handler for handler in _SINGLE}}
)
"""By `Operation.handler`; a test holds this and the rows that are built to each other."""


async def serve(desk: Desk, request: Request) -> Answer:
    """Judges the headers that every operation shares, then lets its handler answer."""
    operation = request.operation
    if not operation.built:
        raise not_implemented(operation)
    heads.check(operation.name, request.headers, writes=operation.right.changes)
    await stated.check_encrypted(desk, request, request.headers)
    await _check_owners(desk, request)
    try:
        return await HANDLERS[operation.handler](desk, request)
    except BadDigest as error:
        raise body.blamed(request, error) from error


async def _check_owners(desk: Desk, request: Request) -> None:
    """A client may say whose it takes a bucket for (AWS: Verifying bucket ownership)."""
    expected = request.headers.get("x-amz-expected-bucket-owner")
    if expected is not None and request.bucket:
        await _check_owner(desk, request, request.bucket, expected)
    expected = request.headers.get("x-amz-source-expected-bucket-owner")
    if expected is not None and "x-amz-copy-source" in request.headers:
        ref, _ = heads.source(request.headers["x-amz-copy-source"])
        await _check_owner(desk, request, ref.bucket, expected)


async def _check_owner(desk: Desk, request: Request, name: str, expected: str) -> None:
    bucket = await desk.exchange.buckets.one(request.caller, name)
    if bucket.owner != expected:
        raise S3Error("AccessDenied")
