"""docs/policies.md: each example loads, and each statement of effect is what policy decides."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from gateway.errors import Problem
from gateway.exchange.floor import READERS
from gateway.model import Bucket, Facts, Mode, ObjectRef, Share
from gateway.policy import rules
from gateway.policy.cases import cases, judged
from gateway.policy.document import load
from gateway.policy.mesh import Mesh
from gateway.policy.offers import outstanding
from gateway.policy.schema import PartyFile, TopologyFile
from gateway.policy.values import size
from tests.docs.pages import Block, Table, page, parts, tables, ticked

PAGE = page("policies.md")
TEXT = PAGE.read_text("utf-8")
FOLDER = "policies/"
CASES = "policies/tests/"
EXAMPLE = "The example"
WRITES = re.compile(r"(\S+) writes in (\S+)")
WHEN = ("sends.when", "forbids.when")
NOW = 2**62
"""Of a version not yet written."""

Files = dict[str, str]


def stages() -> Iterator[tuple[Files, Block | Table]]:
    """Every block and table with the files in force there: those of its section so far, upon the
    example's topology."""
    example: Files = {}
    section: Files = {}
    here = ""
    for part in parts(PAGE):
        if part.section != here:
            here, section = part.section, dict(example)
        cases = isinstance(part, Block) and part.file.startswith(CASES)
        if isinstance(part, Block) and part.file and not part.wrong and not cases:
            section[part.file.removeprefix(FOLDER)] = part.text
            if here == EXAMPLE:
                example = dict(section)
        yield dict(section), part


def whole(files: Files) -> Mesh:
    loaded = load(files, base="/srv/policies")
    assert not loaded.problems, loaded.problems
    assert loaded.mesh is not None
    return loaded.mesh


EFFECTS = [(f, t) for f, t in stages() if isinstance(t, Table) and WRITES.fullmatch(t.header[0])]
RIGHTS = [(f, t) for f, t in stages() if isinstance(t, Table) and t.header[0].startswith("in ")]
LAST_OF_SECTION = {part.section: files for files, part in stages()}


@pytest.mark.parametrize("section", sorted(LAST_OF_SECTION))
def test_the_files_of_every_section_are_good_together(section: str) -> None:
    whole(LAST_OF_SECTION[section])


def test_every_example_of_a_rule_has_a_statement_of_its_effect() -> None:
    stated = {table.section for _, table in [*EFFECTS, *RIGHTS]}
    shown = {p.section for _, p in stages() if isinstance(p, Block) and p.file and not p.wrong}
    assert shown - stated == {
        "A partner changes cloud",
        "Tell a partner's program when a file arrives",
    }
    assert len(EFFECTS) >= 8


# --- who receives ------------------------------------------------------------------------------


def facts_of(cell: str, author: str, bucket: str) -> Facts:
    """`KEY` with metadata `a=b`, tag `c=d`, type `t/s`, size `1MiB`."""
    key, *values = ticked(cell)
    words = re.findall(r"(metadata|tag|type|size) `", cell)
    facts = Facts(ObjectRef(bucket, key), author, 10, at=NOW)
    for word, value in zip(words, values, strict=True):
        name, _, text = value.partition("=")
        match word:
            case "metadata":
                facts = dataclasses.replace(facts, metadata={**facts.metadata, name: text})
            case "tag":
                facts = dataclasses.replace(facts, tags={**facts.tags, name: text})
            case "type":
                facts = dataclasses.replace(facts, content_type=value)
            case "size":
                facts = dataclasses.replace(facts, size=size(value))
    return facts


def bucket_of(mesh: Mesh, name: str, author: str) -> Bucket:
    """One of the topology, or one that the author makes."""
    if name in mesh.buckets:
        return mesh.buckets[name]
    assert mesh.policy.may_create(author, name)
    return Bucket(name, author, {author: ("**",)}, created=1)


def said(share: Share | None) -> str:
    if share is None:
        return "nothing"
    if share.mode is Mode.COPY_ON_READ and share.target:
        return f"copy-on-read at `{share.target}`"
    return f"copy at `{share.target}`" if share.mode is Mode.COPY else share.mode.value


@pytest.mark.parametrize(("files", "table"), EFFECTS, ids=[str(t) for _, t in EFFECTS])
def test_each_recipient_gets_what_the_table_says(files: Files, table: Table) -> None:
    mesh = whole(files)
    found = WRITES.fullmatch(table.header[0])
    assert found
    author, name = found.groups()
    bucket = bucket_of(mesh, name, author)
    for cell, *expected in table.rows:
        facts = facts_of(cell, author, name)
        shares = {s.party: s for s in mesh.policy.decide(facts, bucket).shares}
        assert shares.keys() <= set(table.header[1:]), "somebody gets it whom the table leaves out"
        for party, told in zip(table.header[1:], expected, strict=True):
            assert said(shares.get(party)) == told, f"{cell}, {party}"
            sees = mesh.policy.sees(party, facts, bucket)
            explained = mesh.policy.explain(party, "read", facts, bucket)
            assert sees.allowed == explained.allowed == (told != "nothing")
            if told == "nothing":
                asked = mesh.policy.explain(party, "read", facts, bucket, asker=party)
                assert asked.text == "not offered"


