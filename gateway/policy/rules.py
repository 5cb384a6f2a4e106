"""Who may write, who receives, who may still read: one immutable value, asked by every verb."""

from __future__ import annotations

from gateway.model import Bucket, Decision, Facts, ObjectRef, Principal, Reason


class Policy:
    """Immutable; swapped whole. Nothing is shared by default, and the order of rules and files
    never matters."""

    revision: str

    def may_write(self, principal: Principal, ref: ObjectRef, bucket: Bucket) -> Reason:
        """May this principal write this key? The text names the grant that is missing."""
        raise NotImplementedError

    def may_read(self, principal: Principal, ref: ObjectRef) -> Reason:
        """Does the principal itself leave room for reading this key? (Its party's view is
        `sees`.)"""
        raise NotImplementedError

    def decide(self, facts: Facts, bucket: Bucket) -> Decision:
        """Who gets this version and how; co-authors with Mode.OWN, the author left out."""
        raise NotImplementedError

    def sees(self, party: str, facts: Facts, bucket: Bucket) -> Reason:
        """May this party still read this version? Ignores `since`; never for a non-member."""
        raise NotImplementedError

    def members(self, bucket: Bucket) -> frozenset[str]:
        """The parties for which this bucket exists."""
        raise NotImplementedError

    def may_create(self, party: str, bucket_name: str) -> bool:
        """May this party's principals create a bucket of this name?"""
        raise NotImplementedError
