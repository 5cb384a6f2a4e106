"""gateway.yaml: what it says, and every mistake with its place."""

from pathlib import Path

import pytest

from gateway.config import Overrides, read
from gateway.errors import BadInput, ConfigError, DocumentErrors


def written(folder: Path, text: str) -> Path:
    (folder / "policies").mkdir(exist_ok=True)
    path = folder / "gateway.yaml"
    path.write_text(text)
    return path


def test_every_field_has_a_default(tmp_path: Path) -> None:
    config = read(written(tmp_path, "region: us-east-1\n"))
    assert config.listen["s3"].url == "http://127.0.0.1:9000"
    assert config.listen["admin"].url == "http://127.0.0.1:9001"
    assert config.catalog == tmp_path / "data/catalog.db"
    assert config.state == tmp_path / "data"
    assert config.policies == tmp_path / "policies"
    assert config.audit.keep == 400 * 86_400
    assert config.limits.requests == 1024


def test_relative_paths_count_from_the_files_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "state: ./x/../y\ncatalog: sqlite:///c.db\n")
    monkeypatch.chdir(tmp_path.parent)
    config = read(Path(tmp_path.name) / "gateway.yaml")
    assert config.state == tmp_path / "y"
    assert config.catalog == tmp_path / "c.db"


def test_absolute_paths_stay(tmp_path: Path) -> None:
    config = read(written(tmp_path, f"catalog: sqlite:////srv/c.db\nstate: {tmp_path}/s\n"))
    assert config.catalog == Path("/srv/c.db")
    assert config.state == tmp_path / "s"


def test_a_door_left_out_stays_shut(tmp_path: Path) -> None:
    config = read(written(tmp_path, "listen: {s3: '[::1]:0'}\n"))
    assert list(config.listen) == ["s3"]
    assert config.listen["s3"].host == "::1"
    assert config.listen["s3"].url == "http://[::1]:0"


def test_tls_stands_with_its_door(tmp_path: Path) -> None:
    (tmp_path / "c.pem").touch()
    (tmp_path / "k.pem").touch()
    text = "listen: {s3: {address: 'a.example:443', tls: {cert: c.pem, key: k.pem}}}\n"
    listen = read(written(tmp_path, text)).listen["s3"]
    assert listen.cert == tmp_path / "c.pem"
    assert listen.url == "https://a.example:443"


MISTAKES = [
    ("lisen: {}", "1:1: unknown field `lisen`; did you mean `listen`?"),
    ("listen: {admn: 'a:1'}", "1:10: unknown field `admn`; did you mean `admin`?"),
    ("limits: {requets: 1}", "1:10: unknown field `requets`; did you mean `requests`?"),
    ("state: a\nstate: b", "2:1: `state` is written twice"),
    ("listen: {s3: '127.0.0.1'}", "1:14: `127.0.0.1` is no address; expected HOST:PORT"),
    ("listen: {s3: '127.0.0.1:99999'}", "1:14: `127.0.0.1:99999` is no address"),
    ("listen: {sftp: {address: 'a:22', tls: {cert: c, key: k}}}", "the sFTP door has no `tls`"),
    ("sftp: {ciphers: old}", "1:17: `old` is none of the choices"),
    ("sftp: {ban: {for: 30}}", "1:19: `30` is no duration"),
    ("sftp: {safe: [10.0.0.1/8]}", "1:15: `10.0.0.1/8` is no network"),
    ("catalog: postgresql://u@h/d", "1:10: a catalog in PostgreSQL is not built yet"),
    ("catalog: data/c.db", "1:10: `data/c.db` is no catalog; expected sqlite:///PATH"),
    ("apply: wtach", "1:8: `wtach` is none of the choices; did you mean `watch`?"),
    ("seal_key: hunter2", "1:11: a secret is never written here"),
    ("audit: {keep: 12}", "1:15: `12` is no duration; expected one like 30s"),
    ("audit: {keep: 012}", "1:15: `012` is no duration"),
    ("audit: {reads: maybe}", "1:16: expected yes or no, not `maybe`"),
    ("limits: {body: 5XB}", "1:16: `5XB` is no size"),
    ("limits: {requests: 0}", "1:20: `0` is out of range; expected 1 to 100000"),
    ("limits: {header: 10}", "1:18: `10` is out of range"),
    ("region: no", "1:9: bare `no` is true or false to YAML"),
    ("domain: S3.Example.com", "1:9: `S3.Example.com` is no host name"),
    ("external_url: files.example.com", "1:15: `files.example.com` is no URL"),
    ("trusted_proxies: [10.0.0.1/8]", "1:19: `10.0.0.1/8` is no network"),
    ("log: {level: loud}", "1:14: `loud` is none of the choices"),
    ("policies: nowhere", "1:11: there is no folder"),
    ("listen: {s3: {address: 'a:1', tls: {cert: c, key: k}}}", "1:43: there is no file"),
    ("region: [", "not YAML"),
    ("", "1:1: the file is empty"),
]


@pytest.mark.parametrize(("text", "says"), MISTAKES)
def test_a_mistake_has_its_place_and_its_mend(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DocumentErrors) as caught:
        read(path)
    assert f"{path}:" in caught.value.message
    assert says in caught.value.message
    assert "hunter2" not in caught.value.message


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DocumentErrors) as caught:
        read(written(tmp_path, "regionn: a\nstatee: b\nlimits: {body: x}\n"))
    assert len(caught.value.problems) == 3


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.yaml: can't be read"):
        read(tmp_path / "gateway.yaml")


def test_the_command_line_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "listen: {s3: '127.0.0.1:9000'}\n")
    monkeypatch.chdir("/")
    given = Overrides("sqlite:///srv/c.db", "srv", ("s3=0.0.0.0:80", "admin=127.0.0.1:81"))
    config = read(path, given)
    assert config.catalog == Path("/srv/c.db")
    assert config.state == Path("/srv")
    assert config.listen["s3"].url == "http://0.0.0.0:80"
    assert config.listen["admin"].port == 81


@pytest.mark.parametrize(
    "given",
    [
        Overrides(listen=("web=1.2.3.4:5",)),
        Overrides(listen=("s3",)),
        Overrides(listen=("s3=nonsense",)),
        Overrides(catalog="c.db"),
    ],
)
def test_a_bad_override_is_refused(tmp_path: Path, given: Overrides) -> None:
    with pytest.raises(BadInput):
        read(written(tmp_path, "region: a\n"), given)
