"""Object lock: a bucket's rule, and each version's retention and legal hold."""

from __future__ import annotations

from gateway.errors import BadInput
from gateway.exchange import Found
from gateway.locks import Lock, LockRule, rule_of
from gateway.s3 import body, heading, heads
from gateway.s3.dates import NS_PER_SECOND, iso_date
from gateway.s3.desk import Desk, Request
from gateway.s3.errors import S3Error
from gateway.s3.wire import Answer
from gateway.s3.xml import shapes

MISSING = "Bucket is missing Object Lock Configuration"
DAYS_MAX = 36_500
YEARS_MAX = 100


async def get_object_lock_configuration(desk: Desk, request: Request) -> Answer:
    bucket = await desk.exchange.buckets.one(request.caller, request.bucket)
    rule = rule_of(bucket.settings)
    if rule is None:
        raise S3Error("ObjectLockConfigurationNotFoundError")
    tree: dict[str, list[object]] = {"ObjectLockEnabled": ["Enabled"]}
    if rule.mode:
        period = {"Days": [rule.days]} if rule.days else {"Years": [rule.years]}
        tree["Rule"] = [{"DefaultRetention": [{"Mode": [rule.mode], **period}]}]
    return heading.document(shapes.write("ObjectLockConfiguration", tree))


async def put_object_lock_configuration(desk: Desk, request: Request) -> Answer:
    tree = shapes.read(await body.document(desk, request), "ObjectLockConfiguration")
    await desk.exchange.buckets.set_lock_rule(request.caller, request.bucket, _rule(tree))
    return Answer(200)


def _rule(tree: shapes.Tree) -> LockRule:
    if "Rule" not in tree:
        return LockRule()
    asked = tree["Rule"][0]["DefaultRetention"][0]
    if ("Days" in asked) == ("Years" in asked):
        raise S3Error("MalformedXML", "A default retention needs either Days or Years.")
    days, years = (int(asked.get(name, ["0"])[0]) for name in ("Days", "Years"))
    if min(days, years) < 0 or not (0 < days <= DAYS_MAX or 0 < years <= YEARS_MAX):
        raise S3Error("InvalidRetentionPeriod")
    return LockRule(asked["Mode"][0], days, years)


async def get_object_retention(desk: Desk, request: Request) -> Answer:
    lock = await _lock(desk, request)
    if not lock.mode:
        raise S3Error("NoSuchObjectLockConfiguration")
    until = iso_date(lock.until // NS_PER_SECOND)
    tree = {"Mode": [lock.mode], "RetainUntilDate": [until]}
    return heading.document(shapes.write("Retention", tree))


async def get_object_legal_hold(desk: Desk, request: Request) -> Answer:
    lock = await _lock(desk, request)
    if not lock.hold:
        raise S3Error("NoSuchObjectLockConfiguration")
    return heading.document(shapes.write("LegalHold", {"Status": [lock.hold]}))


async def _lock(desk: Desk, request: Request) -> Lock:
    """A version's lock, which is shown to its author's party alone."""
    found = await desk.exchange.objects.look(request.caller, request.ref, version=request.version)
    if rule_of(found.bucket.settings) is None:
        raise BadInput(MISSING)
    return heading.shown_lock(found) or Lock()


async def put_object_retention(desk: Desk, request: Request) -> Answer:
    tree = shapes.read(await body.document(desk, request), "Retention")
    if ("Mode" in tree) != ("RetainUntilDate" in tree):
        raise S3Error("MalformedXML")
    retention = ("", 0)
    if tree:
        retention = (tree["Mode"][0], heads.retain_until(tree["RetainUntilDate"][0], request.now))
    return _done(
        await desk.exchange.locking.set_retention(
            request.caller,
            request.ref,
            retention,
            version=request.version,
            bypass=heads.bypass(request.headers),
        )
    )


async def put_object_legal_hold(desk: Desk, request: Request) -> Answer:
    tree = shapes.read(await body.document(desk, request), "LegalHold")
    return _done(
        await desk.exchange.locking.set_hold(
            request.caller, request.ref, tree["Status"][0], version=request.version
        )
    )


def _done(found: Found) -> Answer:
    return Answer(200, heading.version_id(found))
