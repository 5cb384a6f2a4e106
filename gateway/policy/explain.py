"""Why: an answer of policy with the rules behind it, cut to what the asker may know.

The operator sees everything. A party sees the rules of its own file, and where a denial rests on
somebody else's file it reads `not offered`, in the same words and with the same findings as for
an object that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.model import Facts, Mode, Reason, Rule, Share
from gateway.policy.clauses import EVERY_BUCKET, EVERYONE, Accept, Forbid, Send

OPERATOR = ""
HIDDEN = "not offered"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule and its part in the answer: it decides, forbids, is beaten, or misses: nearly, where
    only one thing stands in the way."""

    rule: Rule
    outcome: str
    why: str
    near: bool = False


def _missed(rule: Rule, unmet: Sequence[str]) -> Finding:
    return Finding(rule, "misses", "; ".join(unmet), near=len(unmet) == 1)


def _distance(finding: Finding) -> int:
    """What matched comes first, then what nearly did, then all else; each as the files have it."""
    if finding.outcome != "misses":
        return 0
    return 1 if finding.near else 2


@dataclass(frozen=True, slots=True)
class Explanation:
    allowed: bool
    text: str
    mode: Mode | None
    revision: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    party: str
    facts: Facts
    bucket: str
    asker: str
    starts: Mapping[str, int] = field(default_factory=dict)  # see Send.reaches

    @property
    def by_operator(self) -> bool:
        return self.asker == OPERATOR

    def may_know(self, rule: Rule) -> bool:
        return self.by_operator or rule.owner == self.asker


@dataclass(frozen=True, slots=True)
class Answer:
    """What policy says, to be explained."""

    revision: str
    reason: Reason
    member: bool
    share: Share | None = None


def written(question: Question, answer: Answer, grant: Rule | None) -> Explanation:
    """May the party write? Its write grants are its own business and the operator's."""
    reason, revision = answer.reason, answer.revision
    if not question.by_operator and question.asker != question.party:
        return Explanation(False, HIDDEN, None, revision)
    outcome = "decides" if reason.allowed else "misses"
    findings = (Finding(grant, outcome, reason.text),) if grant else ()
    return Explanation(
        reason.allowed, reason.text, Mode.OWN if reason.allowed else None, revision, findings
    )


def read(
    question: Question,
    answer: Answer,
    theirs: Sequence[Send | Forbid],
    ours: Sequence[Accept],
) -> Explanation:
    """May the party read? `theirs` are the author's rules, `ours` the recipient's."""
    reason, share, revision = answer.reason, answer.share, answer.revision
    author = question.facts.author
    if not (question.by_operator or question.asker in (question.party, author)):
        return Explanation(False, HIDDEN, None, revision)
    blind = not (question.by_operator or reason.allowed or question.asker == author)
    # Who may not see a version must not learn from its own rules' findings whose it is.
    accepts = _accepts_blindly(question, ours) if blind else _accepts(question, ours, share)
    findings = [*_author_rules(question, theirs, share), *accepts]
    known = tuple(sorted((f for f in findings if question.may_know(f.rule)), key=_distance))
    mode = Mode.OWN if reason.allowed and question.party == author else None
    text = _permission(question, reason) if reason.allowed else _refusal(question, answer, findings)
    return Explanation(reason.allowed, text, share.mode if share else mode, revision, known)


def _permission(question: Question, reason: Reason) -> str:
    """`reason.text` speaks of the recipient's file, which is none of the author's business."""
    if question.asker in (OPERATOR, question.party):
        return reason.text
    return f"sent by {reason.rule}"


def _refusal(question: Question, answer: Answer, findings: Iterable[Finding]) -> str:
    """The rule that stands in the way, if the asker may know it."""
    if question.by_operator and not answer.member:
        return f"{question.party} is not a member of {question.bucket}"
    barrier = next((f for f in findings if f.outcome == "forbids"), None)
    if barrier and question.may_know(barrier.rule):
        return f"forbidden by {barrier.rule}"
    offers = [f for f in findings if f.outcome == "offers"]
    author, party = question.facts.author, question.party
    if not offers and question.asker in (OPERATOR, author):
        return f"no rule of {author} sends this to {party}"
    if question.by_operator:
        return f"offered by {offers[0].rule}, but no rule of {party} accepts it"
    return HIDDEN


def _author_rules(
    question: Question, theirs: Iterable[Send | Forbid], share: Share | None
) -> Iterator[Finding]:
    for clause in theirs:
        named = clause.to.keys() if isinstance(clause, Send) else clause.to
        if not named & {question.party, EVERYONE}:
            continue
        if clause.bucket not in (EVERY_BUCKET, question.bucket):
            continue
        unmet = list(clause.unmet(question.facts))
        if isinstance(clause, Send) and not clause.reaches(question.facts, question.starts):
            unmet.append("the version is older than its `since`")
        if unmet:
            yield _missed(clause.rule, unmet)
        elif isinstance(clause, Forbid):
            yield Finding(clause.rule, "forbids", f"keeps this from {question.party}")
        else:
            yield _send(question, clause, share)


def _send(question: Question, send: Send, share: Share | None) -> Finding:
    mode = send.offer(question.party)
    why = f"sends {mode.value} to {question.party}" if mode else ""
    if share is None:
        return Finding(send.rule, "offers", why)
    return Finding(send.rule, "decides" if share.rule == send.rule else "beaten", why)


def _accepts(question: Question, ours: Iterable[Accept], share: Share | None) -> Iterator[Finding]:
    for accept in ours:
        if accept.bucket not in (EVERY_BUCKET, question.bucket):
            continue
        unmet = list(accept.unmet(question.facts))
        if accept.senders.isdisjoint({question.facts.author, EVERYONE}):
            senders = ", ".join(sorted(accept.senders))
            unmet.insert(0, f"it accepts from {senders}")
        if unmet:
            yield _missed(accept.rule, unmet)
        else:
            why = f"accepts into {accept.into}" if accept.into else "accepts shares"
            chosen = share is not None and share.accept == accept.rule
            beaten = "beaten" if share else "accepts"
            yield Finding(accept.rule, "decides" if chosen else beaten, why)


def _accepts_blindly(question: Question, ours: Iterable[Accept]) -> Iterator[Finding]:
    """What the party's own rules say of the name alone."""
    for accept in ours:
        if accept.bucket not in (EVERY_BUCKET, question.bucket):
            continue
        senders = ", ".join(sorted(accept.senders))
        if unmet := list(accept.unmet(question.facts)):
            yield _missed(accept.rule, unmet)
        else:
            yield Finding(accept.rule, "accepts", f"would accept it from {senders}")
