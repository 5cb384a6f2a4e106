"""How fast policy decides and loads: 10,000 rules over 1,000 parties, one file each."""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.model import Bucket, Facts, ObjectRef
from gateway.policy.document import Loaded, load

PARTIES = 1_000
RECIPIENTS = 8
MEMBERS = 10  # of each bucket, so that there are 100 buckets
ROUNDS = 20_000

Row = tuple[str, float, str]


def folder() -> dict[str, str]:
    """Ten rules a party: six sends, two forbids, two accepts."""
    files = {f"p{i}.yaml": party(i) for i in range(PARTIES)}
    return {**files, "topology.yaml": topology()}


def topology() -> str:
    parties = (f"  p{i}: {{store: {{type: file, path: ../data/p{i}}}}}" for i in range(PARTIES))
    buckets = (
        f"  bucket{b}:\n    members:\n"
        + "\n".join(f'      p{m}: {{write: ["p{m}/**"]}}' for m in peers(b * MEMBERS))
        for b in range(PARTIES // MEMBERS)
    )
    return "\n".join(["parties:", *parties, "buckets:", *buckets, ""])


def peers(i: int) -> range:
    first = i // MEMBERS * MEMBERS
    return range(first, first + MEMBERS)


def party(i: int) -> str:
    bucket = f"bucket{i // MEMBERS}"
    others = [f"p{m}" for m in peers(i) if m != i][:RECIPIENTS]
    modes = ", ".join(f"{name}: {'copy' if n % 2 else 'share'}" for n, name in enumerate(others))
    sends = (
        f'  - {{id: s{n}, bucket: {bucket}, keys: ["p{i}/{topic}/**"], except: ["**/*.tmp"],'
        f" when: {{metadata: {{class: [public, partner]}}, size: {{max: 5GiB}}}}, to: {{{modes}}}}}"
        for n, topic in enumerate(("invoices", "asn", "acks", "edi", "*", "x/*/y"))
    )
    return "\n".join(
        [
            f"party: p{i}",
            "sends:",
            *sends,
            "forbids:",
            "  - {id: f0, when: {tags: {class: [pii]}}, to: ['*']}",
            f'  - {{id: f1, bucket: {bucket}, keys: ["p{i}/**/secret/*"], to: ["*"]}}',
            "accepts:",
            f'  - {{id: a0, from: ["*"], bucket: {bucket}, into: "in/{{author}}/{{key}}"}}',
            f'  - {{id: a1, from: [{others[0]}], bucket: {bucket}, keys: ["{others[0]}/**"]}}',
            "",
        ]
    )


def timed(work: Callable[[], Loaded]) -> tuple[Loaded, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def percentiles(work: Callable[[int], object]) -> tuple[float, float]:
    """Median and 99th percentile of one call, in microseconds."""
    spent = []
    for i in range(ROUNDS):
        begun = time.perf_counter_ns()
        work(i)
        spent.append(time.perf_counter_ns() - begun)
    spent.sort()
    return spent[len(spent) // 2] / 1000, spent[len(spent) * 99 // 100] / 1000


def run() -> list[Row]:
    files = folder()
    loaded, cold = timed(lambda: load(files, base="/policies"))
    if loaded.mesh is None or loaded.problems:
        raise AssertionError(loaded.problems[:3])
    edited = {**files, "p7.yaml": files["p7.yaml"].replace("5GiB", "4GiB")}
    _, warm = timed(lambda: load(edited, base="/policies", cache=loaded.cache))
    policy = loaded.mesh.policy
    cases: list[tuple[Facts, Bucket, str]] = []
    for i in range(PARTIES):
        ref = ObjectRef(f"bucket{i // MEMBERS}", f"p{i}/invoices/2026/07/{i}.csv")
        facts = Facts(ref, f"p{i}", 1000, "text/csv", {"class": "partner"}, {"final": "yes"})
        cases.append((facts, loaded.mesh.buckets[ref.bucket], f"p{peers(i)[0]}"))
    received = len(policy.decide(cases[0][0], cases[0][1]).shares)
    decide = percentiles(lambda i: policy.decide(*cases[i % PARTIES][:2]))
    sees = percentiles(lambda i: policy.sees(cases[i % PARTIES][2], *cases[i % PARTIES][:2]))
    return [
        ("policy: recipients of a decision", received, ""),
        ("policy: decide, p50", decide[0], "µs"),
        ("policy: decide, p99", decide[1], "µs"),
        ("policy: sees, p50", sees[0], "µs"),
        ("policy: sees, p99", sees[1], "µs"),
        ("policy: cold load of 10,000 rules in 1,000 files", cold, "s"),
        ("policy: load after one file's edit", warm, "s"),
    ]


if __name__ == "__main__":
    for name, figure, unit in run():
        print(f"{name:52} {figure:10.2f} {unit}")
