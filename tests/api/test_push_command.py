"""`crossdock policy push` and `pull`, as a party's staff calls them, with no disk here."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.app import Running
from gateway.cli import main
from tests.api.test_policy_file import SHARES_ALONE, STAFFED, digest, key_of
from tests.cli.site import GLOBEX, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "operator")
    made.folder.mkdir()
    made.make()
    made.write("policies/topology.yaml", STAFFED)
    return made


def call(*words: str) -> Result:
    return CliRunner().invoke(main, ["policy", *words], catch_exceptions=False)


def told(site: Site, monkeypatch: Any, tmp_path: Path, story: Any) -> None:
    async def run(gateway: Running) -> None:
        access, secret = key_of(gateway, "globex/staff")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", access)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        monkeypatch.chdir(tmp_path)

        async def calling(*words: str) -> Result:
            endpoint = ("--endpoint", gateway.doors["s3"].listen.url)
            return await asyncio.to_thread(call, *words, *endpoint)

        await story(calling, gateway)

    asyncio.run(site.running(run))


def test_pull_edit_push(site: Site, monkeypatch: Any, tmp_path: Path) -> None:
    async def story(calling: Any, gateway: Running) -> None:
        pulled = await calling("pull")
        assert (pulled.exit_code, pulled.stdout) == (0, GLOBEX)
        assert f"sha256 {digest(GLOBEX)}" in pulled.stderr
        mine = tmp_path / "mine.yaml"
        mine.write_text(SHARES_ALONE)
        pushed = await calling("push", str(mine), "--expect", digest(GLOBEX))
        assert pushed.exit_code == 0, pushed.stderr
        assert f"in force: {digest(SHARES_ALONE)}" in pushed.stdout
        assert gateway.house.mesh.texts["globex.yaml"] == SHARES_ALONE
        stale = await calling("push", str(mine), "--expect", digest(GLOBEX))
        assert stale.exit_code == 1
        assert "PreconditionFailed" in stale.stderr
        was = await calling("pull", "--revision", digest(GLOBEX))
        assert was.stdout == GLOBEX
        past = json.loads((await calling("pull", "--history", "--json")).stdout)
        assert [each["by"] for each in past] == ["staff", None]
        assert "the operator" in (await calling("pull", "--history")).stdout

    told(site, monkeypatch, tmp_path, story)


def test_mistakes_are_placed_in_the_callers_own_file(
    site: Site, monkeypatch: Any, tmp_path: Path
) -> None:
    async def story(calling: Any, gateway: Running) -> None:
        (tmp_path / "mine.yaml").write_text("party: globex\nacepts: []\n")
        result = await calling("push", "mine.yaml")
        assert result.exit_code == 2
        assert "mine.yaml:2:1: " in result.stderr
        assert "did you mean `accepts`?" in result.stderr

    told(site, monkeypatch, tmp_path, story)


def test_what_keeps_it_from_being_sent(tmp_path: Path, monkeypatch: Any) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(GLOBEX)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    keyless = call("push", str(mine), "--endpoint", "http://127.0.0.1:9")
    assert keyless.exit_code == 2
    assert "AWS_ACCESS_KEY_ID" in keyless.stderr
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "X")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "Y")
    nobody = call("push", str(mine), "--endpoint", "http://127.0.0.1:9")
    assert nobody.exit_code == 1
    assert "does not answer" in nobody.stderr
    assert call("push", str(mine), "--endpoint", "files.example.com").exit_code == 2
