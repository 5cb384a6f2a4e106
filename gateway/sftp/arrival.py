"""One connection: who it is, how that was proved, and what it may open.

What a stranger is told is the same for users that there are and for those that there are not: both
ways to log in are always offered, a password is always hashed, and a failure always takes as long.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from asyncssh import (
    DISC_NO_MORE_AUTH_METHODS_AVAILABLE,
    SSHKey,
    SSHServer,
    SSHServerConnection,
    SSHServerSession,
)
from asyncssh.public_key import KeyImportError, SSHOpenSSHCertificate, decode_ssh_certificate

from gateway.errors import Denied
from gateway.logins import Login, Proof
from gateway.model import Caller, Event, Principal
from gateway.notifications import FILE_DOOR
from gateway.sftp.channel import Channel, NewSession
from gateway.sftp.guard import is_within
from gateway.sftp.visit import HabitsOf
from gateway.telemetry import Request

SESSIONS_PER_CONNECTION = 10
FAILURE_SECONDS = 1.0
"""A failed password is answered no sooner."""


class Guards(Protocol):
    """Says whom to turn away, and is told of strangers."""

    def arrives(self, source: str) -> bool: ...
    def leaves(self, source: str) -> None: ...
    def unknown_user(self, source: str) -> None: ...
    def bad_login(self, source: str) -> None: ...
    def over_limit(self, source: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What the wiring gives to a door. `matches` tells whether a password is the one that was
    hashed, and is as slow where there is none; `stranger` is told where a login failed."""

    lookup: Callable[[str], Login | None]
    matches: Callable[[str, bytes | None], Awaitable[bool]]
    habits_of: HabitsOf
    guard: Guards
    observe: Callable[[Event], None]
    stranger: Callable[[str], None]
    measure: Callable[[Request], None]
    clock: Callable[[], int]
    ticks: Callable[[], float]
    ids: Callable[[], str]


class Hall(Protocol):
    """What the door is to those who arrive."""

    @property
    def tries_max(self) -> int: ...
    def admit(self, arrival: Arrival) -> bool: ...
    def leave(self, arrival: Arrival) -> None: ...
    def room(self, user: str) -> bool:
        """Whether this user may have one more session; it counts until `give_room`."""
        ...

    def give_room(self, user: str) -> None: ...

    def session(self, arrival: Arrival) -> NewSession: ...