@pytest.mark.parametrize(("files", "table"), RIGHTS, ids=[str(t) for _, t in RIGHTS])
def test_each_principal_may_what_the_table_says(files: Files, table: Table) -> None:
    mesh = whole(files)
    bucket = mesh.buckets[table.header[0].removeprefix("in ")]
    for cell, *expected in table.rows:
        ref = ObjectRef(bucket.name, ticked(cell)[0])
        for column, told in zip(table.header[1:], expected, strict=True):
            who, verb = column.split()
            party, _, name = who.partition("/")
            principal = mesh.parties[party].principals[name].principal
            writes = mesh.policy.may_write(principal, ref, bucket).allowed
            reads = principal.may in READERS and principal.covers(ref.key)
            assert told == ("yes" if {"writes": writes, "reads": reads}[verb] else "no"), column


@pytest.mark.parametrize(
    ("files", "block"),
    [(f, b) for f, b in stages() if isinstance(b, Block) and b.file.startswith(CASES)],
    ids=lambda each: str(each) if isinstance(each, Block) else "",
)
def test_the_cases_shown_hold(files: Files, block: Block) -> None:
    mesh = whole(files)
    asked, problems = cases(block.file, block.text, mesh)
    assert not problems
    assert asked
    assert not [verdict.wrong for verdict in judged(mesh, asked) if verdict.wrong]


OFFERED = "See what is offered and not accepted"


def test_the_lines_shown_are_those_that_accept_what_is_offered() -> None:
    files = dict(LAST_OF_SECTION[OFFERED])
    (shown,) = [
        b.text for _, b in stages()
        if isinstance(b, Block) and b.section == OFFERED and not b.file
    ]  # fmt: skip
    found = list(outstanding(whole(files), {}))
    assert [f"{offer.party}: {offer.line}" for offer in found] == shown.splitlines()
    for offer in found:
        text = files.get(f"{offer.party}.yaml", f"party: {offer.party}\naccepts:\n")
        files[f"{offer.party}.yaml"] = f"{text}  {offer.line}\n"
    pasted = whole(files)
    assert not list(outstanding(pasted, {}))
    facts = Facts(ObjectRef("orders", "invoices/1.csv"), "acme", 10, at=NOW)
    shares = pasted.policy.decide(facts, pasted.buckets["orders"]).shares
    assert [(s.party, s.mode) for s in shares] == [("globex", Mode.COPY), ("initech", Mode.SHARE)]


# --- what is wrong -----------------------------------------------------------------------------


def mistakes() -> list[tuple[Files, Block, Block]]:
    """Each wrong file with the block of messages that follows it."""
    found = [(files, part) for files, part in stages() if isinstance(part, Block)]
    return [(files, part, found[i + 1][1]) for i, (files, part) in enumerate(found) if part.wrong]


@pytest.mark.parametrize(
    ("files", "wrong", "messages"), mistakes(), ids=[str(wrong) for _, wrong, _ in mistakes()]
)
def test_a_file_with_mistakes_gives_the_messages_shown(
    files: Files, wrong: Block, messages: Block
) -> None:
    problems: tuple[Problem, ...] = load(
        {**files, wrong.file.removeprefix(FOLDER): wrong.text}, base="/srv/policies"
    ).problems
    assert [f"{FOLDER}{problem}" for problem in problems] == messages.text.splitlines()


# --- the law and the fields --------------------------------------------------------------------


def test_the_law_is_quoted_as_the_code_states_it() -> None:
    assert rules.__doc__
    law = re.findall(r"^\d\. (.+?)[;.]$", rules.__doc__.replace("\n   ", " "), re.MULTILINE)
    assert len(law) == 4
    for number, sentence in enumerate(law, 1):
        assert f"{number}. {sentence}" in TEXT


def fields(model: type[BaseModel], before: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = f"{before}{field.alias or name}"
        inner = _model_in(field.annotation)
        if inner is None or path in (*WHEN, "buckets.B.members", "principals.access_key"):
            yield path
        elif path == "parties.P.principals":
            yield path
            yield from fields(inner, "principals.")
        elif path == "parties.P.webhooks":
            yield from fields(inner, "parties.P.webhooks.H.")
        elif path.endswith(("store", "stores")):
            yield path
        else:
            yield from fields(inner, f"{path}.{'P.' if path == 'parties' else ''}"
                              f"{'B.' if path == 'buckets' else ''}")  # fmt: skip


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def test_every_field_is_described_and_no_other() -> None:
    described = [ticked(row[0])[0] for t in tables(PAGE, "Every field") for row in t.rows]
    assert set(described) == {*fields(TopologyFile, ""), *fields(PartyFile, "")}
    assert len(described) == len(set(described))


def test_the_page_uses_the_example_folders_own_names() -> None:
    """Who reads the page and `policies/` meets the same parties."""
    folder = Path(PAGE).parents[1] / "policies"
    assert {"acme", "globex", "initech"} <= {file.stem for file in folder.glob("*.yaml")}
