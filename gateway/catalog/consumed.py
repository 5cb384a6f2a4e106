"""What a recipient is done with: the change, and what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.catalog.expect import Expect
from gateway.model import Event, ObjectRef


@dataclass(frozen=True, slots=True)
class Consume:
    """The name `ref` goes from one party's view, which shows a version under it; `moved_to`, if
    given, is another name that its view shows that version under instead. Nobody else's view
    changes. A version that is granted under a name is shown there whatever was moved to it; what
    was moved there before is no longer shown.

    Of a key that is consumed all older versions go from the view too. Done once: the same again
    changes nothing. NoSuchVersion where the party holds no open grant on the version, or its view
    does not have it under that name; Conflict where it shows a version that is granted under the
    name `moved_to`; PreconditionFailed and PolicyMoved as in Write."""

    ref: ObjectRef
    version: str
    party: str
    revision: str
    event: Event
    moved_to: str = ""
    expect: Expect = field(default_factory=Expect)


@dataclass(frozen=True, slots=True)
class Consumed:
    """A party's mark on a version: since when, and the name that its view has for it now."""

    party: str
    at: int
    moved_to: str = ""
