"""Bytes that are not what they should be never look like a whole object."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import HttpVersion11, web

from gateway.s3.wire import Answer, Wire
from tests.harness import Gateway
from tests.s3.raw import Socket, ask, sign


def extent_of(gateway: Gateway, body: bytes) -> Path:
    """The file of an object that was just put."""
    gateway.client().put_object(Bucket="orders", Key="k", Body=body)
    folder = gateway.folder / "stores" / "acme" / ".crossdock" / "extents"
    return max(folder.rglob("*"), key=lambda path: path.stat().st_mtime_ns * path.is_file())


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def test_damaged_small_object_is_an_error_with_nothing_of_it(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        spoil(extent_of(gateway, b"x" * 1000))
        reply = ask(gateway, sign(gateway, "GET", "/orders/k"))
        assert (reply.status, reply.code) == (500, "InternalError")
        assert b"xxx" not in reply.body
        assert b"stores" not in reply.body, "the error's own text stays in the log"


@pytest.mark.parametrize("damage", [spoil, lambda path: path.write_bytes(b"x" * 500_000)])
def test_damage_found_half_way_cuts_the_connection(tmp_path: Path, damage: Any) -> None:
    with Gateway(tmp_path) as gateway:
        damage(extent_of(gateway, b"x" * 2_000_000))
        with Socket(gateway) as connection:
            connection.send(sign(gateway, "GET", "/orders/k").head())
            with pytest.raises((EOFError, ConnectionError)):
                connection.reply()
        assert ask(gateway, sign(gateway, "GET", "/")).status == 200


def test_missing_bytes_are_an_internal_error(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        extent_of(gateway, b"x" * 1000).unlink()
        reply = ask(gateway, sign(gateway, "GET", "/orders/k"))
        assert (reply.status, reply.code) == (500, "InternalError")
        assert ask(gateway, sign(gateway, "HEAD", "/orders/k")).status == 200


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nx-evil: 1", "a\rb"])
def test_answer_can_not_be_made_to_hold_another_header(value: str) -> None:
    sent: list[bytes] = []

    async def write(data: bytes, *, drain: bool) -> None:
        sent.append(data)

    raw = SimpleNamespace(
        method="GET",
        version=HttpVersion11,
        headers={},
        keep_alive=True,
        protocol=SimpleNamespace(writing_paused=False),
        content=SimpleNamespace(is_eof=lambda: True),
        writer=SimpleNamespace(write=write),
    )
    wire = Wire(cast(web.BaseRequest, raw), stall_s=1)
    with pytest.raises(ValueError, match="line end"):
        asyncio.run(wire.send(Answer(200, {"x-amz-meta-a": value}), "date: now\r\n"))
    assert not sent
