"""What an emulator never does to the GCS store: keep less than it was sent, damage it, ask who."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from awscrt.checksums import crc32c
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.errors import ConfigError, StoreRefused, StoreUnavailable
from gateway.stores.gcs import GcsStore
from gateway.stores.gcs_tokens import Tokens
from gateway.stores.gcs_wire import Bucket
from gateway.stores.profiles import PROFILES
from tests.contract.store_suite import KEY, MIB, many, pieces, whole

QUANTUM_BYTES = 256 * 1024  # GCS keeps multiples of this of a part


OURS = {
    "size": "1",
    "generation": "7",
    "metageneration": "3",
    "metadata": {
        "crossdock-version": "v1",
        "crossdock-number": "1",
        "crossdock-author": "acme",
        "crossdock-sha256": "00",
        "crossdock-size": "1",
        "crossdock-bucket": "orders",
        "crossdock-key": "in/x",
        "crossdock-tags": '{"final": "yes"}',
    },
}
"""A copy of ours, as the API tells of it."""


class Bucketful:
    """A server of one bucket, which does to uploads what it is told to."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.spans: list[str] = []
        self.removed: list[str] = []
        self.keeps: Callable[[bytes], bytes] = lambda part: part
        self.status = 200
        self.changes: list[Any] = []
        self.last_is_in = asyncio.Event()
        self.delay_seconds = 0.0
        self.signed: list[str] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.signed.append(request.headers.get("authorization", ""))
        if self.status != 200:
            return web.Response(status=self.status, text="no")
        if request.method == "DELETE":
            self.removed.append(request.rel_url.query_string)
            return web.Response(status=204)
        if request.method == "GET":
            return web.json_response(OURS)
        if request.method == "PATCH":
            self.changes.append(json.loads(await request.content.read()))
            return web.json_response({})
        if request.method == "POST":
            return web.Response(headers={"location": f"http://{request.host}/session"}, text="{}")
        return await self._part(request)

    async def _part(self, request: web.BaseRequest) -> web.StreamResponse:
        span = request.headers["content-range"]
        self.spans.append(span)
        sent = await request.content.read()
        self.kept += self.keeps(sent)
        total = span.rpartition("/")[2]
        if total != str(len(self.kept)):
            return web.Response(status=308, headers={"range": f"bytes=0-{len(self.kept) - 1}"})
        self.last_is_in.set()
        await asyncio.sleep(self.delay_seconds)
        digest = base64.b64encode(crc32c(bytes(self.kept)).to_bytes(4, "big")).decode()
        about = {"size": total, "crc32c": digest, "generation": "7"}
        return web.json_response(about)


@asynccontextmanager
async def serving(answer: Callable[[Any], Any]) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def stored(server: Bucketful, tokens: Tokens | None = None) -> AsyncIterator[GcsStore]:
    async with serving(server.answer) as endpoint:
        store = GcsStore(Bucket("b", endpoint, tokens), PROFILES["gcs"])
        try:
            yield store
        finally:
            await store.aclose()


def test_what_the_server_did_not_keep_of_a_part_goes_once_more() -> None:
    server = Bucketful()
    short = iter((QUANTUM_BYTES, 8 * MIB, 3 * QUANTUM_BYTES))
    server.keeps = lambda part: part[: next(short, len(part))]

    async def main() -> None:
        async with stored(server) as store:
            written = await store.write(KEY, many(12 * MIB), size=None)
            assert (written.size, written.etag) == (12 * MIB, "7")

    asyncio.run(main())
    assert bytes(server.kept) == asyncio.run(whole(many(12 * MIB)))
    assert len(server.spans) == 4
    assert server.removed == []


def test_a_server_that_keeps_nothing_of_a_part_ends_the_upload() -> None:
    server = Bucketful()
    server.keeps = lambda part: b""

    async def main() -> None:
        async with stored(server) as store:
            with pytest.raises(StoreUnavailable):
                await store.write(KEY, many(12 * MIB), size=None)

    asyncio.run(main())
    assert server.removed, "the session was left open"


def test_bytes_that_were_damaged_on_the_way_are_taken_back() -> None:
    server = Bucketful()
    server.keeps = lambda part: b"?" + part[1:]

    async def main() -> None:
        async with stored(server) as store:
            with pytest.raises(StoreUnavailable, match="other bytes"):
                await store.write(KEY, many(12 * MIB), size=None)

    asyncio.run(main())
    assert "ifGenerationMatch=7" in server.removed


def test_an_upload_cancelled_in_its_last_step_is_taken_back() -> None:
    server = Bucketful()
    server.delay_seconds = 0.2

    async def main() -> None:
        async with stored(server) as store:
            writing = asyncio.create_task(store.write(KEY, many(12 * MIB), size=None))
            await server.last_is_in.wait()
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing

    asyncio.run(main())
    assert "ifGenerationMatch=7" in server.removed


def test_tags_that_go_are_named_in_the_change() -> None:
    server = Bucketful()

    async def main() -> None:
        async with stored(server) as store:
            await store.retag("in/x", {}, if_match="7")

    asyncio.run(main())
    changed = server.changes[0]["metadata"]
    assert changed["crossdock-tags"] is None
    assert changed["crossdock-version"] == "v1"


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, StoreRefused),
        (401, StoreRefused),
        (403, StoreRefused),
        (404, StoreRefused),  # no bucket
        (408, StoreUnavailable),
        (429, StoreUnavailable),
        (500, StoreUnavailable),
        (503, StoreUnavailable),
    ],
)
def test_an_answer_is_told_in_our_words(status: int, word: type[Exception]) -> None:
    server = Bucketful()
    server.status = status

    async def main() -> None:
        async with stored(server) as store:
            with pytest.raises(word):
                await store.write(KEY, pieces(b"x"), size=1)

    asyncio.run(main())


def test_a_server_that_is_not_there_is_unavailable() -> None:
    async def main() -> None:
        store = GcsStore(Bucket("b", "http://127.0.0.1:1"), PROFILES["gcs"])
        with pytest.raises(StoreUnavailable):
            await store.stat(KEY)
        await store.aclose()

    asyncio.run(main())


def account(token_uri: str) -> str:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    about = {"client_email": "me@example.org", "token_uri": token_uri, "private_key_id": "1"}
    return json.dumps({"type": "service_account", "private_key": pem.decode(), **about})


def test_a_service_account_signs_in_once_for_many_calls() -> None:
    asked: list[str] = []
    server = Bucketful()

    async def grant(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(await request.text())
        return web.json_response({"access_token": "t1", "expires_in": 3600})

    async def main() -> None:
        async with serving(grant) as uri, stored(server, Tokens(account(uri))) as store:
            await asyncio.gather(*(store.delete(f"{KEY}{i}") for i in range(5)))

    asyncio.run(main())
    assert len(asked) == 1
    assert "assertion=" in asked[0]
    assert server.signed == ["Bearer t1"] * 5


def test_an_account_that_is_turned_away_is_refused() -> None:
    async def turn_away(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"error": "invalid_grant"}, status=400)

    async def main() -> None:
        async with serving(turn_away) as uri:
            with pytest.raises(StoreRefused):
                await Tokens(account(uri))()

    asyncio.run(main())


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"client_email": "x"}'])
def test_a_malformed_account_is_a_mistake_of_the_configuration(text: str) -> None:
    with pytest.raises(ConfigError):
        Tokens(text)
