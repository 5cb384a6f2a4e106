"""200 only after the verified copies: `ack: all` in a rule, `x-crossdock-wait` on a request."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Gateway

WAIT_S = 0.5
TOPOLOGY = """
parties:
  acme: {store: {type: file, path: acme}, principals: [{name: erp}]}
  globex: {store: {type: file, path: globex}, principals: [{name: wms}]}
  initech: {store: {type: file, path: initech}, principals: [{name: ledger}]}
buckets:
  orders: {owner: acme, members: {acme: {write: ["**"]}, globex: {}, initech: {}}}
"""
ACME = """
party: acme
sends:
  - {bucket: orders, keys: ["all/**"], to: {globex: copy, initech: copy}, ack: all}
  - {bucket: orders, keys: ["home/**"], to: {globex: copy, initech: share}}
  - {bucket: orders, keys: ["both/**"], to: {globex: copy}}
  - {bucket: orders, keys: ["both/**"], to: {globex: copy}, ack: all}
"""
FILES = {
    "topology.yaml": TOPOLOGY,
    "acme.yaml": ACME,
    "globex.yaml": 'party: globex\naccepts: [{from: [acme], bucket: orders, into: "in/{key}"}]\n',
    "initech.yaml": 'party: initech\naccepts: [{from: [acme], bucket: orders, into: "in/{key}"}]\n',
}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(tmp_path, FILES, wait_s=WAIT_S) as running:
        yield running


@pytest.fixture
def courier(gateway: Gateway) -> Iterator[None]:
    """A courier at work beside the door, as in life."""
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: gateway.run(gateway.courier.run()))
        yield
        gateway.run(gateway.courier.stop(1.0))
        run.result()


def put(gateway: Gateway, key: str, *, wait: str = "", **how: Any) -> Any:
    s3 = gateway.client()
    if wait:
        s3 = gateway.client(user_agent_extra=f"waits/{wait}")
        s3.meta.events.register_first(
            "before-sign.s3", lambda request, **_: request.headers.add_header(*_wait(request, wait))
        )
    return s3.put_object(Bucket="orders", Key=key, Body=b"7,100.00\n", **how)


def _wait(request: Any, value: str) -> tuple[str, str]:
    del request.headers["x-crossdock-wait"]
    return "x-crossdock-wait", value


def statuses(answer: Any) -> dict[str, str]:
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    beginning = "x-crossdock-delivery-"
    return {n.removeprefix(beginning): v for n, v in headers.items() if n.startswith(beginning)}


@pytest.mark.usefixtures("courier")
def test_a_rule_that_says_so_holds_the_answer_until_every_copy_is_verified(
    gateway: Gateway,
) -> None:
    answer = put(gateway, "all/7.csv")
    assert statuses(answer) == {"globex": "COMPLETED", "initech": "COMPLETED"}
    assert (gateway.folder / "globex/in/all/7.csv").read_bytes() == b"7,100.00\n"


def test_without_it_the_answer_waits_for_nobody(gateway: Gateway) -> None:
    assert statuses(put(gateway, "home/7.csv")) == {"globex": "PENDING"}


def test_of_two_equally_strong_rules_the_one_that_waits_decides(gateway: Gateway) -> None:
    with pytest.raises(ClientError, match="DeliveryIncomplete"):
        put(gateway, "both/7.csv")


@pytest.mark.usefixtures("courier")
def test_a_request_may_ask_for_it(gateway: Gateway) -> None:
    assert statuses(put(gateway, "home/7.csv", wait="delivered")) == {"globex": "COMPLETED"}


def test_the_time_out_names_who_is_missing_and_says_that_the_object_is_stored(
    gateway: Gateway,
) -> None:
    with pytest.raises(ClientError) as caught:
        put(gateway, "all/7.csv")
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 409
    error = answer["Error"]
    assert error["Code"] == "DeliveryIncomplete"
    assert error["MissingCopies"] == "globex, initech"
    assert "is stored as version" in error["Message"]
    assert "globex (pending), initech (pending)" in error["Message"]
    assert statuses(answer) == {"globex": "PENDING", "initech": "PENDING"}
    stored = gateway.client().head_object(Bucket="orders", Key="all/7.csv")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-amz-version-id"], headers["etag"]) == (stored["VersionId"], stored["ETag"])
    gateway.drain()
    assert (gateway.folder / "initech/in/all/7.csv").exists()


@pytest.mark.usefixtures("courier")
def test_a_copy_that_can_not_come_is_said_at_once(gateway: Gateway) -> None:
    taken = gateway.folder / "globex/in/all/7.csv"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"theirs")
    with pytest.raises(ClientError) as caught:
        put(gateway, "all/7.csv")
    assert "globex (parked)" in caught.value.response["Error"]["Message"]
    assert statuses(caught.value.response)["globex"] == "FAILED"
    assert taken.read_bytes() == b"theirs"


@pytest.mark.usefixtures("courier")
def test_a_copy_and_a_completed_upload_wait_too(gateway: Gateway) -> None:
    s3 = gateway.client()
    put(gateway, "home/7.csv")
    copied = s3.copy_object(
        Bucket="orders", Key="all/copied.csv", CopySource={"Bucket": "orders", "Key": "home/7.csv"}
    )
    assert statuses(copied) == {"globex": "COMPLETED", "initech": "COMPLETED"}
    name = {"Bucket": "orders", "Key": "all/big.csv"}
    upload = {**name, "UploadId": s3.create_multipart_upload(**name)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    done = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert statuses(done) == {"globex": "COMPLETED", "initech": "COMPLETED"}


def test_nothing_promised_is_nothing_to_wait_for(gateway: Gateway) -> None:
    put(gateway, "private.csv", wait="delivered")
