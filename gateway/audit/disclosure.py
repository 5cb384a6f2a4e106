"""Which openings of a record a party may have: product.md's "What a party may learn" as a table.

A party stands in up to three roles to an event: its actor (who did it), the author of the version
that it is about, and a reader (the event belongs to its view). A field that no role of the party
opens stays shut; a field that this table does not know stays shut for everybody.
"""

from __future__ import annotations

import enum
from types import MappingProxyType

from gateway.audit.records import BY, DETAIL, READERS_JOIN, TO, Opened, Opening


class Role(enum.Enum):
    ACTOR = "actor"
    AUTHOR = "author"
    READER = "reader"


Roles = frozenset[Role]

AUTHOR_DETAIL = "author"
"""Events about a version that another party wrote (read, refusal, delivery) name its author here;
without it nobody is taken for the author of what such an event is about."""

AUTHORING = frozenset(
    {"write", "marker", "unwrite", "tags", "grants", "bucket", "policy", "key", "delivery"}
)
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
        "rule": OWN,  # and only if the party's own file holds it, see _own_rule
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
        "kind": ALL,
        "attempts": OWN,
        "deadline": OWN,  # whether it was missed
        "name": OWN,
        "signature": frozenset({Role.ACTOR}),  # SigV2, where it was that
        "lifecycle": OWN,  # the id of the rule that did it
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
RULES = frozenset({"rule", "revision"})


def open_for(opened: Opened, party: str) -> tuple[Opening, ...]:
    """The openings that `party` may have, in their order; erased ones are left out.

    Empty where the event is neither the party's own act nor belongs to its view.
    """
    roles = _roles(opened, party)
    if not party or not roles:
        return ()
    refusal = opened.value("kind") == REFUSAL
    rule = opened.value("rule")
    return tuple(
        item
        for item in opened.fields
        if item.value is not None
        and bool(roles & _who(item.field, party, refusal))
        and _own_rule(item, rule, party)
    )


def _who(field: str, party: str, refusal: bool) -> Roles:
    """The roles that open a field to this party."""
    if refusal and field in REFUSED:
        return REFUSED[field]
    if field.startswith(TO):
        return ALL if field == TO + party else OWN
    if field.startswith(BY):
        return OWN
    if field.startswith(DETAIL):
        name, _, recipient = field.removeprefix(DETAIL).partition("/")
        if recipient:
            return ALL if recipient == party else NOBODY
        return WHO_DETAIL.get(name, NOBODY)
    return WHO.get(field, NOBODY)


def _own_rule(item: Opening, rule: str, party: str) -> bool:
    """Rules, and the revision beside one, open only to the party whose file holds the rule."""
    if item.field.startswith(BY):
        return _in_own_file(item.value or "", party)
    return item.field not in RULES or _in_own_file(rule, party)


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
    return rule.partition(":")[0].rpartition("/")[2] == f"{party}.yaml"
