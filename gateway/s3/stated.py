"""Sub-resources of buckets that say what is so, and that no S3 call changes: the caller's part of
the policy files, what its store does, who pays."""

from __future__ import annotations

import json
from collections.abc import Mapping

from gateway.errors import BadInput
from gateway.s3 import body, heading, heads
from gateway.s3.desk import Desk, Request
from gateway.s3.errors import S3Error
from gateway.s3.wire import Answer
from gateway.s3.xml import shapes

VERSION = "2012-10-17"
"""Of S3's policy language."""

NO_ENCRYPTION = "ServerSideEncryptionConfigurationNotFoundError"


async def get_bucket_policy(desk: Desk, request: Request) -> Answer:
    found = await desk.exchange.buckets.own_policy(request.caller, request.bucket)
    text = json.dumps({"Version": VERSION, "Statement": found}).encode()
    return Answer(200, {"content-type": "application/json"}, text, length=len(text))


async def put_bucket_policy(desk: Desk, request: Request) -> Answer:
    await body.document(desk, request)
    return await _refused(desk, request)


async def delete_bucket_policy(desk: Desk, request: Request) -> Answer:
    return await _refused(desk, request)


async def _refused(desk: Desk, request: Request) -> Answer:
    await desk.exchange.buckets.refuse_policy(request.caller, request.bucket)
    return Answer(204)


async def get_bucket_encryption(desk: Desk, request: Request) -> Answer:
    """What happens to the caller's own writes: of other parties' stores nothing is told."""
    if not await desk.exchange.buckets.encrypted(request.caller, request.bucket):
        raise S3Error(NO_ENCRYPTION)
    by_default = {"ApplyServerSideEncryptionByDefault": [{"SSEAlgorithm": [heads.AES256]}]}
    tree = {"Rule": [{**by_default, "BucketKeyEnabled": ["false"]}]}
    return heading.document(shapes.write("ServerSideEncryptionConfiguration", tree))


async def put_bucket_encryption(desk: Desk, request: Request) -> Answer:
    """Accepted where it says what is so already, refused where it would have to change it."""
    tree = shapes.read(await body.document(desk, request), "ServerSideEncryptionConfiguration")
    bucket = await desk.exchange.buckets.ruled(request.caller, request.bucket)
    for rule in tree["Rule"]:
        for chosen in rule.get("ApplyServerSideEncryptionByDefault", ()):
            if chosen["SSEAlgorithm"] != [heads.AES256]:
                raise S3Error("NotImplemented", "There is no key management service here.")
    if not await desk.exchange.buckets.encrypted(request.caller, bucket.name):
        raise BadInput(_not_encrypted(request))
    return Answer(200)


async def delete_bucket_encryption(desk: Desk, request: Request) -> Answer:
    """Back to the default, which is what the store does anyway."""
    await desk.exchange.buckets.ruled(request.caller, request.bucket)
    return Answer(204)


async def check_encrypted(desk: Desk, request: Request, headers: Mapping[str, str]) -> None:
    """A write that asks for encryption is refused where it would not happen. `headers` are those
    that speak for the object: a form's fields are its own."""
    if heads.ENCRYPTION not in headers:
        return
    if not await desk.exchange.buckets.encrypted(request.caller, request.bucket):
        raise BadInput(_not_encrypted(request))


async def encryption(desk: Desk, request: Request) -> dict[str, str]:
    """Of an answer about an upload that is not yet a version: what the caller's store does."""
    does = await desk.exchange.buckets.encrypted(request.caller, request.bucket)
    return {heads.ENCRYPTION: heads.AES256} if does else {}


def _not_encrypted(request: Request) -> str:
    return (
        f"the store of {request.caller.party} is not encrypted at rest, as far as topology.yaml "
        "says (`encryption: AES256` in a store of type file)"
    )


async def get_bucket_request_payment(desk: Desk, request: Request) -> Answer:
    await desk.exchange.buckets.one(request.caller, request.bucket)
    tree = {"Payer": ["BucketOwner"]}
    return heading.document(shapes.write("RequestPaymentConfiguration", tree))


async def put_bucket_request_payment(desk: Desk, request: Request) -> Answer:
    tree = shapes.read(await body.document(desk, request), "RequestPaymentConfiguration")
    await desk.exchange.buckets.ruled(request.caller, request.bucket)
    if tree["Payer"] != ["BucketOwner"]:
        raise S3Error("NotImplemented", "Requesters pay nobody here.")
    return Answer(200)


async def get_bucket_accelerate_configuration(desk: Desk, request: Request) -> Answer:
    return await _empty(desk, request, "AccelerateConfiguration")


async def get_bucket_logging(desk: Desk, request: Request) -> Answer:
    return await _empty(desk, request, "BucketLoggingStatus")


async def _empty(desk: Desk, request: Request, root: str) -> Answer:
    await desk.exchange.buckets.one(request.caller, request.bucket)
    return heading.document(shapes.write(root, {}))


async def get_bucket_website(desk: Desk, request: Request) -> Answer:
    await desk.exchange.buckets.one(request.caller, request.bucket)
    raise S3Error("NoSuchWebsiteConfiguration")


async def get_bucket_replication(desk: Desk, request: Request) -> Answer:
    """Copies are made by the parties' rules: GetBucketPolicy shows the caller's."""
    await desk.exchange.buckets.one(request.caller, request.bucket)
    raise S3Error("ReplicationConfigurationNotFoundError")
