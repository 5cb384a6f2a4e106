"""Who gets which openings: canaries of one party never reach another."""

import os
from dataclasses import replace

import pytest

from gateway.audit import records
from gateway.audit.disclosure import WHO, open_for
from gateway.audit.records import FIELDS, seal
from gateway.model import Event

WRITE = Event(
    kind="write",
    at=1,
    party="acme",
    principal="CANARY-acme-principal",
    door="sftp",
    request="CANARY-acme-request",
    bucket="orders",
    key="invoices/1.csv",
    version="v1",
    outcome="stored",
    rule="policies/acme.yaml:3 (CANARY-acme-rule)",
    revision="CANARY-revision",
    recipients={
        "globex": "CANARY-to-globex policies/acme.yaml:4 (CANARY-rule-for-globex)",
        "initech": "CANARY-to-initech policies/initech.yaml:4 (CANARY-rule-for-initech)",
    },
    detail={
        "size": "17",
        "target/globex": "CANARY-globex-target",
        "error/globex": "CANARY-globex-error",
        "unheard-of": "CANARY-unknown",
    },
    readers=("acme", "globex", "initech"),
)
READ = replace(
    WRITE,
    kind="read",
    party="globex",
    principal="CANARY-globex-principal",
    request="CANARY-globex-request",
    rule="policies/acme.yaml:3 (CANARY-acme-rule)",
    recipients={},
    detail={"author": "acme"},
    readers=("globex", "acme"),
)


def given_to(event: Event, party: str) -> dict[str, str]:
    opened = records.decode(seal(event, 1, os.urandom).openings)
    return {item.field: item.value or "" for item in open_for(opened, party)}


def canaries(fields: dict[str, str]) -> set[str]:
    words = " ".join(fields.values()).replace("(", " ").replace(")", " ").split()
    return {word.removeprefix("CANARY-") for word in words if word.startswith("CANARY-")}


def test_by_which_lifecycle_rule_something_went_is_told_to_its_author_alone() -> None:
    gone = replace(WRITE, kind="marker", detail={"lifecycle": "CANARY-lifecycle-rule"})
    assert "lifecycle-rule" in canaries(given_to(gone, "acme"))
    for other in ("globex", "initech"):
        assert "lifecycle-rule" not in canaries(given_to(gone, other))


def test_the_author_of_a_write_gets_all_but_its_partners_own() -> None:
    assert canaries(given_to(WRITE, "acme")) == {
        "acme-principal",
        "acme-request",
        "acme-rule",
        "revision",
        "to-globex",
        "to-initech",
        "rule-for-globex",
    }


def test_a_recipient_gets_what_happened_and_its_own_part_alone() -> None:
    assert canaries(given_to(WRITE, "globex")) == {"to-globex", "globex-target", "globex-error"}
    assert given_to(WRITE, "initech") == {
        "number": "1",
        "kind": "write",
        "at": "1",
        "party": "acme",
        "bucket": "orders",
        "key": "invoices/1.csv",
        "version": "v1",
        "outcome": "stored",
        "to/initech": "CANARY-to-initech",
        "detail/size": "17",
    }


@pytest.mark.parametrize("party", ["hooli", "", "acm", "acme,globex"])
def test_a_party_without_the_event_in_its_view_gets_nothing(party: str) -> None:
    assert given_to(WRITE, party) == {}
    assert given_to(replace(WRITE, party=""), party) == {}


def test_a_recipient_that_is_no_reader_gets_nothing() -> None:
    assert given_to(replace(WRITE, readers=("acme",)), "globex") == {}


def test_an_author_that_is_no_reader_gets_nothing() -> None:
    assert given_to(replace(READ, readers=("globex",)), "acme") == {}


def test_the_author_learns_who_read_and_the_reader_no_rule_of_the_author() -> None:
    assert canaries(given_to(READ, "acme")) == {"globex-principal", "acme-rule", "revision"}
    assert canaries(given_to(READ, "globex")) == {"globex-principal", "globex-request"}


def test_a_rule_opens_to_the_party_whose_file_holds_it_and_to_no_other() -> None:
    in_globex_file = replace(READ, rule="policies/globex.yaml:9 (x)")
    assert "rule" in given_to(in_globex_file, "globex")
    assert "rule" not in given_to(in_globex_file, "acme")
    for rule in ("topology.yaml:3", "policies/not-acme.yaml:1", "acme", ""):
        assert "rule" not in given_to(replace(WRITE, rule=rule), "acme")
        assert "revision" not in given_to(replace(WRITE, rule=rule), "acme")


def test_without_a_named_author_no_reader_is_taken_for_one() -> None:
    assert canaries(given_to(replace(READ, detail={}), "acme")) == set()


def test_a_refusal_does_not_tell_the_refused_that_there_is_something() -> None:
    refusal = replace(READ, kind="refusal", version="hidden", rule="")
    refused, author = given_to(refusal, "globex"), given_to(refusal, "acme")
    assert "version" not in refused
    assert "detail/author" not in refused
    assert author["version"] == "hidden"
    assert refused["key"] == "invoices/1.csv"


def test_who_else_reads_is_told_to_nobody() -> None:
    for party in ("acme", "globex", "initech"):
        assert "readers" not in given_to(WRITE, party)


def test_an_erased_field_is_given_to_nobody() -> None:
    openings = records.erase(seal(WRITE, 1, os.urandom).openings, ["key"])
    assert "key" not in {item.field for item in open_for(records.decode(openings), "acme")}


def test_every_field_has_a_row() -> None:
    assert set(WHO) == set(FIELDS)
