"""`crossdock policy`: why somebody may or may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click

from gateway.cli import applying, show
from gateway.cli.plan import plan_command
from gateway.cli.pushing import pull, push
from gateway.cli.session import NO, Session, command, ref_of
from gateway.errors import BadInput, NoSuchBucket
from gateway.exchange import Headway
from gateway.model import Bucket, Facts, ObjectRef
from gateway.operations.health import shown
from gateway.policy.explain import Explanation
from gateway.policy.mesh import Mesh

AT_ALL_TIMES = 2**63 - 1
"""A version not yet written is newer than any rule's `since`."""


@click.group()
def policy() -> None:
    """What the policies folder means, and what of it is in force."""


for each in (plan_command, applying.apply, applying.history, applying.diff, push, pull):
    policy.add_command(each)


@policy.command()
@click.argument("party")
@click.argument("verb", type=click.Choice(("read", "write")))
@click.argument("object", metavar="BUCKET/KEY")
@click.option("--author", default="", help="Who wrote it; else everyone who might have.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Its user metadata.")
@click.option("--tag", multiple=True, metavar="NAME=VALUE", help="Its tags.")
@click.option("--size", type=click.IntRange(0), default=0, help="Its size in bytes.")
@click.option("--type", "content_type", default="binary/octet-stream", show_default=True)
@command
def explain(
    session: Session,
    party: str,
    verb: str,
    object: str,  # noqa: A002
    author: str,
    metadata: Sequence[str],
    tag: Sequence[str],
    size: int,
    content_type: str,
) -> None:
    """Why PARTY may, or may not, read or write a key: every rule that matched or nearly did, as
    the folder stands now. Exits 1 if it may not."""
    mesh, ref = session.mesh(), ref_of(object)
    bucket = _bucket(mesh, ref)
    _known(mesh, party)
    authors = [party] if verb == "write" else _authors(mesh, bucket, ref, author)
    answers = {
        each: mesh.policy.explain(
            party,
            verb,
            Facts(
                ref=ref,
                author=each,
                size=size,
                content_type=content_type,
                metadata=_pairs(metadata),
                tags=_pairs(tag),
                at=AT_ALL_TIMES,
            ),
            bucket,
        )
        for each in authors
    }
    if session.as_json:
        show.as_json([_json(each, answer) for each, answer in answers.items()])
    for each, answer in () if session.as_json else answers.items():
        _print(f"{party} {verb} {object}", each if verb == "read" else "", answer)
    if not any(answer.allowed for answer in answers.values()):
        raise SystemExit(NO)


@policy.command()
@command
def status(session: Session) -> None:
    """How far the files that are there follow the policy in force. Exits 1 until all of them do."""
    told = session.ask("policy.status", {})
    if not told:
        progress = session.read(lambda catalog: catalog.progress())
        told = shown(Headway.of(progress) if progress else None)
    if session.as_json:
        show.as_json(told)
    elif told:
        show.say(f"in force: {told['revision']}")
        show.say(f"decided again: {told['versions_decided']} of {told['versions']} versions")
        show.say(_left(told))
    else:
        show.say("no policy is in force yet")
    if not told.get("done"):
        raise SystemExit(NO)


def _left(told: Mapping[str, Any]) -> str:
    if told["done"]:
        return "all follow it"
    seconds = told["seconds_left"]
    return "not done yet" if seconds is None else f"done in about {seconds:.0f} s"


def _bucket(mesh: Mesh, ref: ObjectRef) -> Bucket:
    bucket = mesh.buckets.get(ref.bucket)
    if bucket is None:
        raise NoSuchBucket(f"topology.yaml names no bucket {ref.bucket}")
    return bucket


def _known(mesh: Mesh, party: str) -> None:
    if party not in mesh.parties:
        raise BadInput(f"topology.yaml names no party {party}; it has {', '.join(mesh.parties)}")


def _authors(mesh: Mesh, bucket: Bucket, ref: ObjectRef, author: str) -> Sequence[str]:
    if author:
        _known(mesh, author)
        return [author]
    grants = mesh.policy.grants(bucket)
    writers = [each for each in sorted(grants.members) if grants.may_write(each, ref.key)]
    if not writers:
        raise BadInput(f"no party may write {ref}; --author names one for the question's sake")
    return writers


def _pairs(texts: Sequence[str]) -> MappingProxyType[str, str]:
    pairs = [text.partition("=") for text in texts]
    if any(not name or not equals for name, equals, _ in pairs):
        raise BadInput("metadata and tags are written NAME=VALUE")
    return MappingProxyType({name: value for name, _, value in pairs})


def _json(author: str, answer: Explanation) -> dict[str, object]:
    return {
        "author": author,
        "allowed": answer.allowed,
        "mode": answer.mode.value if answer.mode else "",
        "why": answer.text,
        "revision": answer.revision,
        "rules": [
            {"rule": str(f.rule), "outcome": f.outcome, "why": f.why} for f in answer.findings
        ],
    }


def _print(question: str, author: str, answer: Explanation) -> None:
    by = f" written by {author}" if author else ""
    mode = f" ({answer.mode.value})" if answer.mode else ""
    show.say(f"{question}{by}: {'yes' if answer.allowed else 'no'}{mode}, {answer.text}")
    if answer.findings:
        rows = [(str(f.rule), f.outcome, f.why) for f in answer.findings]
        show.table("", ("rule", "part", "why"), rows)
