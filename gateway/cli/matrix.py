"""`crossdock policy matrix`: party by bucket by pattern, who may what."""

from __future__ import annotations

import click

from gateway.cli import show
from gateway.cli.offers import buckets_made
from gateway.cli.session import Session, command
from gateway.errors import BadInput, NoSuchBucket
from gateway.policy.matrix import Right, Row, matrix

UNSURE = "(not looked into: too many patterns)"


@click.command("matrix")
@click.option("--party", default="", help="Only what this party may.")
@click.option("--bucket", default="", help="Only in this bucket.")
@command
def matrix_command(session: Session, party: str, bucket: str) -> None:
    """Which keys each party may write, and which it receives, from whom, how and by which rule: as
    the folder stands now, for files written from now on.

    Patterns joined by & must all match. The strongest mode of several rows wins.
    """
    mesh = session.mesh()
    if party and party not in mesh.parties:
        raise BadInput(f"topology.yaml names no party {party}; it has {', '.join(mesh.parties)}")
    made = {each.name: each for each in buckets_made(session)}
    rows = matrix(mesh, made, party=party, bucket=bucket)
    if bucket and not rows and bucket not in {**mesh.buckets, **made}:
        raise NoSuchBucket(f"topology.yaml names no bucket {bucket}, and nobody made one")
    if session.as_json:
        show.as_json([_json(row) for row in rows])
        return
    columns = ("bucket", "party", "keys", "may", "from", "by", "taken by", "but")
    show.table("", columns, [_cells(row) for row in rows])


def _cells(row: Row) -> tuple[str, ...]:
    received = row.right is Right.RECEIVE and row.mode
    return (
        *(row.bucket, row.party, " & ".join(row.keys)),
        f"receive: {row.mode.value}" if received and row.mode else row.right.value,
        *(row.sender, str(row.rule), str(row.accept or "")),
        "; ".join((*row.limits, *(() if row.sure else (UNSURE,)))),
    )


def _json(row: Row) -> dict[str, object]:
    return {
        "bucket": row.bucket,
        "party": row.party,
        "keys": row.keys,
        "right": row.right.name.lower(),
        "from": row.sender,
        "mode": row.mode.value if row.mode else "",
        "rule": str(row.rule),
        "accepted_by": str(row.accept or ""),
        "limits": row.limits,
        "sure": row.sure,
    }
