"""How far back a rule reaches, and what it leaves of what was given before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.model import Mode
from gateway.policy.mesh import Mesh
from tests.unit.policy.test_rules import DAY, FACTS, accepting, mesh, sends

OLD = replace(FACTS, changed=100)


def given(subject: Mesh, changed: int, held: Mapping[str, Mode] | None = None) -> Mode | None:
    """What globex gets of a version that this commit wrote."""
    facts = replace(FACTS, changed=changed)
    shares = subject.policy.decide(facts, subject.buckets["orders"], held or {}).shares
    return next((share.mode for share in shares if share.party == "globex"), None)


def started(subject: Mesh, number: int) -> Mesh:
    return subject.dated(dict.fromkeys(subject.policy.starting, number))


def test_now_is_the_commit_that_brought_the_rule() -> None:
    subject = started(mesh(acme=sends("globex: share"), globex=accepting()), 100)
    assert given(subject, 100) is None
    assert given(subject, 101) is Mode.SHARE
    assert given(subject, 0) is Mode.SHARE  # it is just being made


def test_a_rule_that_is_not_in_force_yet_reaches_back_to_nothing() -> None:
    subject = mesh(acme=sends("globex: share"), globex=accepting())
    assert given(subject, 2**62) is None
    assert given(subject, 0) is Mode.SHARE


def test_always_reaches_everything_and_a_date_what_was_written_from_it_on() -> None:
    always = mesh(acme=sends("globex: share", ", since: always"), globex=accepting())
    assert given(always, 1) is Mode.SHARE
    assert always.policy.starting == frozenset()
    for day, mode in (("1970-01-06", Mode.SHARE), ("1970-01-07", None)):
        assert FACTS.at == 5 * DAY
        dated = mesh(acme=sends("globex: share", f", since: {day}"), globex=accepting())
        assert given(dated, 1) is mode


def test_what_a_party_holds_it_keeps_though_the_rule_is_newer() -> None:
    subject = started(mesh(acme=sends("globex: share"), globex=accepting()), 500)
    assert given(subject, 100, {"globex": Mode.SHARE}) is Mode.SHARE
    assert given(subject, 100, {"initech": Mode.SHARE}) is None


def test_what_no_rule_gives_any_more_is_not_kept() -> None:
    subject = started(mesh(acme=sends("initech: share"), globex=accepting()), 500)
    assert given(subject, 100, {"globex": Mode.SHARE}) is None
    forbids = "forbids:\n  - {to: [globex]}\n"
    subject = started(mesh(acme=sends("globex: copy") + forbids, globex=accepting()), 500)
    assert given(subject, 100, {"globex": Mode.COPY}) is None


def test_a_newer_rule_makes_nothing_stronger_that_is_older() -> None:
    subject = started(mesh(acme=sends("globex: copy"), globex=accepting("in/{key}")), 500)
    assert given(subject, 100, {"globex": Mode.SHARE}) is Mode.SHARE
    assert given(subject, 501, {"globex": Mode.SHARE}) is Mode.COPY


def test_a_mode_gets_weaker_only_where_no_rule_gives_it_any_more() -> None:
    both = "sends:\n" + "".join(
        f'  - {{id: {mode}, bucket: orders, keys: ["invoices/**"], to: {{globex: {mode}}}}}\n'
        for mode in ("share", "copy")
    )
    held = {"globex": Mode.COPY}
    subject = started(mesh(acme=both, globex=accepting("in/{key}")), 500)
    assert given(subject, 100, held) is Mode.COPY
    subject = started(mesh(acme=sends("globex: share"), globex=accepting("in/{key}")), 500)
    assert given(subject, 100, held) is Mode.SHARE
    subject = started(mesh(acme=sends("globex: copy"), globex=accepting()), 500)
    assert given(subject, 100, held) is Mode.SHARE  # the recipient takes copies no more


def test_a_copy_that_is_kept_keeps_its_target() -> None:
    subject = started(mesh(acme=sends("globex: copy"), globex=accepting("in/{key}")), 500)
    share = subject.share_of("globex", OLD, None, Mode.COPY)
    assert share is not None
    assert (share.store, share.target, share.copied) == ("inbox", "in/invoices/1.csv", True)
    assert subject.share_of("globex", OLD, None, None) is None


def test_a_rule_is_known_by_what_it_says_and_not_by_its_line() -> None:
    first = mesh(acme=sends("globex: share"))
    moved = mesh(acme="# a line more\n" + sends("globex: share"))
    edited = mesh(acme=sends("globex: copy"))
    elsewhere = mesh(globex=sends("initech: share").replace("invoices/**", "invoices/joint/**"))
    assert first.policy.starting == moved.policy.starting
    assert first.policy.starting.isdisjoint(edited.policy.starting | elsewhere.policy.starting)
