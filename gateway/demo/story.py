"""The story, scene by scene: each says what is about to happen, looks, and compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from gateway.demo.stage import INBOX, Stage

BUCKET = "orders"
KEY = "invoices/2026-07.csv"
COPY = f"from-acme/{KEY}"
FIRST = b"invoice,amount\n4711,100.00\n"
SECOND = b"invoice,amount\n4711,120.00\n"
ARRIVAL_SECONDS = 15.0


@dataclass
class Teller:
    """Prints what it sees, and remembers what was not as it must be."""

    say: Callable[[str], None]
    differences: list[str] = field(default_factory=list)

    def scene(self, title: str) -> None:
        self.say(f"\n{title}")

    def sees(self, what: str, seen: object, wanted: object) -> None:
        if seen == wanted:
            self.say(f"  {what}: {_short(seen)}")
            return
        self.differences.append(what)
        self.say(f"  {what}: {_short(seen)}   <-- NOT AS IT MUST BE: {_short(wanted)}")

    def holds(self, what: str, seen: object, good: bool) -> None:
        if not good:
            self.differences.append(what)
        self.say(f"  {what}: {_short(seen)}{'' if good else '   <-- NOT AS IT MUST BE'}")


def _short(value: object) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text.strip().replace("\n", " | ")[:200]


def tell(stage: Stage, teller: Teller) -> None:
    first = put(stage, teller)
    copied(stage, teller, first)
    shared(stage, teller, first)
    hidden(stage, teller)
    refused(stage, teller)
    second = written_again(stage, teller, first)
    checkpoint = kept_checkpoint(stage, teller)
    deleted(stage, teller, first)
    asked(stage, teller, first, second)
    audited(stage, teller, checkpoint)
    stopped(stage, teller)


def put(stage: Stage, teller: Teller) -> str:
    teller.scene(f"acme puts {BUCKET}/{KEY}, as it would into any S3 bucket.")
    answer = stage.party["acme"].put_object(
        Bucket=BUCKET, Key=KEY, Body=FIRST, ContentType="text/csv", Metadata={"class": "partner"}
    )
    version: str = answer["VersionId"]
    teller.sees("status", answer["ResponseMetadata"]["HTTPStatusCode"], 200)
    teller.holds("version", version, bool(version))
    return version


def copied(stage: Stage, teller: Teller, version: str) -> None:
    teller.scene("acme's rule says `globex: copy`: globex finds its own copy in its own bucket.")
    began = time.monotonic()
    found = _arrival(stage, FIRST)
    teller.sees(f"{INBOX}/{COPY}", found["body"], FIRST)
    teller.sees("its version", found["metadata"].get("crossdock-version"), version)
    teller.sees("its content type", found["type"], "text/csv")
    teller.holds("seconds until it lay there", round(time.monotonic() - began, 2), True)
    teller.sees("globex asks the gateway, which says", _status(stage, "globex"), "REPLICA")
    teller.sees("acme asks the gateway, which says", _status(stage, "acme"), "COMPLETED")


def shared(stage: Stage, teller: Teller, version: str) -> None:
    teller.scene("acme's rule says `initech: share`: initech lists and reads it where it is.")
    initech = stage.party["initech"]
    listed = [row["Key"] for row in initech.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    teller.sees("initech lists", listed, [KEY])
    answer = initech.get_object(Bucket=BUCKET, Key=KEY)
    teller.sees("initech reads", answer["Body"].read(), FIRST)
    teller.sees("version", answer["VersionId"], version)


def hidden(stage: Stage, teller: Teller) -> None:
    teller.scene("umbra is no member of the bucket: for it there is nothing.")
    umbra = stage.party["umbra"]
    buckets = [row["Name"] for row in umbra.list_buckets()["Buckets"]]
    teller.sees("umbra lists buckets", buckets, [])
    code, _ = _error(lambda: umbra.get_object(Bucket=BUCKET, Key=KEY))
    teller.sees("umbra reads", code, "NoSuchBucket")
    code, _ = _error(lambda: umbra.list_objects_v2(Bucket=BUCKET))
    teller.sees("umbra lists the bucket", code, "NoSuchBucket")


def refused(stage: Stage, teller: Teller) -> None:
    teller.scene("initech may read invoices, not write them; the refusal says what is missing.")
    initech = stage.party["initech"]
    code, message = _error(lambda: initech.put_object(Bucket=BUCKET, Key=KEY, Body=b"forged"))
    teller.sees("initech writes", code, "AccessDenied")
    teller.holds("the reason", message, "initech may write nothing" in message)
    exit_code, answers = stage.command("policy", "explain", "initech", "write", f"{BUCKET}/{KEY}")
    teller.sees("`policy explain` says so too", (exit_code, answers[0]["allowed"]), (1, False))


def written_again(stage: Stage, teller: Teller, first: str) -> str:
    teller.scene("acme puts a second version: nothing is overwritten, and every party follows.")
    acme = stage.party["acme"]
    second: str = acme.put_object(Bucket=BUCKET, Key=KEY, Body=SECOND)["VersionId"]
    teller.holds("version", second, second != first)
    teller.sees("globex's copy now", _arrival(stage, SECOND)["body"], SECOND)
    body = stage.party["initech"].get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    teller.sees("initech reads", body, SECOND)
    old = acme.get_object(Bucket=BUCKET, Key=KEY, VersionId=first)["Body"].read()
    teller.sees("the first version still reads", old, FIRST)
    return second


def kept_checkpoint(stage: Stage, teller: Teller) -> str:
    teller.scene("A partner takes a signed checkpoint of the audit log home.")
    code, answer = stage.command("audit", "checkpoint")
    note = str(answer["checkpoint"]) if code == 0 else ""
    teller.holds("checkpoint", note.partition("\n\n")[0], code == 0 and bool(note))
    (stage.folder / "kept.checkpoint").write_text(note)
    return "kept.checkpoint"


def deleted(stage: Stage, teller: Teller, first: str) -> None:
    teller.scene("acme deletes the key: gone from every view, kept in history.")
    acme = stage.party["acme"]
    answer = acme.delete_object(Bucket=BUCKET, Key=KEY)
    teller.sees("a delete marker", answer.get("DeleteMarker"), True)
    code, _ = _error(lambda: stage.party["initech"].get_object(Bucket=BUCKET, Key=KEY))
    teller.sees("initech reads", code, "NoSuchKey")
    listed = stage.party["initech"].list_objects_v2(Bucket=BUCKET).get("KeyCount")
    teller.sees("initech lists", listed, 0)
    lying = stage.cloud.get_object(Bucket=INBOX, Key=COPY)["Body"].read()
    teller.sees("globex's copy is globex's", lying, SECOND)
    old = acme.get_object(Bucket=BUCKET, Key=KEY, VersionId=first)["Body"].read()
    teller.sees("acme still reads its first version", old, FIRST)


def asked(stage: Stage, teller: Teller, first: str, second: str) -> None:
    teller.scene("Who wrote it, who has it, since when, and who said so?")
    _, history = stage.command("history", f"{BUCKET}/{KEY}")
    rows = [(row["version"], row["author"], row["state"]) for row in history["versions"]]
    wanted = [(second, "acme", "kept"), (first, "acme", "kept")]
    teller.sees("history, newest first", rows[1:], wanted)
    teller.sees("its newest entry", rows[0][1:], ("acme", "delete marker"))
    _, holders = stage.command("who-has", f"{BUCKET}/{KEY}", "--version", second)
    held = {row["party"]: row for row in holders["holders"]}
    modes = {name: row["mode"] for name, row in sorted(held.items())}
    teller.sees(
        "who has the second version", modes, {"acme": "own", "globex": "copy", "initech": "share"}
    )
    rule = held["globex"]["rule"]
    teller.holds("by which rule", rule, "acme.yaml" in rule and "invoices" in rule)
    teller.holds("verified", held["globex"]["verified"], bool(held["globex"]["verified"]))
    teller.holds("where", held["globex"]["copy"], COPY in held["globex"]["copy"])
    _, done = stage.command("deliveries", "--state", "done")
    teller.sees("deliveries done", len(done), 2)


def audited(stage: Stage, teller: Teller, checkpoint: str) -> None:
    teller.scene("The audit log is recomputed, and compared with the checkpoint that was kept.")
    code, report = stage.command("audit", "verify", "--checkpoint", checkpoint)
    teller.sees("audit verify", (code, report["whole"]), (0, True))
    teller.holds("records", report["sealed"], report["sealed"] > 0)


def stopped(stage: Stage, teller: Teller) -> None:
    teller.scene("Ctrl-C.")
    teller.sees("the gateway's exit code", stage.stop(), 0)


def _arrival(stage: Stage, wanted: bytes) -> Mapping[str, Any]:
    """What lies in globex's bucket, once it is what is waited for or the time is over."""
    until = time.monotonic() + ARRIVAL_SECONDS
    while True:
        found = _look(stage)
        if found["body"] == wanted or time.monotonic() > until:
            return found
        time.sleep(0.05)


def _look(stage: Stage) -> Mapping[str, Any]:
    try:
        answer = stage.cloud.get_object(Bucket=INBOX, Key=COPY)
    except stage.cloud.exceptions.NoSuchKey:
        return MappingProxyType({"body": b"", "metadata": {}, "type": ""})
    return MappingProxyType(
        {
            "body": answer["Body"].read(),
            "metadata": answer["Metadata"],
            "type": answer["ContentType"],
        }
    )


def _status(stage: Stage, party: str) -> str:
    """What S3 calls replication status, once the copy was read back and has its receipt."""
    until = time.monotonic() + ARRIVAL_SECONDS
    while True:
        head = stage.party[party].head_object(Bucket=BUCKET, Key=KEY)
        status = str(head.get("ReplicationStatus"))
        if status in ("REPLICA", "COMPLETED") or time.monotonic() > until:
            return status
        time.sleep(0.05)


def _error(call: Callable[[], object]) -> tuple[str, str]:
    """The S3 error code and message of a call that must fail."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"]), str(error.response["Error"]["Message"])
    return "nothing was refused", ""