class Arrival(SSHServer):
    def __init__(self, means: Means, hall: Hall) -> None:
        self._means = means
        self._hall = hall
        self._login: Login | None = None
        self._known = False  # the user, whether or not it may come from there
        self._key_shown = False  # a key was proved, and a password is wanted too
        self._offered: bytes = b""  # the key or authority that was accepted last
        self._proofs: tuple[bytes, ...] = ()
        self._came = False
        self._verified: Login | None = None  # as it was when it was last found to be in force
        self._failures = 0
        self._channels: dict[object, str] = {}  # by the user for whom each was opened
        self.user = ""
        self.source = ""
        self.id = means.ids()
        self.working = 0
        self.asked_at = means.clock()
        self.uploads = 0
        self.connection: SSHServerConnection | None = None

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, conn: SSHServerConnection) -> None:
        self.connection = conn
        address = conn.get_extra_info("peername")
        self.source = str(address[0]) if address else ""
        proving = conn.validate_public_key

        async def proved(user: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
            """asyncssh knows no login that takes two proofs: the first one is answered here."""
            valid = not _names_nobody(key_data)
            valid = valid and await proving(user, key_data, msg, signature)
            if not msg:
                return valid
            if not valid:
                self._failed()
            elif self._wants_both:
                self._key_shown = True
                self._proofs = (self._offered,)
                conn.send_userauth_failure(True)
                return False
            else:
                self._proofs = (self._offered,)
            return valid

        conn.validate_public_key = proved  # type: ignore[method-assign, assignment]
        if not self._hall.admit(self):
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._hall.leave(self)
        for each in tuple(self._channels):
            self._closed(each)
        if self._came:
            self._note("left")

    # --- proving -------------------------------------------------------------------------------

    def begin_auth(self, username: str) -> bool:
        found = self._means.lookup(username)
        self.user, self._known = username, found is not None
        self._key_shown, self._proofs = False, ()
        self._login = found if found is not None and self._from_allowed(found) else None
        return True

    def _from_allowed(self, login: Login) -> bool:
        return not login.networks or is_within(self.source, login.networks)

    @property
    def _wants_both(self) -> bool:
        return self._login is not None and self._login.proof is Proof.BOTH and not self._key_shown

    def public_key_auth_supported(self) -> bool:
        return not self._key_shown

    def password_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: SSHKey) -> bool:
        login = self._login
        if login is None or login.proof is Proof.PASSWORD:
            return False
        return self._is_one_of(key, login.keys)

    def validate_ca_key(self, username: str, key: SSHKey) -> bool:
        login = self._login
        if login is None or login.proof is Proof.PASSWORD:
            return False
        return self._is_one_of(key, login.authorities)

    def _is_one_of(self, key: SSHKey, lines: tuple[str, ...]) -> bool:
        self._offered = base64.b64encode(key.public_data)
        return _listed(self._offered, lines)

    async def validate_password(self, username: str, password: str) -> bool:
        login = self._login
        asked = login is not None and login.proof is not Proof.KEY and not self._wants_both
        kept = login.passwords if login is not None and asked else ()
        began = asyncio.get_running_loop().time()
        for each in kept or (None,):
            if await self._means.matches(password, each) and each is not None:
                self._proofs = (*self._proofs, each)
                return True
        self._failed()
        left = began + FAILURE_SECONDS - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, left))
        return False

    def _failed(self) -> None:
        self._failures += 1
        self._means.stranger(self.source)
        if self._known:
            self._means.guard.bad_login(self.source)
        else:
            self._means.guard.unknown_user(self.source)
        if self._failures >= self._hall.tries_max and self.connection is not None:
            self.connection.disconnect(
                DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many authentication failures"
            )

    def auth_completed(self) -> None:
        self._came = True
        self._note("came")

    def _note(self, outcome: str, kind: str = "login") -> None:
        login = self._login
        if login is None:
            return
        principal = login.principal
        self._means.observe(
            Event(
                kind,
                self._means.clock(),
                principal.party,
                principal.name,
                FILE_DOOR,
                self.id,
                outcome=outcome,
                detail={"source": self.source},
                readers=(principal.party,),
            )
        )

    # --- standing ------------------------------------------------------------------------------

    def standing(self) -> Caller:
        """The caller, as the mesh and the catalog have it now. Denied once the login, or the key or
        password that it came with, is no longer in force."""
        login = self._means.lookup(self.user)
        if login is None or not (login is self._verified or self._still(login)):
            self._note(Denied.__name__, kind="refusal")
            raise Denied("this login is no longer in force")
        self._verified = login  # logins are swapped whole: the same one needs no second look
        return Caller(login.principal, FILE_DOOR, self.id)

    def _still(self, login: Login) -> bool:
        before = self._login
        if before is None or _named(login.principal) != _named(before.principal):
            return False
        if not self._from_allowed(login):
            return False
        lines = (*login.keys, *login.authorities)
        return all(_listed(each, lines) or each in login.passwords for each in self._proofs)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around every request of every session."""
        self.working += 1
        try:
            yield
        finally:
            self.working -= 1
            self.asked_at = self._means.clock()

    def idle_since(self, moment: int) -> bool:
        """Nothing was asked since then, nothing is under way, and no file is open for writing:
        its upload may be slow, but it is not over."""
        return not self.working and not self.uploads and self.asked_at < moment

    # --- what it opens -------------------------------------------------------------------------

    def session_requested(self) -> SSHServerSession[bytes] | bool:
        if len(self._channels) >= SESSIONS_PER_CONNECTION or not self._hall.room(self.user):
            self._means.guard.over_limit(self.source)
            return False
        opened = object()
        self._channels[opened] = self.user
        return Channel(self._hall.session(self), lambda: self._closed(opened))

    def _closed(self, opened: object) -> None:
        """Once for each channel, whether or not a session came of it."""
        user = self._channels.pop(opened, None)
        if user is not None:
            self._hall.give_room(user)


def _names_nobody(key_data: bytes) -> bool:
    """Whether this is a certificate that lists no user: asyncssh takes it for one of every user."""
    try:
        certificate = decode_ssh_certificate(key_data)
    except KeyImportError:
        return False
    return isinstance(certificate, SSHOpenSSHCertificate) and not certificate.principals


def _listed(key: bytes, lines: tuple[str, ...]) -> bool:
    """Whether a public key (base64) stands in one of these lines of authorized_keys."""
    return any(hmac.compare_digest(key, word.encode()) for line in lines for word in line.split())


def _named(principal: Principal) -> tuple[str, str]:
    return principal.party, principal.name
