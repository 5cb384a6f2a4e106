"""`crossdock adopt`: objects that lie in a store already become versions, where they lie."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli import show
from gateway.cli.session import NO, Session, command
from gateway.operations.alone import alone

COLUMNS = ("key", "outcome", "why")
COUNTED = ("adopted", "known", "copies", "refused", "kept", "gone", "failed")
WRONG = ("refused", "kept", "failed")


@click.command()
@click.argument("store", metavar="STORE-URL")
@click.argument("bucket")
@click.option("--prefix", default="", help="Only objects whose keys in the store begin so.")
@click.option("--under", default="", help="Put before each key, in the bucket.")
@click.option("--author", default="", help="The party's principal that is to be their author.")
@command
def adopt(session: Session, store: str, bucket: str, prefix: str, under: str, author: str) -> None:
    """Catalog the objects that lie in a store of topology.yaml, as versions of BUCKET, without
    moving a byte. STORE-URL is PARTY/STORE, or PARTY for its home, or s3://BUCKET/PREFIX,
    gs://BUCKET/PREFIX, az://ACCOUNT/CONTAINER/PREFIX, sftp://HOST[:PORT]/PATH, file:///PATH.

    Killed, it goes on where it was when it is called again. Called again later, it picks up what is
    new or was changed. Exits 1 if anything was left out that is no delivered copy.
    """
    arguments = {
        "store": store,
        "bucket": bucket,
        "prefix": prefix,
        "under": under,
        "author": author,
    }
    with show.progress("adopting", quiet=session.as_json) as progress:
        done = session.do("adopt", arguments, progress, alone)
    if session.as_json:
        show.as_json(done)
    else:
        _print(done)
    if any(done[name] for name in WRONG):
        raise SystemExit(NO)


def _print(done: dict[str, Any]) -> None:
    rows = [[each[name] for name in COLUMNS] for each in done["left"]]
    if rows:
        show.table("left out", COLUMNS, rows)
    counts = ", ".join(f"{done[name]} {name}" for name in COUNTED if done[name])
    show.say(f"{done['party']}/{done['store']} into {done['bucket']}: {counts or 'nothing there'}")
