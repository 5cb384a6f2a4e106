"""docs/s3.md can't lag: its operations, limits and headers are the code's, its clients work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.collector import COMPLETED_NS
from gateway.exchange.drafts import TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX
from gateway.exchange.listing import PAGE_KEYS_MAX
from gateway.exchange.terms import STATUS_OF
from gateway.herald.letters import Webhook, headers
from gateway.locks import DAY_NS
from gateway.model import (
    KEY_BYTES_MAX,
    METADATA_BYTES_MAX,
    OBJECT_BYTES_MAX,
    PART_BYTES_MAX,
    PART_BYTES_MIN,
    TAGS_MAX,
    ObjectRef,
)
from gateway.notifications import Notice
from gateway.s3.address import Resource
from gateway.s3.desk import Limits
from gateway.s3.errors import CODES
from gateway.s3.heads import _OURS
from gateway.s3.lifecycle import BYTES_MAX as LIFECYCLE_BYTES_MAX
from gateway.s3.notifications import BYTES_MAX as NOTIFICATION_BYTES_MAX
from gateway.s3.presign import PRESIGNED_S_MAX, SKEW_S_MAX
from gateway.s3.routes import OPERATIONS, Operation
from gateway.s3.xml.parse import DELETE_ITEMS_MAX
from gateway.s3.xml.shapes import LIFECYCLE_RULES_MAX, NOTIFICATIONS_MAX
from tests.counterparts.servers import TOOLS
from tests.docs.pages import blocks, page, tables, ticked
from tests.harness import REGION, Gateway, key_of

PAGE = page("s3.md")
TEXT = PAGE.read_text("utf-8")
PLACES = {Resource.SERVICE: "/", Resource.BUCKET: "/BUCKET", Resource.OBJECT: "/BUCKET/KEY"}
MIB, GIB, TIB = 1024**2, 1024**3, 1024**4
TOOL_SECONDS = 60


# --- operations --------------------------------------------------------------------------------


def row_of(operation: Operation) -> tuple[str, ...]:
    query = "&".join(f"{k}={v}" if v else k for k, v in operation.params.items())
    request = f"`{operation.method} {PLACES[operation.resource]}{'?' + query if query else ''}`"
    if operation.header:
        request += f" with `{operation.header}`"
    answer = "built" if operation.built else f"501: {operation.note}"
    return f"`{operation.name}`", request, answer


def test_the_operations_are_those_of_the_route_table_both_ways() -> None:
    shown = [row for table in tables(PAGE, "Operations") for row in table.rows]
    there = [row_of(operation) for operation in OPERATIONS]
    assert set(shown) - set(there) == set(), "shown, but not so in the code"
    assert set(there) - set(shown) == set(), "rows that the page lacks"
    assert len(shown) == len(there)


# --- headers, limits, codes --------------------------------------------------------------------


def test_our_own_request_headers_are_described_with_their_operations() -> None:
    rows = {ticked(row[0])[0]: row[1] for row in tables(PAGE, "Our own headers")[0].rows}
    for header, operations in _OURS.items():
        assert set(re.findall(r"[A-Z]\w+", rows[header])) == set(operations)
    asked = {name for name, where in rows.items() if where.startswith("requests")}
    assert asked == {*_OURS}


def test_the_replication_states_are_those_of_deliveries() -> None:
    for status in (*STATUS_OF.values(), "REPLICA"):
        assert f"`{status}`" in TEXT


def test_the_limits_are_the_codes() -> None:
    limits = Limits()
    rows = {row[0]: row[1] for row in tables(PAGE, "Limits")[0].rows}
    assert rows == {
        "one object": f"{OBJECT_BYTES_MAX // TIB} TiB (`limits.body`)",
        "one part": f"{PART_BYTES_MIN // MIB} MiB (the last may be smaller, `limits.part`) to "
        f"{PART_BYTES_MAX // GIB} GiB",
        "parts of an upload": f"{limits.parts_max} (`limits.parts`)",
        "key": f"{KEY_BYTES_MAX} bytes of UTF-8",
        "user metadata": f"{METADATA_BYTES_MAX} bytes, names and values together",
        "tags": f"{TAGS_MAX} of {TAG_KEY_CHARS_MAX} and {TAG_VALUE_CHARS_MAX} characters",
        "entries of a page": str(PAGE_KEYS_MAX),
        "keys of a DeleteObjects": str(DELETE_ITEMS_MAX),
        "lifecycle rules of a bucket": f"{LIFECYCLE_RULES_MAX}, "
        f"in {LIFECYCLE_BYTES_MAX // 1024} KiB of XML",
        "notification configurations of a party and bucket": f"{NOTIFICATIONS_MAX}, "
        f"in {NOTIFICATION_BYTES_MAX // 1024} KiB of XML",
        "a CompleteMultipartUpload sent again": f"answers 200 for {COMPLETED_NS // DAY_NS} days",
        "request line, one header": f"{limits.head_bytes_max // 1024} KiB (`limits.header`)",
        "XML body": f"{limits.document_bytes_max // MIB} MiB (`limits.xml`), "
        "less for small documents",
        "presigned URL": f"{PRESIGNED_S_MAX} seconds",
        "requests at once": f"{limits.requests_max} (`limits.requests`)",
        "requests of one party at once": f"{limits.party_requests_max} (`limits.party`)",
    }
    assert SKEW_S_MAX == 15 * 60
    assert "15 minutes apart" in TEXT


def test_every_code_beside_a_limit_is_one_that_the_door_knows() -> None:
    shown = [c for row in tables(PAGE, "Limits")[0].rows for c in re.findall(r"`(\w+)`", row[2])]
    assert shown
    assert set(shown) <= CODES.keys()


# --- what the page says happens ----------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("page")) as made:
        yield made


def test_versions_are_shown_as_the_table_says(gateway: Gateway) -> None:
    client = gateway.client("acme/erp")
    client.create_bucket(Bucket="acme-page")
    told = {ticked(r[0])[0]: r for r in tables(PAGE, "Versions")[0].rows}

    def tell(status: str) -> tuple[Any, int, str]:
        for _ in range(2):
            answer = client.put_object(Bucket="acme-page", Key=status, Body=b"x")
        found = client.list_object_versions(Bucket="acme-page", Prefix=status)
        gone = client.delete_object(Bucket="acme-page", Key=status)
        return answer.get("VersionId"), len(found["Versions"]), gone.get("VersionId", "nothing")

    assert tell("off") == (None, 1, "nothing")
    set_status(client, "Enabled")
    version, listed, marker = tell("enabled")
    assert len({version, marker, "null"}) == 3
    assert listed == 2
    set_status(client, "Suspended")
    assert tell("suspended") == (None, 1, "null")
    assert told.keys() == {"enabled", "suspended", "off"}


def set_status(client: Any, status: str) -> None:
    client.put_bucket_versioning(Bucket="acme-page", VersioningConfiguration={"Status": status})


# --- clients -----------------------------------------------------------------------------------


def filled(text: str, gateway: Gateway) -> str:
    access, secret = key_of("acme/erp")
    text = text.replace("http://127.0.0.1:9000", gateway.endpoint)
    text = text.replace("127.0.0.1:9000", gateway.endpoint.removeprefix("http://"))
    return text.replace("ACCESS", access).replace("SECRET", secret)


def test_the_boto3_example_runs(gateway: Gateway) -> None:
    example, _ = [b for b in blocks(PAGE) if b.language == "python"]
    client = gateway.client("acme/erp")
    text = example.text.replace('"ACCESS"', repr(key_of("acme/erp")[0]))
    text = text.replace('"SECRET"', repr(key_of("acme/erp")[1]))
    names: dict[str, Any] = {}
    exec(text.replace("http://127.0.0.1:9000", gateway.endpoint), names)
    names["s3"].close()
    assert names["content"] == b"7,100.00\n"
    with urllib.request.urlopen(names["link"], timeout=TOOL_SECONDS) as answer:
        assert answer.read() == b"7,100.00\n"
    assert client.head_object(Bucket="orders", Key="invoices/7.csv")["VersionId"]


def test_the_receivers_example_tells_what_is_genuine() -> None:
    _, example = [b for b in blocks(PAGE) if b.language == "python"]
    names: dict[str, Any] = {}
    exec(example.text, names)
    notice = Notice(1, "a1", "acme", "feed", ObjectRef("orders", "k"), "s3:TestEvent", "")
    webhook, body, now = Webhook("https://h/", b"k" * 16), b"{}", int(time.time())
    fresh = headers(webhook, notice, now, body, 0)
    assert names["is_genuine"](b"k" * 16, fresh, body)
    assert not names["is_genuine"](b"l" * 16, fresh, body)
    assert not names["is_genuine"](b"k" * 16, fresh, b"{ }")
    assert not names["is_genuine"](b"k" * 16, headers(webhook, notice, now - 301, body, 0), body)


@pytest.mark.parametrize("tool", ["aws", "rclone", "s3cmd"])
def test_a_command_line_client_works_as_configured(
    tool: str, gateway: Gateway, tmp_path: Path
) -> None:
    places = [str(TOOLS / {"aws": "awscli"}.get(tool, tool) / "bin"), os.environ["PATH"]]
    path = os.pathsep.join(places)
    if shutil.which(tool, path=path) is None:
        pytest.skip(f"{tool} is not installed: run tests/counterparts/install.sh")
    found = blocks(PAGE)
    at = next(
        i for i, b in enumerate(found) if b.language == "sh" and f"\n{tool} " in f"\n{b.text}"
    )
    script = found[at].text
    environment = {"PATH": path, "HOME": str(tmp_path)}
    (tmp_path / "7.csv").write_text("7,100.00\n")
    access, secret = key_of("acme/erp")
    if tool == "aws":
        environment |= {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
        environment |= {"AWS_DEFAULT_REGION": REGION}
        script = "".join(line for line in script.splitlines(True) if line.startswith("aws"))
    else:
        name = {"rclone": "rclone.conf", "s3cmd": ".s3cfg"}[tool]
        (tmp_path / name).write_text(filled(found[at - 1].text, gateway))
        environment["RCLONE_CONFIG"] = str(tmp_path / "rclone.conf")
    script = script.replace("http://127.0.0.1:9000", gateway.endpoint)
    done = subprocess.run(
        ["/bin/sh", "-ec", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TOOL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "7.csv" in done.stdout.splitlines()[-1]
