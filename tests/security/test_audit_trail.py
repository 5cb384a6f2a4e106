"""What is refused is on record: one event each in the next batch, strangers as counts alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.audit.disclosure import open_for
from tests.s3.raw import Socket
from tests.security.attempts import MEMBER, OUTSIDER, WITHDRAWN
from tests.security.trail import recorded
from tests.security.world import SECRET_KEY, Watched, furnish


@pytest.fixture
def gateway(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_refusals_are_in_the_next_batch_and_strangers_in_its_count(gateway: Watched) -> None:
    with gateway:
        furnish(gateway)
        watch = gateway.watch()
        size = gateway.run(gateway.catalog.size())
        for actor in (MEMBER, OUTSIDER, WITHDRAWN):
            assert gateway.ask(actor, "GET", f"/orders/{SECRET_KEY}").status == 404
        with Socket(gateway) as connection:
            for _ in range(50):
                assert connection.ask(b"GET /orders HTTP/1.1\r\nHost: a\r\n\r\n").status == 403
        records = gateway.run(recorded(gateway.catalog, watch.events, watch.strangers))
        assert gateway.run(gateway.catalog.size()) == size + 1, "one record for all of it"
        refused = [r for r in records if r.value("kind") == "refusal"]
        assert {r.value("party") for r in refused} == {"globex", "umbra", "hooli", ""}
        assert len(refused) == 4
        assert [r.value("detail/from 127.0.0.1") for r in refused if not r.value("party")] == ["50"]


def test_a_refusal_is_its_own_partys_and_the_authors_to_read(gateway: Watched) -> None:
    """The author is told only who was refused what it had: a hidden version, not an absent one."""
    with gateway:
        furnish(gateway)
        watch = gateway.watch()
        gateway.ask(WITHDRAWN, "GET", f"/orders/{SECRET_KEY}")
        gateway.ask(MEMBER, "GET", "/orders/invoices/absent")
        records = gateway.run(recorded(gateway.catalog, watch.events))
        refused = [r for r in records if r.value("kind") == "refusal"]

    def fields(party: str) -> list[set[str]]:
        return [{o.field for o in open_for(r, party) if o.value} for r in refused]

    hidden, absent = fields("hooli")
    assert "version" not in hidden
    assert "detail/author" not in hidden
    assert {"party", "key", "outcome"} <= hidden
    assert absent == set()
    for_author, not_for_author = fields("acme")
    assert {"party", "key", "version"} <= for_author
    assert not_for_author == set()
    assert fields("umbra") == [set(), set()]
