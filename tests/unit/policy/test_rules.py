"""Policy's answers, one behaviour each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model import Bucket, Facts, May, Mode, ObjectRef, Principal, Share
from gateway.policy.clauses import target_values
from gateway.policy.document import load
from gateway.policy.mesh import Mesh

DAY = 86400 * 10**9
TOPOLOGY = """\
parties:
  acme: {store: {type: file, path: a}, create_buckets: ["acme-*"]}
  globex: {store: {type: file, path: g, name: inbox}}
  initech: {}
  umbra: {}
buckets:
  orders:
    members:
      acme: {write: ["invoices/**"]}
      globex: {write: ["invoices/joint/**"]}
      initech: {}
"""
REF = ObjectRef("orders", "invoices/1.csv")
FACTS = Facts(REF, "acme", 10, "text/csv", at=5 * DAY, version="v1")
JOINT = replace(FACTS, ref=ObjectRef("orders", "invoices/joint/1"))
ALL = 'bucket: orders, keys: ["invoices/**"]'


def mesh(**rules: str) -> Mesh:
    """Parties by name, each with the body of its file."""
    files = {f"{name}.yaml": f"party: {name}\n{body}" for name, body in rules.items()}
    loaded = load({"topology.yaml": TOPOLOGY, **files}, base="/srv")
    assert loaded.problems == ()
    assert loaded.mesh is not None
    return loaded.mesh


def accepting(into: str = "") -> str:
    into = f', into: "{into}"' if into else ""
    return f"accepts:\n  - {{id: in, from: [acme], bucket: orders{into}}}\n"


def shares(mesh: Mesh, facts: Facts = FACTS) -> dict[str, Share]:
    decision = mesh.policy.decide(facts, mesh.buckets["orders"])
    assert decision.revision == mesh.revision
    return {share.party: share for share in decision.shares}


def sends(to: str, more: str = "") -> str:
    return f"sends:\n  - {{id: out, {ALL}, to: {{{to}}}{more}}}\n"


def test_nothing_is_shared_by_default() -> None:
    assert shares(mesh()) == {}


def test_an_offer_without_consent_gives_nothing() -> None:
    assert shares(mesh(acme=sends("globex: copy"))) == {}


def test_consent_without_an_offer_gives_nothing() -> None:
    assert shares(mesh(globex=accepting())) == {}


def test_a_copy_names_both_rules_and_its_target() -> None:
    subject = mesh(acme=sends("globex: copy"), globex=accepting("in/{author}/{key}"))
    share = shares(subject)["globex"]
    assert (share.mode, share.store) == (Mode.COPY, "inbox")
    assert share.target == "in/acme/invoices/1.csv"
    assert str(share.rule) == "acme.yaml:3 (out)"
    assert str(share.accept) == "globex.yaml:3 (in)"


def test_accepts_without_into_admits_a_share_alone() -> None:
    subject = mesh(acme=sends("globex: copy"), globex=accepting())
    assert shares(subject)["globex"].mode is Mode.SHARE


def test_into_does_not_turn_a_share_into_a_copy() -> None:
    subject = mesh(acme=sends("globex: share"), globex=accepting("in/{key}"))
    share = shares(subject)["globex"]
    assert (share.mode, share.store, share.target) == (Mode.SHARE, "", "")


def test_the_strongest_mode_wins_over_everyones() -> None:
    subject = mesh(acme=sends('"*": copy, globex: share'), globex=accepting("in/{key}"))
    assert shares(subject)["globex"].mode is Mode.COPY


def test_everyone_means_members_alone() -> None:
    anyone = 'accepts:\n  - {from: ["*"]}\n'
    subject = mesh(acme=sends('"*": share'), initech=anyone, umbra=anyone)
    assert set(shares(subject)) == {"initech"}


def test_forbids_beats_everything_but_co_authorship() -> None:
    forbids = "forbids:\n  - {id: no-more, to: ['*']}\n"
    subject = mesh(acme=sends('"*": share') + forbids, globex=accepting(), initech=accepting())
    assert shares(subject) == {}
    assert {p: s.mode for p, s in shares(subject, JOINT).items()} == {"globex": Mode.OWN}


def test_forbids_of_somebody_else_mean_nothing() -> None:
    forbids = "forbids:\n  - {to: ['*']}\n"
    subject = mesh(acme=sends('"*": share'), globex=forbids, initech=accepting() + forbids)
    assert set(shares(subject)) == {"initech"}


def test_a_tag_can_forbid() -> None:
    forbids = "forbids:\n  - {when: {tags: {class: [pii]}}, to: [initech]}\n"
    subject = mesh(acme=sends('"*": share') + forbids, initech=accepting())
    assert set(shares(subject)) == {"initech"}
    assert shares(subject, replace(FACTS, tags={"class": "pii"})) == {}


def test_a_co_author_owns_what_the_other_writes() -> None:
    share = shares(mesh(), JOINT)["globex"]
    assert (share.mode, share.rule.file, share.rule.line) == (Mode.OWN, "topology.yaml", 10)


def test_since_a_date_leaves_older_versions_alone_but_not_reads() -> None:
    subject = mesh(acme=sends("initech: share", ", since: 1970-01-11"), initech=accepting())
    old, new = FACTS, replace(FACTS, at=10 * DAY)
    assert (set(shares(subject, old)), set(shares(subject, new))) == (set(), {"initech"})
    assert subject.policy.sees("initech", old, subject.buckets["orders"]).allowed


@pytest.mark.parametrize("order", [1, -1])
def test_among_several_targets_the_choice_is_the_same_in_any_order(order: int) -> None:
    rules = ["in/{key}", "all/{bucket}/{key}"][::order]
    body = "".join(f'  - {{from: [acme], bucket: orders, into: "{into}"}}\n' for into in rules)
    subject = mesh(acme=sends("globex: copy"), globex=f"accepts:\n{body}")
    assert shares(subject)["globex"].target == "all/orders/invoices/1.csv"


def test_a_target_may_name_the_version() -> None:
    subject = mesh(acme=sends("globex: copy"), globex=accepting("in/{version}/{key}"))
    assert shares(subject)["globex"].target == "in/v1/invoices/1.csv"


def test_braces_in_a_key_are_just_braces() -> None:
    subject = mesh(acme=sends("globex: copy"), globex=accepting("in/{key}"))
    odd = replace(FACTS, ref=ObjectRef("orders", "invoices/{author}{0}{{"))
    assert shares(subject, odd)["globex"].target == "in/invoices/{author}{0}{{"


@pytest.mark.parametrize(
    ("when", "facts", "fits"),
    [
        ("size: {min: 10, max: 10}", FACTS, True),
        ("size: {min: 11}", FACTS, False),
        ("size: {max: 9B}", FACTS, False),
        ("type: [text/csv]", replace(FACTS, content_type="TEXT/CSV; charset=x"), True),
        ("type: ['text/*']", FACTS, True),
        ("type: ['image/*', text/xml]", FACTS, False),
        ("metadata: {class: [a, b]}", replace(FACTS, metadata={"class": "b"}), True),
        ("metadata: {class: [a, b]}", FACTS, False),
        ("tags: {x: [a], z: [b]}", replace(FACTS, tags={"x": "a"}), False),
    ],
)
def test_a_condition(when: str, facts: Facts, fits: bool) -> None:
    subject = mesh(acme=sends("initech: share", f", when: {{{when}}}"), initech=accepting())
    assert ("initech" in shares(subject, facts)) is fits


# --- writing -----------------------------------------------------------------------------------


def may_write(principal: Principal, ref: ObjectRef = REF) -> tuple[bool, str]:
    subject = mesh()
    reason = subject.policy.may_write(principal, ref, subject.buckets["orders"])
    return reason.allowed, reason.text


def test_a_granted_key_may_be_written() -> None:
    assert may_write(Principal("acme", "erp")) == (True, "granted")


def test_a_refused_write_says_which_grant_is_missing() -> None:
    assert may_write(Principal("acme", "erp"), ObjectRef("orders", "acks/1")) == (
        False,
        "no grant for orders/acks/1: in orders, acme may write invoices/**",
    )


def test_a_member_without_grants_writes_nothing() -> None:
    assert may_write(Principal("initech", "x"))[1].endswith("initech may write nothing")


def test_a_stranger_writes_nothing() -> None:
    assert may_write(Principal("umbra", "x")) == (False, "umbra is not a member of orders")


@pytest.mark.parametrize("may", [May.READ, May.POLICY])
def test_a_principal_that_may_not_write(may: May) -> None:
    allowed, text = may_write(Principal("acme", "nightly", may))
    assert (allowed, text) == (False, f"nightly may not write (may: {may.value})")


def test_a_principal_is_narrowed_to_its_prefixes() -> None:
    allowed, text = may_write(Principal("acme", "erp", keys=("invoices/2026",)))
    assert (allowed, text) == (False, "erp is limited to keys that begin with invoices/2026")


def test_a_principal_reads_within_its_own_limits() -> None:
    policy = mesh().policy
    assert policy.may_read(Principal("acme", "x", May.READ, ("invoices/",)), REF).allowed
    assert not policy.may_read(Principal("acme", "x", May.READ, ("asn/",)), REF).allowed
    assert not policy.may_read(Principal("acme", "x", May.WRITE), REF).allowed
    assert not policy.may_read(Principal("acme", "x", May.POLICY), REF).allowed


# --- buckets made through a door ---------------------------------------------------------------

MADE = Bucket("acme-x", "acme", {"acme": ("**",)}, created=1)


def test_a_party_creates_only_what_the_topology_lets_it() -> None:
    policy = mesh().policy
    assert policy.may_create("acme", "acme-x")
    assert not policy.may_create("acme", "other")
    assert not policy.may_create("globex", "acme-x")


def test_a_made_bucket_is_its_creators_alone() -> None:
    policy = mesh().policy
    assert policy.members(MADE) == {"acme"}
    assert policy.may_write(Principal("acme", "x"), ObjectRef("acme-x", "any"), MADE).allowed


def test_sends_of_its_creator_make_members_of_a_made_bucket() -> None:
    out = 'sends:\n  - {bucket: acme-x, keys: ["**"], to: {initech: share, "*": share}}\n'
    into = "accepts:\n  - {from: [acme], bucket: acme-x}\n"
    policy = mesh(acme=out, initech=into, globex='accepts:\n  - {from: ["*"]}\n').policy
    assert policy.members(MADE) == {"acme", "initech"}
    facts = replace(FACTS, ref=ObjectRef("acme-x", "any"))
    assert [s.party for s in policy.decide(facts, MADE).shares] == ["initech"]
    assert not policy.may_write(Principal("initech", "x"), facts.ref, MADE).allowed


def test_somebody_elses_sends_make_no_members() -> None:
    subject = mesh()
    theirs = Bucket("acme-x", "globex", {"globex": ("**",)}, created=1)
    assert subject.policy.members(theirs) == {"globex"}


def test_a_bucket_that_the_topology_no_longer_has_gets_no_new_members() -> None:
    out = 'sends:\n  - {bucket: acme-x, keys: ["**"], to: {initech: share}}\n'
    stale = replace(MADE, created=0)
    assert mesh(acme=out).policy.members(stale) == {"acme"}


def test_an_author_that_left_the_bucket_shares_nothing_there_any_more() -> None:
    files = {
        "topology.yaml": TOPOLOGY,
        "acme.yaml": f"party: acme\n{sends('initech: share')}",
        "initech.yaml": 'party: initech\naccepts:\n  - {from: ["*"]}\n',
    }
    gone = TOPOLOGY.replace('      acme: {write: ["invoices/**"]}\n', "")
    after = load({**files, "topology.yaml": gone}, base="/srv", last_good=files).mesh
    assert after is not None
    assert after.texts["acme.yaml"] == files["acme.yaml"]
    assert shares(after) == {}
    assert not after.policy.sees("initech", FACTS, after.buckets["orders"]).allowed
    assert not after.policy.sees("acme", FACTS, after.buckets["orders"]).allowed


def test_no_copy_ever_lands_among_crossdocks_own_objects() -> None:
    rule = mesh(globex=accepting("in/{key}")).policy.rules.accepts[0]
    reckless = replace(rule, into="{key}")
    facts = replace(FACTS, ref=ObjectRef("orders", ".crossdock/x"))
    assert reckless.target(target_values(facts)) == ""
    assert rule.target(target_values(facts)) == "in/.crossdock/x"


# --- explaining --------------------------------------------------------------------------------

OFFER = sends("globex: copy, initech: share")


def explained(subject: Mesh, party: str, asker: str, facts: Facts = FACTS) -> tuple[bool, str]:
    answer = subject.policy.explain(party, "read", facts, subject.buckets["orders"], asker)
    return answer.allowed, answer.text


def test_the_operator_sees_both_rules() -> None:
    subject = mesh(acme=OFFER, initech=accepting())
    answer = subject.policy.explain("initech", "read", FACTS, subject.buckets["orders"])
    assert (answer.allowed, answer.mode, answer.revision) == (True, Mode.SHARE, subject.revision)
    assert [(str(f.rule), f.outcome) for f in answer.findings] == [
        ("acme.yaml:3 (out)", "decides"),
        ("initech.yaml:3 (in)", "decides"),
    ]


def test_the_operator_is_told_what_stands_in_the_way() -> None:
    forbids = "forbids:\n  - {id: stays, to: [initech]}\n"
    assert explained(mesh(acme=OFFER), "initech", "") == (
        False,
        "offered by acme.yaml:3 (out), but no rule of initech accepts it",
    )
    assert explained(mesh(), "initech", "")[1] == "no rule of acme sends this to initech"
    assert explained(mesh(), "umbra", "")[1] == "umbra is not a member of orders"
    blocked = mesh(acme=OFFER + forbids, initech=accepting())
    assert explained(blocked, "initech", "")[1] == "forbidden by acme.yaml:5 (stays)"


def test_a_near_miss_says_which_condition_failed() -> None:
    subject = mesh(acme=sends("initech: share", ", when: {size: {min: 1MB}}"), initech=accepting())
    answer = subject.policy.explain("initech", "read", FACTS, subject.buckets["orders"])
    assert ("misses", "size is 10, below 1000000") in [(f.outcome, f.why) for f in answer.findings]


def test_rules_that_matched_come_before_those_that_nearly_did_and_others_last() -> None:
    rule = "  - {bucket: orders, keys: [%s], %sto: {initech: share}}\n"
    large = "when: {size: {min: 1MB}}, "
    far, near, offer = rule % ("invoices/zz/*", large), rule % ('"**"', large), rule % ('"**"', "")
    subject = mesh(acme="sends:\n" + far + near + offer, initech=accepting())
    answer = subject.policy.explain("initech", "read", FACTS, subject.buckets["orders"])
    found = [(f.rule.id, f.outcome, f.near) for f in answer.findings if f.rule.owner == "acme"]
    assert found == [
        ("sends-3", "decides", False),
        ("sends-2", "misses", True),
        ("sends-1", "misses", False),
    ]


def test_a_recipient_is_told_of_its_own_rules_alone() -> None:
    subject = mesh(acme=OFFER, initech=accepting())
    answer = subject.policy.explain("initech", "read", FACTS, subject.buckets["orders"], "initech")
    assert {f.rule.file for f in answer.findings} == {"initech.yaml"}
    assert "acme.yaml" not in answer.text


def test_an_author_is_told_of_its_own_rules_alone() -> None:
    subject = mesh(acme=OFFER, initech=accepting())
    answer = subject.policy.explain("initech", "read", FACTS, subject.buckets["orders"], "acme")
    assert {f.rule.file for f in answer.findings} == {"acme.yaml"}
    assert "initech.yaml" not in answer.text
    assert explained(mesh(acme=OFFER), "initech", "acme") == (False, "not offered")


def test_absent_unshared_forbidden_and_unaccepted_read_alike() -> None:
    """What a party is answered for a version that it may not see depends on nothing but its own
    file and the name it asked for."""
    accepts = accepting()
    cases = [
        mesh(initech=accepts),
        mesh(acme=OFFER + "forbids:\n  - {to: ['*']}\n", initech=accepts),
        mesh(acme=sends("initech: share", ", when: {tags: {a: [b]}}"), initech=accepts),
    ]
    answers = [
        subject.policy.explain(
            "initech", "read", replace(FACTS, author=author), subject.buckets["orders"], "initech"
        )
        for subject in cases
        for author in ("acme", "globex", "")
    ]
    assert {(a.allowed, a.text, a.mode, a.findings) for a in answers} == {
        (False, "not offered", None, answers[0].findings)
    }


def test_a_third_party_is_told_nothing() -> None:
    subject = mesh(acme=OFFER, initech=accepting())
    for verb in ("read", "write"):
        orders = subject.buckets["orders"]
        answer = subject.policy.explain("initech", verb, FACTS, orders, "globex")
        assert (answer.allowed, answer.text, answer.findings) == (False, "not offered", ())


def test_a_refused_write_is_explained_with_the_line_of_the_grants() -> None:
    subject = mesh()
    answer = subject.policy.explain("globex", "write", FACTS, subject.buckets["orders"], "globex")
    assert not answer.allowed
    assert [str(f.rule) for f in answer.findings] == ["topology.yaml:10 (orders members)"]
