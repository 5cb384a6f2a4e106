"""When rules are looked at, with the clock in hand: as seldom as it may be, and never too late."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.catalog import Expect
from gateway.errors import NoSuchUpload
from gateway.exchange.collector import COMPLETED_NS, Collector
from gateway.exchange.terms import Completion, Draft, PartClaim
from gateway.lifecycle import SETTING, Rule, text_of
from gateway.locks import DAY_NS
from gateway.model import ObjectRef, Versioning
from gateway.operations.housekeeping import Expiring
from tests.model.world import HOUR, START, Bytes, World, caller

ACME = caller("acme")
AGING = "acme-aging"
PARTIES = """
parties:
  acme:
    store: {type: file, path: acme}
    create_buckets: ["acme-*"]
    principals: [{name: erp}]
  globex: {store: {type: file, path: globex}, principals: [{name: erp}]}
"""
GLOBEX = "party: globex\n"
FILES = {"topology.yaml": PARTIES, "acme.yaml": "party: acme\n", "globex.yaml": GLOBEX}
STORED = """store: {type: file, path: acme}
    create_buckets: ["acme-*"]"""
DECLARED = f"{PARTIES}buckets:\n  {AGING}: {{owner: acme, members: {{acme: {{write: ['**']}}}}}}\n"


@pytest.fixture
def world() -> Iterator[World]:
    made = World(FILES)
    made.run(made.exchange.buckets.create(ACME, AGING))
    made.run(made.exchange.buckets.set_versioning(ACME, AGING, Versioning.ENABLED))
    yield made
    made.close()


@pytest.fixture
def expiring(world: World) -> Expiring:
    return Expiring(world.exchange.lifecycle, lambda: world.now, day_ns=DAY_NS, every_s=60)


@pytest.fixture
def looked(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prefixes that were looked below."""
    prefixes: list[str] = []
    standings = world.catalog.standings

    async def noted(bucket: object, prefix: str, **how: object) -> object:
        prefixes.append(prefix)
        return await standings(bucket, prefix, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(world.catalog, "standings", noted)
    return prefixes


def put(world: World, key: str) -> None:
    ref = ObjectRef(AGING, key)
    world.run(world.exchange.objects.put(ACME, ref, Bytes(b"x"), Draft(), Expect()))


def rule(world: World, *rules: Rule) -> None:
    text = text_of(rules)
    world.run(world.exchange.buckets.set_setting(ACME, AGING, SETTING, text))


def live(world: World) -> list[str]:
    keys = ("a", "b", "c")
    heads = [world.run(world.catalog.head("acme", ObjectRef(AGING, key))) for key in keys]
    found = zip(keys, heads, strict=True)
    return [key for key, held in found if held and not held.version.marker]


def test_a_bucket_is_passed_over_once_a_day(
    world: World, expiring: Expiring, looked: list[str]
) -> None:
    put(world, "a")
    rule(world, Rule("r", prefix="a", days=2))
    seen = []
    for _ in range(4 * 24):
        world.run(expiring.step())
        seen.append((len(looked), live(world)))
        world.now += HOUR
    midnight = 24 - START // HOUR % 24  # hours until the first one
    assert seen[midnight - 1] == (1, ["a"])
    assert seen[midnight] == (2, ["a"])
    assert seen[midnight + 24] == (3, ["a"])
    assert seen[midnight + 47] == (3, ["a"])
    assert seen[midnight + 48] == (4, [])  # written on day 0, gone as day 3 begins
    assert seen[midnight + 49] == (5, [])  # what a pass did may have made more due
    assert seen[-1] == (6, [])


def test_new_rules_are_looked_at_at_once(
    world: World, expiring: Expiring, looked: list[str]
) -> None:
    put(world, "a")
    world.run(expiring.step())
    rule(world, Rule("r", days=3))
    world.now += 5 * DAY_NS
    world.run(expiring.step())
    assert live(world) == []
    put(world, "b")
    world.run(expiring.step())
    before = len(looked)
    world.run(expiring.step())
    assert (len(looked), live(world)) == (before, ["b"])
    rule(world, Rule("r", date=0))
    world.run(expiring.step())
    assert live(world) == []


def test_what_topology_declares_has_no_rules(world: World, expiring: Expiring) -> None:
    put(world, "a")
    rule(world, Rule("r", date=0))
    world.edit({**FILES, "topology.yaml": DECLARED})
    world.run(expiring.step())
    assert live(world) == ["a"]
    world.edit(FILES)
    world.run(expiring.step())
    assert live(world) == []


@pytest.mark.parametrize("how", ["left", "storeless"])
def test_a_party_that_may_not_write_has_no_rules(
    world: World, expiring: Expiring, how: str
) -> None:
    put(world, "a")
    rule(world, Rule("r", date=0))
    if how == "left":
        world.edit({"topology.yaml": PARTIES.replace("acme", "other"), "globex.yaml": GLOBEX})
    else:
        world.edit({**FILES, "topology.yaml": PARTIES.replace(STORED, "title: Acme")})
    world.run(expiring.step())
    assert live(world) == ["a"]
    assert world.events == []


def test_a_completed_upload_is_known_for_a_week(world: World) -> None:
    uploads, ref = world.exchange.uploads, ObjectRef(AGING, "a")
    collector = Collector(world.catalog, lambda *_: None, lambda: world.now, lambda: ())
    upload = world.run(uploads.begin(ACME, ref, Draft())).id
    part = world.run(uploads.add_part(ACME, ref, upload, 1, Bytes(b"x")))
    claim = Completion((PartClaim(1, part.etag),))

    def complete() -> str:
        return world.run(uploads.complete(ACME, ref, upload, claim, Expect())).version.id

    first = complete()
    world.now += COMPLETED_NS
    world.run(collector.step())
    assert complete() == first
    world.now += 1
    assert world.run(collector.step()).uploads == 1
    with pytest.raises(NoSuchUpload):
        complete()
    assert live(world) == ["a"]
