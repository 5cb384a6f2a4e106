"""Good requests made bad, signed and sent to a whole gateway: each is answered, at once, with
nothing of what its sender may not see; and every other party is served."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.requests import Draft, changed, draft_of
from tests.s3.raw import UNSIGNED, Reply, Socket, ask, sign
from tests.security.attempts import ATTEMPTS, Aim
from tests.security.test_in_step import KINDS
from tests.security.world import SECRET_BODY, SECRET_KEY, Watched, furnish

REQUESTS = 1500
PROBE_EVERY = 50
SLOW_S = 1.0
SOAK_S = 900.0
CANARIES = (SECRET_BODY, b"secret-note")
OWN = {
    "globex/wms": "globex-own/mine",
    "hooli/bot": "orders/shared/mine",
    "umbra/desk": "umbra-own/x",
    "acme/erp": "orders/other/mine",
    "acme/clerk": "orders/other/mine",
}
MAY_SEE = frozenset({"acme/erp"})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with Watched(tmp_path_factory.mktemp("fuzzed")) as running:
        yield running


class Fuzzer:
    """Every random choice follows from `seed`."""

    def __init__(self, gateway: Watched, seed: int) -> None:
        self.gateway = gateway
        self.random = Random(seed)
        self.prey = furnish(gateway)
        self.bodies = [attempt.body.encode() for attempt in ATTEMPTS if attempt.body]

    def draft(self, principal: str) -> Draft:
        """Of a route that is built, or of a kind of error; for what is there or what is not."""
        if self.random.randrange(4) == 0:
            kind = self.random.choice(KINDS)
            made = draft_of(kind.method, kind.target, dict(kind.headers), kind.body)
        else:
            key = self.random.choice((SECRET_KEY, "other/seen.csv", "shared/x"))
            prey = self.prey
            aim = Aim(key, prey.version, prey.upload, prey.shared_upload, OWN[principal])
            attempt = self.random.choice(ATTEMPTS).filled(aim)
            body = attempt.body.encode()
            made = draft_of(attempt.method, attempt.target, dict(attempt.headers), body)
        return changed(made, self.bodies, self.random)

    def send(self, draft: Draft, principal: str) -> Reply:
        mode = self.random.choice((None, None, UNSIGNED))
        signed = sign(
            self.gateway, draft.method, draft.target, draft.headers, body=draft.body, mode=mode,
            principal=principal,
        )  # fmt: skip
        lengthy = draft.body or draft.method in ("PUT", "POST")
        length = [f"Content-Length: {len(draft.body)}"] if lengthy else []
        with Socket(self.gateway) as connection:
            return connection.ask(signed.head(*length) + draft.body, draft.method)

    def round(self, principal: str) -> None:
        draft = self.draft(principal)
        try:
            draft.target.encode("ascii")
        except UnicodeEncodeError:
            return
        began = time.monotonic()
        reply = self.send(draft, principal)
        assert reply.status < 500 or reply.status == 501, (draft, reply)
        assert time.monotonic() - began < SLOW_S, draft
        assert "set-cookie" not in reply.headers, draft
        if principal not in MAY_SEE:
            told = reply.body + repr(reply.headers).encode()
            assert not any(canary in told for canary in CANARIES), (draft, reply)

    def others_are_served(self) -> None:
        for principal in ("globex/wms", "acme/erp"):
            reply = ask(self.gateway, sign(self.gateway, "GET", "/", principal=principal))
            assert reply.status == 200


def test_mutated_requests_are_answered_and_tell_nothing(gateway: Watched) -> None:
    fuzzer = Fuzzer(gateway, 1)
    for count, principal in zip(range(REQUESTS), cycle(OWN), strict=False):
        fuzzer.round(principal)
        if count % PROBE_EVERY == 0:
            fuzzer.others_are_served()


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S * 2)
def test_no_request_is_found_that_is_not_answered(tmp_path: Path) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")
    with Watched(tmp_path) as gateway:
        fuzzer, end = Fuzzer(gateway, seed), time.monotonic() + SOAK_S
        for principal in cycle(OWN):
            fuzzer.round(principal)
            fuzzer.others_are_served()
            if time.monotonic() > end:
                return
