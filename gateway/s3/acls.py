"""ACLs as AWS answers them where they are disabled: one owner, in full control.

Who reads is said in the policy files; a list that would grant anything is refused, not dropped.
"""

from __future__ import annotations

from gateway.s3 import body, heading
from gateway.s3.desk import Desk, Request
from gateway.s3.errors import S3Error
from gateway.s3.listings import owner
from gateway.s3.wire import Answer
from gateway.s3.xml import build, shapes

FULL_CONTROL = "FULL_CONTROL"


async def get_bucket_acl(desk: Desk, request: Request) -> Answer:
    bucket = await desk.exchange.buckets.one(request.caller, request.bucket)
    return heading.document(build.access_control(owner(bucket.owner)))


async def put_bucket_acl(desk: Desk, request: Request) -> Answer:
    bucket = await desk.exchange.buckets.ruled(request.caller, request.bucket)
    await _check_private(desk, request, bucket.owner)
    return Answer(200)


async def get_object_acl(desk: Desk, request: Request) -> Answer:
    found = await desk.exchange.objects.look(request.caller, request.ref, version=request.version)
    document = build.access_control(owner(found.version.author))
    return heading.document(document, heading.version_id(found))


async def put_object_acl(desk: Desk, request: Request) -> Answer:
    found = await desk.exchange.locking.authored(
        request.caller, request.ref, version=request.version
    )
    await _check_private(desk, request, found.version.author)
    return Answer(200, heading.version_id(found))


async def _check_private(desk: Desk, request: Request, party: str) -> None:
    """A header with another canned ACL was refused before (see heads)."""
    content = await body.document(desk, request)
    if not content.strip():
        if "x-amz-acl" not in request.headers:
            raise S3Error("InvalidRequest", "The request names no access control list.")
        return
    tree = shapes.read(content, "AccessControlPolicy")
    for listed in tree.get("AccessControlList", ()):
        for grant in listed.get("Grant", ()):
            grantee = grant["Grantee"][0]
            if grantee.get("ID") != [party] or grant["Permission"] != [FULL_CONTROL]:
                raise S3Error("AccessControlListNotSupported")
