"""Bearer tokens for Google Cloud Storage, by google-auth."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import google.auth
import urllib3
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.urllib3 import Request
from google.oauth2.service_account import Credentials

from gateway.errors import ConfigError, StoreRefused, StoreUnavailable

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


class Tokens:
    """For the service account whose JSON key this is; with none, for what the machine itself is
    (environment, workload identity, instance). ConfigError where the key is malformed.

    A new token is asked for a few minutes before the last one ends, once for all who wait."""

    def __init__(self, service_account: str = "") -> None:
        self._credentials: Any = None
        self._asking = asyncio.Lock()
        if service_account:
            try:
                self._credentials = Credentials.from_service_account_info(
                    json.loads(service_account), scopes=[SCOPE]
                )
            except (ValueError, TypeError, AttributeError) as error:
                raise ConfigError("This is not the JSON key of a service account.") from error

    async def __call__(self) -> str:
        async with self._asking:
            if self._credentials is None or not self._credentials.valid:
                await asyncio.to_thread(self._renew)
            return str(self._credentials.token)

    def _renew(self) -> None:
        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[SCOPE])
            with urllib3.PoolManager() as pool:
                self._credentials.refresh(Request(pool))
        except GoogleAuthError as error:
            word = StoreUnavailable if error.retryable else StoreRefused
            raise word(f"No token for the store: {error}"[:300]) from error
