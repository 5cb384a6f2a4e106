"""`crossdock history` and `crossdock who-has`: what the catalog knows of one key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from gateway.catalog import Story
from gateway.cli import show
from gateway.cli.session import Session, command, ref_of
from gateway.errors import NoSuchKey
from gateway.model import Delivery, DeliveryKind, Grant


@click.command()
@click.argument("object", metavar="BUCKET/KEY")
@command
def history(session: Session, object: str) -> None:  # noqa: A002 - the argument's name
    """Every version of a key, newest first: who wrote it, when, and what became of it."""
    stories = _stories(session, object)
    rows = [_version(story) for story in stories]
    if session.as_json:
        show.as_json({"object": object, "versions": rows})
        return
    what_became = ("state", "grants", "deliveries", "consumed")
    columns = ("version", "at", "author", "principal", "size", *what_became)
    show.table(object, columns, [[row[name] for name in columns] for row in rows])


@click.command("who-has")
@click.argument("object", metavar="BUCKET/KEY")
@click.option("--version", default="", help="One version; without it the newest that is no marker.")
@command
def who_has(session: Session, object: str, version: str) -> None:  # noqa: A002
    """Who may see a version and who holds a copy: since when, and by which rule."""
    story = _chosen(_stories(session, object), object, version)
    rows = [_holding(story, grant) for grant in story.grants]
    if session.as_json:
        show.as_json({"object": object, "version": story.version.id, "holders": rows})
        return
    copied = ("copy", "verified", "checked", "sha256")
    columns = ("party", "mode", "since", "until", "rule", "consumed", *copied)
    title = f"{object} {story.version.id}"
    show.table(title, columns, [[row[name] for name in columns] for row in rows])


def _stories(session: Session, text: str) -> Sequence[Story]:
    ref = ref_of(text)
    stories = session.read(lambda catalog: catalog.story(ref))
    if not stories:
        raise NoSuchKey(f"no version of {text} was ever written")
    return stories


def _chosen(stories: Sequence[Story], text: str, version: str) -> Story:
    for story in stories:
        if story.version.id == version or (not version and not story.version.marker):
            return story
    raise NoSuchKey(f"{text} has no version {version or 'that is no delete marker'}")


def _version(story: Story) -> dict[str, Any]:
    version = story.version
    return {
        "version": version.id,
        "at": show.moment(version.at),
        "author": version.author,
        "principal": version.principal,
        "door": version.door,
        "size": version.size,
        "sha256": version.sha256,
        "parent": version.parent,
        "state": _state(story),
        "grants": ", ".join(
            f"{g.party} {g.mode.value}" + (" (closed)" if g.closed else "") for g in story.grants
        ),
        "deliveries": ", ".join(f"{d.party} {d.state.value}" for d in _copies(story)),
        "consumed": ", ".join(f"{c.party} {show.moment(c.at)}" for c in story.consumed),
    }


def _state(story: Story) -> str:
    if story.purged:
        return "purged"
    if story.unwritten:
        return "deleted by id"
    return "delete marker" if story.version.marker else "kept"


def _holding(story: Story, grant: Grant) -> dict[str, Any]:
    copy = next((d for d in _newest_first(story) if d.party == grant.party), None)
    receipt = copy.receipt if copy else None
    mark = next((c for c in story.consumed if c.party == grant.party), None)
    return {
        "party": grant.party,
        "mode": grant.mode.value,
        "since": show.moment(grant.opened),
        "until": show.moment(grant.closed),
        "rule": grant.rule,
        "revision": grant.revision,
        "copy": f"{copy.store}:{copy.target} {_fate(copy)}" if copy else "",
        "verified": show.moment(receipt.at) if receipt else "",
        "checked": f"{show.moment(copy.checked)} {copy.finding}".strip() if copy else "",
        "sha256": receipt.sha256 if receipt else "",
        "replaced": receipt.replaced if receipt else False,
        "consumed": show.moment(mark.at) if mark else "",
        "moved_to": mark.moved_to if mark else "",
    }


def _fate(copy: Delivery) -> str:
    """Delivered, removed because the file was deleted, recalled, or how far it is."""
    gone = {DeliveryKind.REMOVAL.value: "removed", DeliveryKind.RECALL.value: "recalled"}
    return gone.get(copy.gone, copy.state.value)


def _newest_first(story: Story) -> Iterator[Delivery]:
    """A copy that was sent again has a later delivery."""
    return reversed(tuple(_copies(story)))


def _copies(story: Story) -> Iterator[Delivery]:
    return (d for d in story.deliveries if d.kind is DeliveryKind.COPY)
