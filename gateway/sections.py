"""The sections of gateway.yaml that say what may be taken, and how often work is done."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.model import OBJECT_BYTES_MAX, PART_BYTES_MIN, PART_NUMBER_MAX
from gateway.policy.schema import Entry
from gateway.policy.values import Duration, Network, Size, YesNo, mistake

DAY_SECONDS = 86_400


def at_least(low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise mistake(f"`{value}` is out of range; expected {low} to {high}")
        return value

    return AfterValidator(check)


class AuditEntry(Entry):
    keep: Duration = Field(
        default=400 * DAY_SECONDS, description="How long the values of reads are kept."
    )
    reads: YesNo = Field(default=True, description="Whether reads and listings are recorded.")


class LimitsEntry(Entry):
    body: Annotated[Size, at_least(1, OBJECT_BYTES_MAX)] = Field(
        default=OBJECT_BYTES_MAX, description="Bytes of one object."
    )
    header: Annotated[Size, at_least(1024, 1024**2)] = Field(
        default=32 * 1024, description="Bytes of the request line, and of any one header."
    )
    xml: Annotated[Size, at_least(1024, 16 * 1024**2)] = Field(
        default=4 * 1024**2, description="Bytes of an XML request body."
    )
    requests: Annotated[int, at_least(1, 100_000)] = Field(
        default=1024, description="Requests at once; beyond them 503 SlowDown."
    )
    party: Annotated[int, at_least(1, 100_000)] = Field(
        default=512, description="Requests of one party at once; beyond them 503 SlowDown."
    )
    connections: Annotated[int, at_least(1, 1_000_000)] = Field(
        default=10_000, description="Open connections; beyond them new ones are closed."
    )
    part: Annotated[Size, at_least(1, 1024**3)] = Field(
        default=PART_BYTES_MIN, description="Least bytes of a part, the last one excepted."
    )
    parts: Annotated[int, at_least(1, PART_NUMBER_MAX)] = Field(
        default=PART_NUMBER_MAX, description="Parts of one upload."
    )
    head: Duration = Field(
        default=10, description="Time within which a request's head must arrive."
    )
    stall: Duration = Field(
        default=60, description="Time for which a body may give, or take, no byte."
    )
    idle: Duration = Field(default=630, description="Time between two requests of a connection.")
    wait: Duration = Field(default=50, description="Time that a write waits for its copies.")
    stop: Duration = Field(default=30, description="Time that running requests get when it stops.")


class LifecycleEntry(Entry):
    day: Duration = Field(
        default=DAY_SECONDS, description="How long a rule's day is; less than 24h is for tests."
    )
    every: Duration = Field(default=3600, description="How often the rules are looked at.")


class ScrubEntry(Entry):
    period: Annotated[Duration, at_least(60, 3650 * DAY_SECONDS)] = Field(
        default=30 * DAY_SECONDS, description="Each copy is checked at least once in this time."
    )
    rate: Annotated[int, at_least(1, 10_000)] = Field(
        default=20, description="Looks a second, at most; a quarter of it while requests come."
    )
    bytes: Annotated[Size, at_least(1024, 1024**4)] = Field(
        default=32 * 1024**2, description="Bytes read back a second, at most; likewise."
    )
    read: Literal["folders", "all", "none"] = Field(
        default="folders", description="Where bytes are read back, beside a look at the etag."
    )
    again: Literal["nothing", "wrong", "missing"] = Field(
        default="wrong", description="Which copies are sent again by themselves."
    )


class BanEntry(Entry):
    score: Annotated[int, at_least(1, 1000)] = Field(
        default=15,
        description="Points that are a ban: 2 for an unknown user, 1 for a login that fails, "
        "3 for going over a limit.",
    )
    within: Duration = Field(default=1800, description="The time in which points add up.")
    lasts: Duration = Field(
        default=1800, alias="for", description="How long a ban is; half again for each try in it."
    )


class SftpEntry(Entry):
    ciphers: Literal["modern", "legacy"] = Field(
        default="modern", description="`legacy` also offers what jobs of before 2015 need."
    )
    resume: Duration = Field(
        default=7 * DAY_SECONDS,
        description="How long a file that is not complete is kept after its last byte.",
    )
    connections: Annotated[int, at_least(1, 100_000)] = Field(
        default=250, description="Open connections; beyond them new ones are closed."
    )
    per_host: Annotated[int, at_least(1, 100_000)] = Field(
        default=20, description="Open connections from one address."
    )
    per_user: Annotated[int, at_least(1, 100_000)] = Field(
        default=32, description="Open sessions of one user."
    )
    files: Annotated[int, at_least(1, 10_000)] = Field(
        default=64, description="Open files of one session."
    )
    rate: Annotated[Size, at_least(0, 1024**4)] = Field(
        default=0, description="Bytes a second of one session, both ways together; 0 for no limit."
    )
    idle: Duration = Field(
        default=1800, description="Time without a request after which a connection is closed."
    )
    login: Duration = Field(default=30, description="Time within which a login must succeed.")
    tries: Annotated[int, at_least(1, 100)] = Field(
        default=6, description="Logins of one connection that may fail."
    )
    ban: BanEntry = Field(default=BanEntry(), description="Who tries too much is kept out.")
    safe: list[Network] = Field(
        default=[], max_length=1000, description="Networks that are never banned."
    )
    block: list[Network] = Field(
        default=[], max_length=1000, description="Networks that are never let in."
    )


class LogEntry(Entry):
    level: Literal["debug", "info", "warning", "error"] = "info"
    requests: YesNo = Field(default=False, description="A line for each request.")
