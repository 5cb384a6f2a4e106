"""The S3 front door: every request goes through the one list in `S3Door._answer`."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from aiohttp import web

from gateway.errors import Denied, NotFound, TooBusy
from gateway.exchange import Exchange
from gateway.identity import Credential
from gateway.model import EMPTY, Caller
from gateway.s3 import cors, dispatch, heading, reserved, sigv2
from gateway.s3.address import Resource, Target, parse_target
from gateway.s3.canonical import RequestHead
from gateway.s3.dates import NS_PER_SECOND, http_date
from gateway.s3.desk import Desk, Limits, Request, Signer
from gateway.s3.errors import S3Error, render
from gateway.s3.forms import Form, boundary_of
from gateway.s3.listening import Listening
from gateway.s3.origin import Seen, origin
from gateway.s3.posting import read_form
from gateway.s3.presign import hoisted
from gateway.s3.proving import prove
from gateway.s3.reserved import Api, is_api
from gateway.s3.routes import match
from gateway.s3.sigv4 import SigningKeys, Verified
from gateway.s3.wire import Answer, Broken, Sent, Wire
from gateway.s3.xml import build
from gateway.telemetry import Request as Finished
from gateway.telemetry import Telemetry, request_id

DOOR = "s3"
HOST_ID = "crossdock"
BACKLOG = 1024

HEALTH = "/-/health"
READY = "/-/ready"
CLIENT_GONE = 499
"""Counted where a client hung up before its answer was sent (nginx's number for it)."""
CLOSE_S = 1.0

log = logging.getLogger(__name__)


def _always() -> bool:
    return True


@dataclass(slots=True)
class _Turn:
    """What becomes known of a request while it is answered."""

    id: str
    now: int
    operation: str = "Unknown"
    cors: Mapping[str, str] = EMPTY  # headers of whatever the answer will be
    seat: str | None = None  # the party that it counts for; "" while that is not known


class S3Door:
    """Serves the S3 API over one exchange.

    `lookup` finds an access key's credential; `clock` gives moments, `ids` request ids;
    `stranger` is told the address of each request without a valid signature; `ready` tells if
    requests can be served now. `token_secret` seals continuation tokens, and is the same for
    every gateway of one catalog. `api` answers below `/-/api/v1`. `domain` turns on
    virtual-hosted addressing; `external_url` and
    `trusted_proxies` say what clients sign for and whose X-Forwarded-* counts.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        lookup: Callable[[str], Credential | None],
        clock: Callable[[], int],
        ids: Callable[[], str],
        telemetry: Telemetry,
        stranger: Callable[[str], None],
        token_secret: bytes,
        ready: Callable[[], bool] = _always,
        region: str = "us-east-1",
        strict_region: bool = False,
        domain: str = "",
        external_url: str = "",
        trusted_proxies: Sequence[str] = (),
        limits: Limits = Limits(),  # noqa: B008 - an immutable value
        api: Api | None = None,
    ) -> None:
        self._lookup = lookup
        self._clock = clock
        self._ids = ids
        self._telemetry = telemetry
        self._stranger = stranger
        self._ready = ready
        self._domains = (domain,) if domain else ()
        self._origin = origin(
            region if strict_region else "", external_url, trusted_proxies, self._domains
        )
        self._limits = limits
        self._api = api
        self._desk = Desk(exchange, limits, region, token_secret)
        self._keys = SigningKeys()
        self._running = 0
        self._seats: dict[str, int] = {}
        self._stopping = False
        self._idle = asyncio.Event()
        self._date = (0, "")
        self._server: Listening | None = None
        self._listener: asyncio.Server | None = None

    # --- opening and closing -------------------------------------------------------------------

    async def start(self, host: str, port: int, ssl: ssl.SSLContext | None = None) -> int:
        """Listens, and returns the port that it got (asked for 0, the system chooses)."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            self.server(),
            host,
            port,
            ssl=ssl,
            backlog=BACKLOG,
            ssl_handshake_timeout=self._limits.head_s if ssl else None,
        )
        self._listener = listener
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

    async def stop(self, grace_s: float) -> None:
        """Takes no new connection, lets what runs finish within `grace_s`, and cuts the rest."""
        if self._listener is not None:
            self._listener.close()
        await self.drain(grace_s)
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(CLOSE_S)

    def server(self) -> web.Server:
        """aiohttp's part, for whoever listens; made once, inside the running loop."""
        self._server = self._server or Listening(self._serve, self._unreadable, self._limits)
        return self._server

    async def drain(self, grace_s: float) -> None:
        """From now on every answer ends its connection; returns once nothing runs any more.

        To be called before aiohttp's own shutdown, which takes no more bytes of running uploads.
        """
        self._stopping = True
        self._idle.clear()
        if self._running:
            try:
                async with asyncio.timeout(grace_s):
                    await self._idle.wait()
            except TimeoutError:
                log.warning("requests are cut off by the stop", extra={"running": self._running})

    # --- one request ---------------------------------------------------------------------------

    async def _serve(self, raw: web.BaseRequest) -> web.StreamResponse:
        self._running += 1
        self._telemetry.began()
        try:
            return await self._run(raw)
        finally:
            self._running -= 1
            self._telemetry.ended()
            if not self._running:
                self._idle.set()

    async def _run(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Errors are rendered here, and nowhere else."""
        started = perf_counter()  # the loop's own time has whole milliseconds under uvloop
        turn = _Turn(self._ids(), self._clock() // NS_PER_SECOND)
        request_id.set(turn.id)
        wire = Wire(raw, stall_s=self._limits.stall_s)
        prelude = self._prelude(turn)
        try:
            try:
                answer = _crossing(await self._answer(turn, wire), turn)
                sent = await wire.send(answer, prelude, last=self._stopping)
            except ConnectionError:
                raise
            except Exception as error:
                if wire.started:
                    _log_broken(error, turn.operation)
                    raise Broken from error
                answer = _crossing(_rendered(error, turn, raw), turn)
                sent = await wire.send(answer, prelude, last=self._stopping)
        except ConnectionError:
            sent = Sent(CLIENT_GONE, keep_alive=False)
        finally:
            self._rise(turn)
        took = perf_counter() - started
        self._telemetry.request(
            Finished(DOOR, turn.operation, sent.status, took, wire.received, wire.sent)
        )
        return sent

    async def _answer(self, turn: _Turn, wire: Wire) -> Answer:
        """Address, limit, signature, route, handler: in this order, so that a stranger learns
        nothing of what is built."""
        raw = wire.raw
        headers = _headers(raw)
        seen = self._origin.see(raw.remote or "", headers, tls=raw.secure)
        target = parse_target(raw.raw_path, seen.host, self._domains)
        api = self._api if is_api(target.reserved) else None
        if api is not None:
            turn.operation = reserved.OPERATION.name
        elif target.reserved:
            return self._own(target.reserved)
        if self._running > self._limits.requests_max:
            self._telemetry.turned_away()
            raise TooBusy
        if raw.method == "OPTIONS" and target.bucket:
            return await self._preflight(turn, seen, target, headers)
        if "origin" in headers and target.bucket:
            kept = await self._desk.exchange.buckets.cors(target.bucket)
            turn.cors = cors.answer_headers(kept, raw.method, headers)
        form = await self._form(turn, wire, target, headers)
        verified = self._authenticate(turn, raw, seen, target, form)
        self._sit(turn, verified.credential.principal.party)
        wire.allowed = partial(self._in_force, verified.access_key, verified.credential)
        if verified.presigned:
            headers = {**hoisted(target.query, sigv2=verified.sigv2), **headers}
        operation = match(raw.method, target, headers) if api is None else reserved.OPERATION
        turn.operation = operation.name
        signature = sigv2.NAME if verified.sigv2 else ""
        caller = Caller(verified.credential.principal, DOOR, turn.id, signature)
        request = Request(operation, target, headers, caller, verified, wire, turn.now, seen, form)
        if api is not None:
            return await reserved.serve(self._desk, api, request)
        return await dispatch.serve(self._desk, request)

    async def _preflight(
        self, turn: _Turn, seen: Seen, target: Target, headers: Mapping[str, str]
    ) -> Answer:
        """A browser asks before it signs: what is told here is told to everyone."""
        turn.operation = match("OPTIONS", target, headers).name
        try:
            asked = cors.Preflight(headers)
            kept = await self._desk.exchange.buckets.cors(target.bucket)
            return Answer(200, asked.judge(kept, target.resource.name))
        except S3Error:
            self._unproved(seen.client)
            raise

    async def _form(
        self, turn: _Turn, wire: Wire, target: Target, headers: Mapping[str, str]
    ) -> Form | None:
        """The form of a POST to a bucket that has no signature of its own."""
        if wire.raw.method != "POST" or target.resource is not Resource.BUCKET or target.query:
            return None
        boundary = boundary_of(headers.get("content-type", ""))
        if not boundary or "authorization" in headers:
            return None
        self._sit(turn, "")
        return await read_form(wire, boundary, self._limits.stall_s)

    def _sit(self, turn: _Turn, party: str) -> None:
        """Nobody takes every place from the others: no party, nor all strangers together."""
        self._rise(turn)
        taken = self._seats.get(party, 0)
        if taken >= self._limits.party_requests_max:
            self._telemetry.turned_away()
            raise TooBusy
        self._seats[party] = taken + 1
        turn.seat = party

    def _rise(self, turn: _Turn) -> None:
        if turn.seat is not None:
            left = self._seats[turn.seat] - 1
            if left:
                self._seats[turn.seat] = left
            else:
                del self._seats[turn.seat]
            turn.seat = None

    def _unreadable(self, raw: web.BaseRequest) -> web.Response:
        """The answer to bytes that are no HTTP request. Nothing of them is told or logged, and
        their sender counts as a stranger."""
        turn = _Turn(self._ids(), self._clock() // NS_PER_SECOND)
        self._unproved(raw.remote or "")
        error = S3Error("InvalidRequest", "An error occurred when parsing the HTTP request.")
        body = build.error(render(error), "", turn.id, HOST_ID)
        names = [line.partition(": ") for line in self._prelude(turn).splitlines()]
        headers = {name: value for name, _, value in names} | {"connection": "close"}
        self._telemetry.request(Finished(DOOR, turn.operation, error.status, 0.0, 0, len(body)))
        return web.Response(
            status=error.status, body=body, headers=headers, content_type="application/xml"
        )

    def _authenticate(
        self,
        turn: _Turn,
        raw: web.BaseRequest,
        seen: Seen,
        target: Target,
        form: Form | None,
    ) -> Verified[Signer]:
        head = RequestHead(raw.method, raw.raw_path, raw.raw_headers)
        try:
            return prove(head, target, form, self._signer, turn.now, self._keys, seen.endpoint)
        except S3Error:
            self._unproved(seen.client)
            raise

    def _unproved(self, client: str) -> None:
        self._telemetry.unauthenticated()
        self._stranger(client)

    def _signer(self, access_key: str) -> Signer | None:
        found = self._lookup(access_key)
        if found is None:
            return None
        return Signer(found.secret.reveal(), found.principal, found.sigv2)

    def _in_force(self, access_key: str, signer: Signer) -> bool:
        """Whether the key that a running request was signed with is still good."""
        found = self._lookup(access_key)
        return found is not None and found.secret.reveal() == signer.secret

    def _own(self, path: str) -> Answer:
        """Health is bare here: details are the admin door's."""
        if path == HEALTH:
            return Answer(200)
        if path == READY:
            return Answer(200 if self._ready() and not self._stopping else 503)
        return Answer(404)

    def _prelude(self, turn: _Turn) -> str:
        """What every answer begins with; the date is written once a second."""
        second, date = self._date
        if second != turn.now:
            date = http_date(turn.now)
            self._date = (turn.now, date)
        return (
            f"date: {date}\r\nserver: Crossdock\r\n"
            f"x-amz-request-id: {turn.id}\r\nx-amz-id-2: {HOST_ID}\r\n"
        )


def _headers(raw: web.BaseRequest) -> dict[str, str]:
    """Values by lower-case name, repeats joined with a comma. What is no UTF-8 is read as latin-1
    (RFC 9110, 5.5), so that the text can be kept anywhere."""
    found: dict[str, str] = {}
    for raw_name, raw_value in raw.raw_headers:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _log_broken(error: Exception, operation: str) -> None:
    """A withdrawal is no fault."""
    if isinstance(error, NotFound | Denied):
        log.info("a download was cut by a withdrawal", extra={"operation": operation})
    else:
        log.error("an answer broke off", exc_info=error, extra={"operation": operation})


def _crossing(answer: Answer, turn: _Turn) -> Answer:
    """The page that asked may read the answer, whatever it says, where its origin is admitted."""
    if not turn.cors:
        return answer
    return replace(answer, headers={**answer.headers, **turn.cors})


def _rendered(error: Exception, turn: _Turn, raw: web.BaseRequest) -> Answer:
    shown = render(error)
    if shown.status >= 500 and not isinstance(error, S3Error | TooBusy):
        log.error("a request failed", exc_info=error, extra={"operation": turn.operation})
    headers = {**shown.headers}
    if raw.method == "HEAD" or shown.status == 304:
        return Answer(shown.status, headers)
    if turn.operation == reserved.OPERATION.name:
        return reserved.refusal(shown, turn.id)
    resource = raw.raw_path.partition("?")[0]
    body = build.error(shown, resource, turn.id, HOST_ID)
    return heading.document(body, headers, shown.status)
