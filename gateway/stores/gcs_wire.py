"""One bucket of Google Cloud Storage over its JSON API: requests, and errors in our words.

Source: cloud.google.com/storage/docs/json_api/v1 and .../docs/performing-resumable-uploads.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from gateway.errors import (
    ChangedInStore,
    CrossdockError,
    MissingFromStore,
    StoreRefused,
    StoreUnavailable,
)

ENDPOINT = "https://storage.googleapis.com"
CONNECT_SECONDS = 10
ANSWER_SECONDS = 60
ANSWER_BYTES_MAX = 4 * 1024 * 1024  # of JSON: a page of a listing at most

_WORDS = MappingProxyType(
    {404: MissingFromStore, 408: StoreUnavailable, 429: StoreUnavailable, 412: ChangedInStore}
)
_NO_BUCKET = re.compile(r"bucket does not exist", re.IGNORECASE)

Token = Callable[[], Awaitable[str]]
"""Gives a bearer token that is valid now."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    document: Mapping[str, Any] = field(default_factory=dict)


class Bucket:
    """`endpoint` is the service's origin; without a `token` requests go out unsigned, as an
    emulator wants them. No retries: who calls knows what may be tried again."""

    def __init__(self, name: str, endpoint: str = ENDPOINT, token: Token | None = None) -> None:
        self._name = quote(name, safe="")
        self._endpoint = endpoint.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    @property
    def objects(self) -> str:
        return f"{self._endpoint}/storage/v1/b/{self._name}/o"

    @property
    def uploads(self) -> str:
        return f"{self._endpoint}/upload/storage/v1/b/{self._name}/o"

    def object(self, name: str) -> str:
        return f"{self.objects}/{quote(name, safe='')}"

    async def call(
        self,
        method: str,
        url: str,
        query: Mapping[str, str],
        *,
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, and its JSON. 308 (a resumable upload goes on) is an answer like 200."""
        async with self.open(method, url, query, data=data, headers=headers) as response:
            with domain_errors():
                text = await response.content.read(ANSWER_BYTES_MAX)
                while chunk := await response.content.read(ANSWER_BYTES_MAX):
                    text += chunk
            try:
                document = json.loads(text) if text.strip() else {}
            except ValueError as error:
                raise StoreUnavailable("The store's answer is not JSON.") from error
            return Answer(response.status, response.headers, document)

    @contextlib.asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        query: Mapping[str, str],
        *,
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """One request; its answer is read by the caller. Errors are raised before that."""
        sent = {"accept-encoding": "identity", **(headers or {})}
        if self._token is not None:
            sent["authorization"] = f"Bearer {await self._token()}"
        target = URL(f"{url}?{urlencode(query)}" if query else url, encoded=True)
        with domain_errors():
            response = await self._opened().request(
                method,
                target,
                data=io.BytesIO(data) if data else None,  # sent in pieces, not in one go
                headers=sent,
                allow_redirects=False,
                skip_auto_headers=("content-type",),
            )
        try:
            if response.status >= 400:
                raise await _refusal(response)
            yield response
        finally:
            response.close()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS
            )
            self._session = aiohttp.ClientSession(
                timeout=timeout, auto_decompress=False, trust_env=True
            )
        return self._session


async def _refusal(response: aiohttp.ClientResponse) -> CrossdockError:
    with domain_errors():
        text = (await response.content.read(1000)).decode(errors="replace")
    status = response.status
    word = _WORDS.get(status, StoreUnavailable if status >= 500 else StoreRefused)
    if _NO_BUCKET.search(text):
        word = StoreRefused
    return word(f"The store answers {status}: {text}"[:300], status=status)


@contextlib.contextmanager
def domain_errors() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise StoreUnavailable(f"The store does not answer: {error}"[:300]) from error
