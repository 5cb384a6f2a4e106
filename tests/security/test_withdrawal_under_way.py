"""A withdrawal works at once, on what is under way too: what the wire holds already still comes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.s3.raw import TIMEOUT_S, UNSIGNED, Socket, ask, sign
from tests.security.world import ACME, FILES, SECRET_KEY, WITHDRAWN, Watched

MIB = 1024**2
BODY = os.urandom(MIB) * 16
TARGET = f"/orders/{SECRET_KEY}"
FORBIDDEN = f'{ACME}forbids:\n  - {{id: pii, when: {{tags: {{class: [pii]}}}}, to: ["*"]}}\n'
START = {**FILES, "acme.yaml": FORBIDDEN}
TOPOLOGY = FILES["topology.yaml"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """hooli may read the large object at SECRET_KEY."""
    with Watched(tmp_path_factory.mktemp("under-way"), START) as running:
        running.client("acme/erp").put_object(Bucket="orders", Key=SECRET_KEY, Body=BODY)
        running.client("hooli/bot").create_bucket(Bucket="hooli-own")
        yield running


@pytest.fixture
def shared(gateway: Watched) -> Iterator[Watched]:
    yield gateway
    for name, text in START.items():
        gateway.edit_policy(name, text)
    gateway.client("acme/erp").delete_object_tagging(Bucket="orders", Key=SECRET_KEY)
    gateway.revoked.clear()
    gateway._enter_keys()


def reading(gateway: Watched, stack: ExitStack, principal: str, target: str = TARGET) -> Socket:
    """A download that has begun, and is not taken any further for now."""
    connection = stack.enter_context(Socket(gateway))
    connection.send(sign(gateway, "GET", target, principal=principal).head())
    assert not connection.silent(TIMEOUT_S)
    return connection


def taken(connection: Socket) -> bytes:
    """The body, as far as it comes."""
    try:
        reply = connection.reply()
    except (EOFError, ConnectionError):
        return connection._left
    assert reply.status == 200
    return reply.body


def withdraw_rule(gateway: Watched) -> None:
    gateway.edit_policy("acme.yaml", WITHDRAWN)


def forbid_by_tag(gateway: Watched) -> None:
    tags = {"TagSet": [{"Key": "class", "Value": "pii"}]}
    gateway.client("acme/erp").put_object_tagging(Bucket="orders", Key=SECRET_KEY, Tagging=tags)


def end_membership(gateway: Watched) -> None:
    gateway.files |= {"acme.yaml": "party: acme", "hooli.yaml": "party: hooli"}
    gateway.edit_policy("topology.yaml", TOPOLOGY.replace('hooli: {write: ["shared/**"]}', ""))


def drop_principal(gateway: Watched) -> None:
    text = TOPOLOGY.replace("principals: [{name: bot}]", "principals: [{name: other}]")
    gateway.edit_policy("topology.yaml", text)


def narrow_principal(gateway: Watched) -> None:
    text = TOPOLOGY.replace("[{name: bot}]", '[{name: bot, keys: ["shared/"]}]')
    gateway.edit_policy("topology.yaml", text)


def make_write_only(gateway: Watched) -> None:
    text = TOPOLOGY.replace("[{name: bot}]", "[{name: bot, may: write}]")
    gateway.edit_policy("topology.yaml", text)


def revoke_key(gateway: Watched) -> None:
    gateway.revoke("hooli/bot")


@pytest.mark.parametrize(
    "act",
    [
        withdraw_rule,
        forbid_by_tag,
        end_membership,
        drop_principal,
        narrow_principal,
        make_write_only,
        revoke_key,
    ],
)
def test_download_under_way_is_cut(shared: Watched, act: Callable[[Watched], None]) -> None:
    with ExitStack() as stack:
        cut, goes_on = (reading(shared, stack, who) for who in ("hooli/bot", "acme/erp"))
        act(shared)
        got = taken(cut)
        assert BODY.startswith(got.partition(b"\r\n\r\n")[2])
        assert len(got) < len(BODY) * 3 / 4, "what lay in the sockets' buffers, and no more"
        assert taken(goes_on) == BODY


def test_download_goes_on_over_edits_that_withdraw_nothing(shared: Watched) -> None:
    with ExitStack() as stack:
        going = reading(shared, stack, "hooli/bot")
        shared.edit_policy("acme.yaml", f"{FORBIDDEN}# a remark\n")
        newer = shared.client("acme/erp").put_object(Bucket="orders", Key=SECRET_KEY, Body=b"newer")
        shared.edit_policy("topology.yaml", TOPOLOGY.replace("[{name: desk}]", "[{name: d}]"))
        assert taken(going) == BODY
    ask(shared, sign(shared, "DELETE", f"{TARGET}?versionId={newer['VersionId']}"))


def test_what_was_cut_is_on_record_for_reader_and_author(shared: Watched) -> None:
    with ExitStack() as stack:
        cut = reading(shared, stack, "hooli/bot")
        watch = shared.watch()
        withdraw_rule(shared)
        taken(cut)
        (event,) = watch.refusals
        assert (event.party, event.key, event.outcome) == ("hooli", SECRET_KEY, "NoSuchKey")
        assert set(event.readers) == {"hooli", "acme"}


def test_copy_under_way_of_what_is_withdrawn_makes_nothing(shared: Watched) -> None:
    """The bytes of another's version move: the source is a read like any other."""
    held, let_go = threading.Event(), threading.Event()
    rooms = shared.exchange._floor.stores[("acme", "home")]
    before = rooms.read

    def slow(*args: object, **more: object) -> object:
        held.set()
        assert let_go.wait(TIMEOUT_S)
        return before(*args, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch, Socket(shared) as connection:
        patch.setattr(rooms, "read", slow)
        headers = {"x-amz-copy-source": TARGET}
        copy = sign(shared, "PUT", "/hooli-own/taken", headers, principal="hooli/bot")
        connection.send(copy.head("Content-Length: 0"))
        assert held.wait(TIMEOUT_S)
        edit = threading.Thread(target=withdraw_rule, args=(shared,))
        edit.start()
        time.sleep(0.05)
        let_go.set()
        reply = connection.reply()
        edit.join()
    assert (reply.status, reply.code) == (404, "NoSuchKey")
    assert shared.ask("hooli/bot", "GET", "/hooli-own/taken").code == "NoSuchKey"


def test_upload_of_a_revoked_key_is_not_taken(shared: Watched) -> None:
    signed = sign(shared, "PUT", "/orders/shared/late", mode=UNSIGNED, principal="hooli/bot")
    with Socket(shared) as connection:
        connection.send(signed.head("Content-Length: 10", "Expect: 100-continue"))
        assert connection.reply().status == 100
        revoke_key(shared)
        reply = connection.ask(b"x" * 10)
        assert (reply.status, reply.code) == (403, "InvalidAccessKeyId")
        assert reply.headers["connection"] == "close"
    acme = ask(shared, sign(shared, "GET", "/orders/shared/late"))
    assert (acme.status, acme.code) == (404, "NoSuchKey")
