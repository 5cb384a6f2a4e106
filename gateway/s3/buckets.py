"""S3's operations on buckets: which there are, what each is, and how it shows versions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.errors import BucketAlreadyYours
from gateway.model import Versioning
from gateway.s3 import body, heading
from gateway.s3.dates import NS_PER_SECOND
from gateway.s3.desk import Desk, Request
from gateway.s3.documents import BucketList, ListedBucket, Owner
from gateway.s3.errors import S3Error
from gateway.s3.ranges import parse_count
from gateway.s3.tokens import open_token, seal_token
from gateway.s3.wire import Answer
from gateway.s3.xml import build, parse

BUCKETS_MAX = 10_000

_STATUS: Mapping[Versioning, str] = MappingProxyType(
    {Versioning.OFF: "", Versioning.ENABLED: "Enabled", Versioning.SUSPENDED: "Suspended"}
)
_VERSIONING: Mapping[str, Versioning] = MappingProxyType({v: k for k, v in _STATUS.items() if v})


async def list_buckets(desk: Desk, request: Request) -> Answer:
    """The buckets of which the party is a member, those of others among them."""
    query, caller = request.query, request.caller
    prefix = query.get("prefix", "")
    limit = parse_count("max-buckets", query.get("max-buckets", str(BUCKETS_MAX)), BUCKETS_MAX)
    context = f"{caller.party} buckets"
    after = open_token(desk.token_secret, context, query.get("continuation-token", ""))
    region = query.get("bucket-region", desk.region)
    found = [
        ListedBucket(bucket.name, (bucket.created or bucket.since) // NS_PER_SECOND, desk.region)
        for bucket in await desk.exchange.buckets.all(caller)
        if bucket.name > after and bucket.name.startswith(prefix) and region == desk.region
    ]
    more = len(found) > limit > 0
    token = seal_token(desk.token_secret, context, found[limit - 1].name) if more else ""
    owner = Owner(caller.party, caller.party)
    return heading.document(
        build.bucket_list(BucketList(owner, found[:limit], prefix or None, token))
    )


async def create_bucket(desk: Desk, request: Request) -> Answer:
    """Creating again what one may use is a success, as in us-east-1: rclone does it before every
    upload, and gives up on anything else."""
    region = parse.location_constraint(await body.document(desk, request))
    if region not in ("", desk.region):
        raise S3Error("InvalidLocationConstraint", LocationConstraint=region)
    headers = {"location": f"/{request.bucket}"}
    lockable = request.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true"
    try:
        await desk.exchange.buckets.create(request.caller, request.bucket, lockable=lockable)
    except BucketAlreadyYours:
        return Answer(200, headers)
    return Answer(200, headers)


async def head_bucket(desk: Desk, request: Request) -> Answer:
    await desk.exchange.buckets.one(request.caller, request.bucket)
    return Answer(200, {"x-amz-bucket-region": desk.region})


async def delete_bucket(desk: Desk, request: Request) -> Answer:
    await desk.exchange.buckets.delete(request.caller, request.bucket)
    return Answer(204)


async def get_bucket_location(desk: Desk, request: Request) -> Answer:
    await desk.exchange.buckets.one(request.caller, request.bucket)
    return heading.document(build.location(desk.region))


async def get_bucket_versioning(desk: Desk, request: Request) -> Answer:
    bucket = await desk.exchange.buckets.one(request.caller, request.bucket)
    return heading.document(build.versioning(_STATUS[bucket.versioning]))


async def put_bucket_versioning(desk: Desk, request: Request) -> Answer:
    status = parse.versioning_status(await body.document(desk, request))
    await desk.exchange.buckets.set_versioning(request.caller, request.bucket, _VERSIONING[status])
    return Answer(200)
