"""Which openings of a record a party may have: product.md's "What a party may learn" as a table.

A party stands in up to three roles to an event: its actor (who did it), the author of the version
that it is about, and a reader (the event belongs to its view). A field that no role of the party
opens stays shut; a field that this table does not know stays shut for everybody.
"""

from __future__ import annotations

import enum
from pathlib import PurePosixPath
from types import MappingProxyType

from gateway.audit.records import DETAIL, READERS_JOIN, TO, Opened, Opening


class Role(enum.Enum):
    ACTOR = "actor"
    AUTHOR = "author"
    READER = "reader"


Roles = frozenset[Role]

AUTHOR_DETAIL = "author"
"""Events about a version that another party wrote (read, refusal, delivery) name its author here;
without it nobody is taken for the author of what such an event is about."""

AUTHORING = frozenset({"write", "marker", "unwrite", "tags", "bucket", "policy", "key"})
"""Kinds whose actor is the author unless `detail/author` says otherwise."""

NOBODY: Roles = frozenset()
AUTHOR: Roles = frozenset({Role.AUTHOR})
OWN: Roles = frozenset({Role.ACTOR, Role.AUTHOR})
ALL: Roles = frozenset(Role)

WHO = MappingProxyType(
    {
        "number": ALL,
        "kind": ALL,
        "at": ALL,
        "party": ALL,
        "principal": OWN,
        "door": OWN,
        "request": frozenset({Role.ACTOR}),
        "bucket": ALL,
        "key": ALL,
        "version": ALL,
        "outcome": ALL,
        "rule": OWN,  # and only a rule of the party's own file, see _in_own_file
        "revision": OWN,  # likewise
        "readers": NOBODY,
    }
)

WHO_DETAIL = MappingProxyType(
    {
        AUTHOR_DETAIL: ALL,
        "size": ALL,
        "sha256": ALL,
        "etag": ALL,
        "parent": OWN,
        "code": OWN,  # S3's failure code
        "mode": OWN,
        "name": OWN,
        "versions": OWN,
        "prefix": OWN,
        "moved-to": OWN,
    }
)
"""Details by name. What is a recipient's alone (target key, store, error text) is written as
`<name>/<party>` and opens to that party only; any other name opens to nobody."""

REFUSED = MappingProxyType({"version": AUTHOR, DETAIL + AUTHOR_DETAIL: AUTHOR})
"""In a refusal the actor must not learn that there is something that it may not see."""

REFUSAL = "refusal"


def open_for(opened: Opened, party: str) -> tuple[Opening, ...]:
    """The openings that `party` may have, in their order; erased ones are left out.

    Empty where the event is neither the party's own act nor belongs to its view.
    """
    roles = _roles(opened, party)
    if not party or not roles:
        return ()
    refusal = opened.value("kind") == REFUSAL
    own_rule = _in_own_file(opened.value("rule"), party)
    return tuple(
        item
        for item in opened.fields
        if item.value is not None and _opens(item.field, party, roles, refusal, own_rule)
    )


def _opens(field: str, party: str, roles: Roles, refusal: bool, own_rule: bool) -> bool:
    if refusal and field in REFUSED:
        return bool(roles & REFUSED[field])
    if field in ("rule", "revision") and not own_rule:
        return False
    if field.startswith(TO):
        return bool(roles & OWN) or field == TO + party
    if field.startswith(DETAIL):
        name, _, recipient = field.removeprefix(DETAIL).partition("/")
        return recipient == party if recipient else bool(roles & WHO_DETAIL.get(name, NOBODY))
    return bool(roles & WHO.get(field, NOBODY))


def _roles(opened: Opened, party: str) -> Roles:
    actor = opened.value("party")
    readers = opened.value("readers").split(READERS_JOIN)
    if party not in (actor, *readers):
        return NOBODY
    author = opened.value(DETAIL + AUTHOR_DETAIL)
    if not author and opened.value("kind") in AUTHORING:
        author = actor
    held = {Role.ACTOR: party == actor, Role.AUTHOR: party == author, Role.READER: party in readers}
    return frozenset(role for role, holds in held.items() if holds)


def _in_own_file(rule: str, party: str) -> bool:
    """Whether "policies/acme.yaml:3 (invoices)" is a line of the party's own file."""
    return PurePosixPath(rule.partition(":")[0]).name == f"{party}.yaml"
