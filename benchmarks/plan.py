"""`crossdock policy plan` over a catalog of a million versions: seconds, and memory at its peak."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.catalog.sqlite import SqliteCatalog
from gateway.catalog.writer import Transaction
from gateway.model import Event
from gateway.policy.document import load

Figure = tuple[str, float, str]

VERSIONS = 1_000_000
"""Two of each key, each held by three parties; of the newer one globex has a copy."""
KIB_A_MIB = 1024
PROGRAM = """
import re, sys
from gateway.cli import main
try:
    main()
finally:
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
    print(peak, file=sys.stderr)
"""
"""The command, and then its peak in KiB: what `getrusage` says of a child begins with its
parent's."""
CHANGE = 3
"""The exit code of a plan that is a change."""

GATEWAY = 'listen: {s3: "127.0.0.1:0"}\n'
TOPOLOGY = """
parties:
  acme: {store: {type: file, path: ../acme}, principals: [{name: erp}]}
  globex: {store: {type: file, path: ../globex}, principals: [{name: wms}]}
  initech: {principals: [{name: ledger}]}
  hooli: {principals: [{name: shop}]}
buckets:
  orders:
    owner: acme
    members: {acme: {write: ["invoices/**"]}, globex: {}, initech: {}, hooli: {}}
"""
ACME = """
party: acme
sends:
  - {id: invoices, bucket: orders, keys: ["invoices/**"], to: {globex: copy, initech: share}}
  - {id: few, bucket: orders, keys: ["invoices/000/**"], to: {hooli: share}, since: always}
"""
TAKES = "accepts: [{from: [acme], bucket: orders%s}]\n"
FILES = {
    "topology.yaml": TOPOLOGY,
    "acme.yaml": ACME,
    "globex.yaml": "party: globex\n" + TAKES % ', into: "in/{key}"',
    "initech.yaml": "party: initech\n" + TAKES % "",
}
EDITS = {
    "one party gets few files": {"hooli.yaml": "party: hooli\n" + TAKES % ""},
    "one party loses every file": {"initech.yaml": "party: initech\n"},
    "every copy gets another name": {
        "globex.yaml": "party: globex\n" + TAKES % ', into: "new/{key}"'
    },
}

VERSION_ROWS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
INSERT INTO versions (number, id, bucket, key, author, at, marker, is_null, size, etag, algorithm,
                      checksum_type, rest, tags, tags_number, heads, past)
SELECT i, 'bulk-' || i, 'orders',
       printf('invoices/%03d/%07d.csv', i % (?1 / 2) / 1000, i % (?1 / 2)),
       'acme', i, 0, 0, 5000, 'etag', 'crc64nvme', 'FULL_OBJECT',
       json_object('principal', 'erp', 'headers', json_object('content-type', 'text/csv'),
         'extents', json_array(json_array('acme', 'home', '.crossdock/' || i, 100, 5000, ''))),
       '', 0, 3 * (i > ?1 / 2), 0 FROM n"""
GRANT_ROWS = """
INSERT INTO grants SELECT ?1, bucket, key, -number, ?2, ?3, ?4, number, number, 0, 0, 1, 0
FROM versions"""
DELIVERY_ROWS = """
INSERT INTO deliveries (number, party, store, target, kind, state, rule, size, promised, due, head,
                        receipt)
SELECT number, 'globex', 'home', 'in/' || key, 'copy', 2, 'acme.yaml:4 (invoices)', size, number, 0,
       0, '{"at":1,"size":5000,"sha256":"","etag":"e","target_version":"","attempts":1}'
FROM versions WHERE heads > 0"""
RULE = "acme.yaml:4 (invoices)"
GRANTS = (
    ("acme", "own", "author"),
    ("globex", "copy", RULE),
    ("initech", "share", RULE),
)


def run(versions: int = VERSIONS) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_fill(folder, versions))
        return [figure for edit in EDITS for figure in _planned(folder, edit)]


def _planned(folder: Path, edit: str) -> list[Figure]:
    for file, text in {**FILES, **EDITS[edit]}.items():
        (folder / "policies" / file).write_text(text)
    words = ["policy", "plan", "--json", "--config", str(folder / "gateway.yaml")]
    program = [sys.executable, "-c", PROGRAM, *words]
    began, worked = time.monotonic(), _cpu()
    done = subprocess.run(program, check=False, capture_output=True)
    took, cpu = time.monotonic() - began, _cpu() - worked
    if done.returncode != CHANGE:
        raise RuntimeError(done.stderr.decode())
    (folder / "policies" / "hooli.yaml").unlink(missing_ok=True)
    peak = int(done.stderr.split()[-1]) / KIB_A_MIB
    return [
        (f"plan: {edit}", took, "s"),
        (f"plan: {edit}, CPU", cpu, "s"),
        (f"plan: {edit}, memory at most", peak, "MiB"),
    ]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _fill(folder: Path, versions: int) -> None:
    (folder / "gateway.yaml").write_text(GATEWAY)
    for name in ("policies", "data"):
        (folder / name).mkdir()
    mesh = load(FILES, base=str((folder / "policies").resolve())).mesh
    if mesh is None:
        raise RuntimeError("the policies of this benchmark are wrong")
    catalog = await SqliteCatalog.open(folder / "data/catalog.db", clock=time.time_ns)
    revision = mesh.revision

    def fill(tx: Transaction) -> None:
        tx.run(VERSION_ROWS, (versions,))
        for party, mode, rule in GRANTS:
            tx.run(GRANT_ROWS, (party, mode, rule, revision))
        tx.run(DELIVERY_ROWS)
        tx.run("UPDATE numbers SET versions = ?", (versions,))
        tx.run("UPDATE policies SET reached = 0")

    try:
        event = Event("policy", 1, revision=revision)
        starting = mesh.policy.starting
        await catalog.put_policy(revision, mesh.texts, event, starting=starting)
        await catalog.write(fill)
    finally:
        await catalog.close()
