"""`crossdock policy push` and `pull`: for a party's own staff, who have a key and no disk here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gateway.cli import show
from gateway.cli.session import Session, command
from gateway.cli.signing import Reply, ask
from gateway.errors import BadInput, CrossdockError, DocumentErrors, Problem

PATH = "/-/api/v1/policy"
FILE_BYTES_MAX = 4 * 1024**2

endpoint_option = click.option(
    "--endpoint", required=True, metavar="URL", help="The gateway's S3 endpoint."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@endpoint_option
@click.option("--expect", default="", metavar="SHA256", help="Only if this file is in force still.")
@command
def push(session: Session, file: Path, endpoint: str, expect: str) -> None:
    """Replaces your party's own policy file by FILE, signed with the key in the environment.

    Exits 1 if the file in force is not the one that --expect names any more, or the operator is at
    work on it; 2 if FILE holds a mistake. Nothing has changed then.
    """
    raw = file.read_bytes()
    if len(raw) > FILE_BYTES_MAX:
        raise BadInput(f"{file} is larger than {FILE_BYTES_MAX} bytes")
    headers = {"content-type": "application/yaml"}
    if expect:
        headers["if-match"] = f'"{expect}"'
    told = _content(ask("PUT", endpoint, PATH, raw, headers), file)
    if session.as_json:
        show.as_json(told)
        return
    show.say(f"in force: {told['sha256']}")
    for each in told["warnings"]:
        show.say(f"{file}:{each['line']}:{each['column']}: {each['text']}")


@click.command()
@endpoint_option
@click.option("--revision", default="", metavar="SHA256", help="What the file was once.")
@click.option("--history", "past", is_flag=True, help="Every file that was in force, newest first.")
@command
def pull(session: Session, endpoint: str, revision: str, past: bool) -> None:
    """Prints your party's own policy file as it is in force; on stderr the SHA-256 that `push
    --expect` takes, and what is wrong with a newer text that is not in force."""
    path = f"{PATH}/history" if past else f"{PATH}?sha256={revision}" if revision else PATH
    told = _content(ask("GET", endpoint, path), Path("policy"))
    if session.as_json:
        show.as_json(told)
    elif past:
        rows = [(each["at"], each["sha256"], each["by"] or "the operator") for each in told]
        show.table("the file, as in force now first", ("since", "sha256", "by"), rows)
    else:
        click.echo(told["text"], nl=False)
        click.echo(f"sha256 {told['sha256']}", err=True)
        for each in told.get("problems", ()):
            click.echo(show.safe(f"not in force: {each['line']}: {each['text']}"), err=True)


def _content(reply: Reply, file: Path) -> Any:
    if reply.status == 200:
        return reply.content
    told: Mapping[str, Any] = reply.content if isinstance(reply.content, dict) else {}
    if reply.status == 422:
        found = [
            Problem(str(file), each["line"], each["column"], each["text"])
            for each in told.get("problems", ())
        ]
        raise DocumentErrors(found)
    raise CrossdockError(f"{told.get('code', reply.status)}: {told.get('message', '')}")
