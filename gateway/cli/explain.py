"""`crossdock policy explain`: why somebody may or may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import click

from gateway.catalog import Catalog, Story
from gateway.cli import show
from gateway.cli.session import NO, Session, command, ref_of
from gateway.errors import BadInput, NoSuchBucket, NoSuchVersion
from gateway.model import Bucket, Facts, ObjectRef
from gateway.policy.explain import Explanation
from gateway.policy.mesh import Mesh

AT_ALL_TIMES = 2**63 - 1
"""A version not yet written is newer than any rule's `since`."""
PARTS = ("decides", "forbids", "offers", "accepts", "beaten", "misses")
"""What a rule can be to an answer, the most telling first."""


@click.command()
@click.argument("party")
@click.argument("verb", type=click.Choice(("read", "write")))
@click.argument("object", metavar="BUCKET/KEY")
@click.option("--version", default="", help="This version of it, else the newest one.")
@click.option("--author", default="", help="Who wrote it; else everyone who might have.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Its user metadata.")
@click.option("--tag", multiple=True, metavar="NAME=VALUE", help="Its tags.")
@click.option("--size", type=click.IntRange(0), default=None, help="Its size in bytes.")
@click.option("--type", "content_type", default="", help="Its media type.")
@command
def explain(
    session: Session,
    party: str,
    verb: str,
    object: str,  # noqa: A002
    version: str,
    author: str,
    metadata: Sequence[str],
    tag: Sequence[str],
    size: int | None,
    content_type: str,
) -> None:
    """Why PARTY may, or may not, read or write a key: every rule that matched or nearly did, as
    the folder stands now. Exits 1 if it may not.

    A file that is there is explained as it is, with what PARTY holds of it; with --author,
    --metadata, --tag, --size or --type one that is not there, or that is otherwise.
    """
    folder, ref = session.mesh(), ref_of(object)
    _known(folder, party)
    mesh, bucket, story = _found(session, folder, ref, version)
    said = _Said(author, _pairs(metadata), _pairs(tag), size, content_type)
    if verb == "write":
        cases = {party: _hypothetical(ref, party, said)}
    elif story is not None and not said:
        cases = {story.version.author: story.version.facts}
    else:
        authors = _authors(mesh, bucket, ref, author)
        cases = {each: _hypothetical(ref, each, said) for each in authors}
    answers = {
        each: mesh.policy.explain(party, verb, facts, bucket) for each, facts in cases.items()
    }
    shown = story if verb == "read" and not said else None
    if shown:
        answers = {each: _as_it_is(answer, party, shown) for each, answer in answers.items()}
    if session.as_json:
        show.as_json([_json(each, answer, shown, party) for each, answer in answers.items()])
    for each, answer in () if session.as_json else answers.items():
        _print(f"{party} {verb} {object}", each if verb == "read" else "", answer)
        _print_held(party, shown)
    if not any(answer.allowed for answer in answers.values()):
        raise SystemExit(NO)


def _as_it_is(answer: Explanation, party: str, story: Story) -> Explanation:
    """Policy lets it be read, but no rule reaches back to it, so that nothing was granted."""
    if not answer.allowed or answer.mode or _held(party, story)["held"]:
        return answer
    text = "no rule reaches back to it (see `since`)"
    return replace(answer, allowed=False, text=text)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the command line says of the version."""

    author: str
    metadata: Mapping[str, str]
    tags: Mapping[str, str]
    size: int | None
    content_type: str

    def __bool__(self) -> bool:
        return bool(
            self.author or self.metadata or self.tags or self.size is not None or self.content_type
        )


def _found(
    session: Session, folder: Mesh, ref: ObjectRef, version: str
) -> tuple[Mesh, Bucket, Story | None]:
    """The mesh with the moments at which its rules began, the bucket, topology.yaml's or one made
    through a door, and what the catalog has of the key: the version named, else the newest one
    that was not deleted by its id."""

    async def ask(catalog: Catalog) -> tuple[Mesh, Bucket | None, Sequence[Story]]:
        starts = await catalog.rule_starts(folder.starting)
        return folder.dated(starts), await catalog.bucket(ref.bucket), await catalog.story(ref)

    there = session.config.catalog.exists()
    mesh, made, stories = session.read(ask) if there else (folder, None, ())
    bucket = mesh.buckets.get(ref.bucket) or made
    if bucket is None:
        raise NoSuchBucket(f"topology.yaml names no bucket {ref.bucket}, and nobody made one")
    kept = [each for each in stories if not each.unwritten and not each.version.marker]
    if version:
        kept = [each for each in kept if each.version.id == version]
        if not kept:
            raise NoSuchVersion(f"{ref} has no version {version}")
    return mesh, bucket, kept[0] if kept else None


def _hypothetical(ref: ObjectRef, author: str, said: _Said) -> Facts:
    return Facts(
        ref=ref,
        author=author,
        size=said.size or 0,
        content_type=said.content_type or "binary/octet-stream",
        metadata=said.metadata,
        tags=said.tags,
        at=AT_ALL_TIMES,
    )


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


def _pairs(texts: Sequence[str]) -> Mapping[str, str]:
    pairs = [text.partition("=") for text in texts]
    if any(not name or not equals for name, equals, _ in pairs):
        raise BadInput("metadata and tags are written NAME=VALUE")
    return MappingProxyType({name: value for name, _, value in pairs})


def _held(party: str, story: Story) -> dict[str, Any]:
    """What the catalog has of the party and this version, whatever the folder says by now."""
    grant = next((each for each in story.grants if each.party == party and not each.closed), None)
    copies = [each for each in story.deliveries if each.party == party]
    return {
        "version": story.version.id,
        "held": grant.mode.value if grant else "",
        "since": show.moment(grant.opened) if grant else "",
        "by": grant.rule if grant else "",
        "copies": [{"target": each.target, "state": each.state.value} for each in copies],
    }


def _json(author: str, answer: Explanation, story: Story | None, party: str) -> dict[str, object]:
    return {
        "author": author,
        "allowed": answer.allowed,
        "mode": answer.mode.value if answer.mode else "",
        "why": answer.text,
        "revision": answer.revision,
        "rules": [
            {"rule": str(f.rule), "outcome": f.outcome, "near": f.near, "why": f.why}
            for f in answer.findings
        ],
        "now": _held(party, story) if story else None,
    }


def _print(question: str, author: str, answer: Explanation) -> None:
    by = f" written by {author}" if author else ""
    mode = f" ({answer.mode.value})" if answer.mode else ""
    show.say(f"{question}{by}: {'yes' if answer.allowed else 'no'}{mode}, {answer.text}")
    if answer.findings:
        order = sorted(answer.findings, key=lambda f: (PARTS.index(f.outcome), not f.near))
        rows = [(str(f.rule), "nearly matches" if f.near else f.outcome, f.why) for f in order]
        show.table("", ("rule", "part", "why"), rows)


def _print_held(party: str, story: Story | None) -> None:
    if story is None:
        return
    told = _held(party, story)
    since = f" as {told['held']} since {told['since']}, by {told['by']}" if told["held"] else ""
    held = f"holds it{since}" if told["held"] else "does not hold it"
    show.say(f"version {told['version']}: {party} {held}")
    for copy in told["copies"]:
        show.say(f"its copy {copy['target']}: {copy['state']}")
