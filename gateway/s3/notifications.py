"""PutBucketNotificationConfiguration and its reading: each party's own, for its own view."""

from __future__ import annotations

from gateway.errors import NoSuchWebhook
from gateway.s3 import body, heading
from gateway.s3.desk import Desk, Request
from gateway.s3.watches import KINDS, Home, arn, tree_of, unknown, watches_in
from gateway.s3.wire import Answer
from gateway.s3.xml import shapes

ROOT = "NotificationConfiguration"
BYTES_MAX = 512 * 1024
"""100 configurations, each with two filters of 1,024 bytes and all events."""

SKIP = "x-amz-skip-destination-validation"


async def get_bucket_notification_configuration(desk: Desk, request: Request) -> Answer:
    watches = await desk.exchange.notifying.watches(request.caller, request.bucket)
    return heading.document(shapes.write(ROOT, tree_of(watches, _home(desk, request))))


async def put_bucket_notification_configuration(desk: Desk, request: Request) -> Answer:
    """A webhook that a configuration names is sent a test, unless the client asks for none."""
    tree = shapes.read(await body.document(desk, request), ROOT, BYTES_MAX)
    home = _home(desk, request)
    watches = watches_in(tree, home)
    test = request.headers.get(SKIP, "").lower() != "true"
    try:
        await desk.exchange.notifying.watch(request.caller, request.bucket, watches, test=test)
    except NoSuchWebhook as error:
        absent = next(w for w in watches if w.webhook == error.details["webhook"])
        raise unknown(KINDS[absent.kind].element, arn(home, absent)) from None
    return Answer(200)


def _home(desk: Desk, request: Request) -> Home:
    return Home(desk.region, request.caller.party)
