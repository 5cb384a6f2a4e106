"""Offers that are not accepted, and the line that accepts each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Bucket, Mode, Versioning
from gateway.policy.document import load
from gateway.policy.mesh import Mesh
from gateway.policy.offers import Offer, outstanding

TOPOLOGY = """
parties:
  acme: {store: {type: file, path: ../a}, create_buckets: ["acme-*"], principals: [{name: p}]}
  globex: {store: {type: file, path: ../g}, principals: [{name: p}]}
  initech: {principals: [{name: p}]}
  umbra: {principals: [{name: p}]}
buckets:
  orders: {owner: acme, members: {acme: {write: ["in/**", "x/**"]}, globex: {}, initech: {}}}
"""


def files(**rules: str) -> dict[str, str]:
    made = {f"{name}.yaml": f"party: {name}\n{body}" for name, body in rules.items()}
    return {"topology.yaml": TOPOLOGY, **made}


def mesh(texts: dict[str, str]) -> Mesh:
    loaded = load(texts, base="/srv")
    assert loaded.problems == ()
    assert loaded.mesh is not None
    return loaded.mesh


def offers(made: dict[str, Bucket] | None = None, **rules: str) -> list[Offer]:
    return list(outstanding(mesh(files(**rules)), made or {}))


def sends(to: str, keys: str = '"in/**"', more: str = "") -> str:
    return f"sends:\n  - {{bucket: orders, keys: [{keys}], to: {{{to}}}{more}}}\n"


def accepts(*lines: str) -> str:
    return "accepts:\n" + "".join(f"  - {{from: [acme], bucket: orders{each}}}\n" for each in lines)


def told(found: list[Offer]) -> list[tuple[str, Mode, Mode | None]]:
    return [(each.party, each.mode, each.have) for each in found]


def test_what_nobody_accepted_is_outstanding() -> None:
    found = offers(acme=sends("globex: copy, initech: share"))
    assert told(found) == [("globex", Mode.COPY, None), ("initech", Mode.SHARE, None)]
    assert found[0].line == (
        '- {from: [acme], bucket: orders, keys: ["in/**"], into: "{bucket}/{key}"}'
    )
    assert found[1].line == '- {from: [acme], bucket: orders, keys: ["in/**"]}'


def test_what_is_accepted_is_not() -> None:
    assert offers(acme=sends("initech: share"), initech=accepts("")) == []
    assert offers(acme=sends("globex: copy"), globex=accepts(', into: "in/{key}"')) == []


def test_a_copy_that_is_accepted_as_a_share_is_outstanding_as_a_copy() -> None:
    found = offers(acme=sends("globex: copy"), globex=accepts(""))
    assert told(found) == [("globex", Mode.COPY, Mode.SHARE)]


def test_who_has_no_store_can_have_no_more_than_a_share() -> None:
    assert told(offers(acme=sends("initech: copy"))) == [("initech", Mode.SHARE, None)]
    assert offers(acme=sends("initech: copy"), initech=accepts("")) == []


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        (('"in/a*"',), True),
        (('"in/**"',), False),
        (('"**"',), False),
        (('"in/*"', '"in/*/**"'), False),
        (('"in/*"',), True),
        (('"in/**"], except: ["in/b"',), True),
        (('"in/**"], except: ["in/b"', '"in/b"'), False),
        (('"**"], except: ["x/**"',), False),
    ],
)
def test_a_part_that_no_rule_takes_is_found(keys: tuple[str, ...], left: bool) -> None:
    ours = accepts(*(f", keys: [{each}]" for each in keys))
    assert bool(offers(acme=sends("initech: share"), initech=ours)) is left


def test_only_keys_that_the_sender_may_write_count() -> None:
    ours = accepts(', keys: ["in/**"]', ', keys: ["x/**"]')
    assert offers(acme=sends("initech: share", '"**"'), initech=ours) == []


def test_what_its_own_exceptions_or_rules_keep_back_is_no_offer() -> None:
    ours = accepts(', keys: ["in/a/**"]')
    theirs = sends("initech: share", more=', except: ["in/b*/**", "in/*"]')
    left = offers(acme=theirs, initech=ours)
    assert told(left) == [("initech", Mode.SHARE, Mode.SHARE)], "in/c/1 is left"
    forbids = "forbids:\n  - {bucket: orders, keys: ['in/**'], to: [initech]}\n"
    assert offers(acme=sends("initech: share") + forbids) == []
    narrower = "forbids:\n  - {bucket: orders, keys: ['in/a'], to: [initech]}\n"
    assert told(offers(acme=sends("initech: share") + narrower)) == [("initech", Mode.SHARE, None)]


def test_a_star_offers_to_every_member_and_to_nobody_else() -> None:
    found = offers(acme=sends('"*": share'))
    assert [each.party for each in found] == ["globex", "initech"]


def test_a_bucket_that_was_made_or_is_to_be_made_counts() -> None:
    theirs = "sends:\n  - {bucket: acme-new, keys: ['**'], to: {umbra: share}}\n"
    assert [each.party for each in offers(acme=theirs)] == ["umbra"]
    made = Bucket("acme-new", "acme", {"acme": ("**",)}, Versioning.OFF, created=1)
    assert [each.party for each in offers({"acme-new": made}, acme=theirs)] == ["umbra"]


def test_a_proposed_copy_lands_where_nothing_else_does() -> None:
    first = accepts(', keys: ["x/**"], into: "orders/in/{key}"')
    text = sends("globex: copy")
    found = offers(acme=text, globex=first)
    assert found[0].line.endswith('into: "{author}/{bucket}/{key}"}')
    assert offers(acme=text, globex=first + f"  {found[0].line}\n") == []


SEGMENTS = st.sampled_from(("in", "x", "a", "b*", "*", "**"))
PATTERNS = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)
KEYS = st.lists(PATTERNS, min_size=1, max_size=2).map(lambda p: ", ".join(f'"{t}"' for t in p))
MODES = st.sampled_from(("share", "copy", "copy-on-read"))


@settings(max_examples=150, deadline=None)
@given(KEYS, MODES, KEYS, st.sampled_from(("", ', into: "in/{key}"')))
def test_pasting_the_line_accepts_it(keys: str, mode: str, ours: str, into: str) -> None:
    """Of all rules that `check` lets through."""
    acme = f"party: acme\n{sends(f'globex: {mode}', keys)}"
    globex = f"party: globex\n{accepts(f', keys: [{ours}]{into}')}"
    texts = {"topology.yaml": TOPOLOGY, "acme.yaml": acme, "globex.yaml": globex}
    loaded = load(texts, base="/srv")
    if loaded.problems or loaded.mesh is None:
        return
    for offer in outstanding(loaded.mesh, {}):
        pasted = mesh({**texts, "globex.yaml": globex + f"  {offer.line}\n"})
        assert list(outstanding(pasted, {})) == []
