"""Every mistake has its place and says what was expected: a snippet, and the complaint."""

from __future__ import annotations

import pytest

from gateway.policy.document import load
from gateway.policy.nodes import FILE_BYTES_MAX

TOPOLOGY = """\
parties:
  acme:
    store: {type: file, path: ../data/acme}
    create_buckets: ["acme-*"]
  globex:
    store: {type: file, path: ../data/globex}
  initech: {}
  umbra: {}
buckets:
  orders:
    members:
      acme: {write: ["invoices/**"]}
      globex: {write: ["acks/**"]}
      initech: {}
"""


def complaints(name: str, text: str) -> list[str]:
    files = {"topology.yaml": TOPOLOGY, name: text}
    return [str(problem) for problem in load(files, base="/srv/policies").problems]


def sends(line: str) -> str:
    """A file with one rule; the line is its fifth."""
    return f"party: acme\nsends:\n  - bucket: orders\n    to: {{globex: copy}}\n    {line}\n"


KEYS = 'keys: ["invoices/**"]'

PARTY_MISTAKES = [
    # text of acme.yaml, where, and part of what is said
    ("", "1:1", "the file is empty"),
    ("- a\n", "1:1", "expected a mapping, not a list"),
    ("party: acme\nsend: []\n", "2:1", "unknown field `send`; did you mean `sends`?"),
    ("party: acme\nzzz: []\n", "2:1", "unknown field `zzz`; expected one of accepts, forbids"),
    ("sends: []\n", "1:1", "`party` is missing"),
    ("party: acme\nparty: acme\n", "2:1", "`party` is written twice; it is already on line 1"),
    ("party: globex\n", "1:8", "the file of globex must be named globex.yaml"),
    ("party: acme\nsends:\n", "2:7", "expected a list, not nothing"),
    ("party: acme\nsends: [\n", "3:1", "not YAML: while parsing a flow node"),
    ("party: acme\n---\nparty: acme\n", "2:1", "a second document"),
    ("party: &x acme\n", "1:8", "an anchor"),
    ("party: acme\nsends: *x\n", "2:8", "an alias"),
    ("party: !!str acme\n", "1:8", "a tag (`tag:yaml.org,2002:str`)"),
    ("party: acme\n<<: {sends: []}\n", "2:1", "a merge key"),
    ("party: acme\n? [a]\n: b\n", "2:3", "a list or mapping as a key"),
    ("party: acme\nsends: " + "[" * 70, "2:71", "more than 64 levels deep"),
    ("party: a\x07cme\n", "1:9", "U+0007"),
    ("party: acme\n#\ud800\n", "2:2", "U+D800"),
    ("#" * (FILE_BYTES_MAX + 1), "1:1", "more than 4 MiB"),
    # YAML 1.1's surprises
    ("party: no\n", "1:8", "bare `no` is true or false to YAML; put it in quotes"),
    ("on: acme\n", "1:1", "bare `on` is true or false to YAML"),
    ("party: 012\n", "1:8", "bare `012` is a number in another base"),
    ("party: 2026-01-01\n", "1:8", "bare `2026-01-01` is a date"),
    ("party: 1_000\n", "1:8", "bare `1_000` is a number"),
    ("party: 0x1F\n", "1:8", "bare `0x1F` is a number in another base"),
    ("party: 1:30\n", "1:8", "bare `1:30` is a number in base 60"),
    ("party: 1e3\n", "1:8", "bare `1e3` is a number"),
    ("party: ~\n", "1:8", "bare `~` is nothing"),
    ("party: Null\n", "1:8", "bare `Null` is nothing"),
    ("party: True\n", "1:8", "bare `True` is true or false"),
    ("party: =\n", "1:8", "bare `=` is a default value"),
    ("party: .inf\n", "1:8", "bare `.inf` is a number"),
    ("party: 3\n", "1:8", "expected text, not the bare `3`; put it in quotes"),
    ("party: true\n", "1:8", "expected text, not the bare `true`; put it in quotes"),
    ("party:\n", "1:7", "expected text, not nothing"),
    (sends(f"{KEYS}\n    when: {{tags: {{final: [yes]}}}}"), "6:27", "bare `yes` is true or false"),
    (sends(f"{KEYS}\n    when: {{metadata: {{no: [a]}}}}"), "6:23", "bare `no` is true or false"),
    # values
    (sends('keys: ["a***"]'), "5:12", "`a***`: `***` means nothing; expected `*`"),
    (sends('keys: [""]'), "5:12", "an empty pattern matches nothing"),
    (sends("keys: []"), "5:11", "expected at least one entry"),
    (sends('keys: "invoices/**"'), "5:11", "expected a list, not `invoices/**`"),
    (sends("id: x"), "3:5", "`keys` is missing"),
    (sends(f"{KEYS}\n    since: yesterday"), "6:12", "expected always, now or a date like"),
    (sends(f"{KEYS}\n    since: 2026-02-30"), "6:12", "expected always, now or a date like"),
    (sends(f"{KEYS}\n    deadline: 15"), "6:15", "`15` is no duration; expected one like 30s"),
    (sends(f"{KEYS}\n    deadline: 0m"), "6:15", "`0m` is no duration"),
    (sends(f"{KEYS}\n    ack: al"), "6:10", "`al` is none of the choices; did you mean `all`?"),
    (
        sends(f"{KEYS}\n    when: {{size: {{max: 5XB}}}}"),
        "6:24",
        "`5XB` is no size; expected bytes",
    ),
    (sends(f"{KEYS}\n    when: {{size: {{max: 012}}}}"), "6:24", "`012` is no size"),
    (sends(f"{KEYS}\n    when: {{size: {{max: 1_000}}}}"), "6:24", "`1_000` is no size"),
    (sends(f"{KEYS}\n    when: {{type: [csv]}}"), "6:19", "`csv` is no media type"),
    (sends(f"{KEYS}\n    when: {{metadata: {{Class: [a]}}}}"), "6:23", "write class"),
    (sends(f"{KEYS}\n    when: {{metadat: {{}}}}"), "6:12", "did you mean `metadata`?"),
    # what can never match
    (sends('keys: ["acks/**"]'), "5:12", "in orders acme writes invoices/**"),
    (sends(f"{KEYS}\n    except: ['acks/*']"), "6:14", "`acks/*` can never match"),
    (sends(f"{KEYS}\n    except: ['**']"), "6:14", "excepts every key"),
    (sends(f"{KEYS}\n    when: {{size: {{min: 2MB, max: 1MB}}}}"), "6:18", "this can never match"),
]


@pytest.mark.parametrize(("text", "place", "said"), PARTY_MISTAKES)
def test_a_mistake_in_a_partys_file(text: str, place: str, said: str) -> None:
    found = complaints("acme.yaml", text)
    assert any(c.startswith(f"acme.yaml:{place}: ") and said in c for c in found), found


HEAD = "party: acme\nsends:\n"
RULE = '  - {bucket: %s, keys: ["%s"], to: {%s: %s}}\n'
NAMES = [
    (HEAD + RULE % ("ordres", "a", "globex", "copy"), "3:14", "did you mean `orders`?"),
    (HEAD + RULE % ("orders", "invoices/*", "globx", "copy"), "3:49", "did you mean `globex`?"),
    (HEAD + RULE % ("orders", "invoices/*", "acme", "copy"), "3:49", "the party of this file"),
    (HEAD + RULE % ("orders", "invoices/*", "umbra", "copy"), "3:49", "not a member of orders"),
    (HEAD + RULE % ("orders", "invoices/*", "globex", "cpy"), "3:57", "did you mean `copy`?"),
    (HEAD + RULE % ("Orders", "invoices/*", "globex", "copy"), "3:14", "can't name a bucket"),
    (HEAD + RULE % ("orders", "invoices/*", "Globex", "copy"), "3:49", "can't name a party"),
    ("party: acme\nforbids:\n  - {to: [nobody]}\n", "3:11", "unknown party `nobody`"),
    ("party: acme\nforbids:\n  - {bucket: nope, to: ['*']}\n", "3:14", "unknown bucket `nope`"),
    ("party: acme\nforbids:\n  - {id: x, to: ['*']}\n  - {id: x, to: ['*']}\n", "4:10", "line 3"),
    (
        "party: acme\naccepts:\n  - {from: [globex], bucket: nope}\n",
        "3:30",
        "unknown bucket `nope`",
    ),
    ("party: acme\naccepts:\n  - {from: [umbr]}\n", "3:13", "did you mean `umbra`?"),
    (
        "party: acme\naccepts:\n  - {from: [globex], bucket: orders, keys: ['invoices/*']}\n",
        "3:45",
        "in orders the senders write acks/**",
    ),
]


@pytest.mark.parametrize(("text", "place", "said"), NAMES)
def test_a_name_that_nothing_bears_out(text: str, place: str, said: str) -> None:
    found = complaints("acme.yaml", text)
    assert any(c.startswith(f"acme.yaml:{place}: ") and said in c for c in found), found


def accepts(*rules: str) -> str:
    return "party: acme\naccepts:\n" + "".join(f"  - {{{rule}}}\n" for rule in rules)


MEETING = "two files could meet"
GLOBEX = "from: [globex], bucket: orders"


def jobs(line: str) -> str:
    return f"party: acme\nsftp:\n  nightly:\n    {line}\n"


JOBS_MISTAKES = [
    ("map: {outbox: orders/}", "4:11", "expected a path from the root, like /outbox/globex"),
    ("map: {/a/../b: orders/}", "4:11", "`/a/../b` is no folder"),
    ("map: {/a/: orders/}", "4:11", "`/a/` is no folder"),
    ("map: {/a: orders}", "4:15", "expected one like orders/ or orders/in/"),
    ("map: {/a: orders/in}", "4:15", "expected one like orders/ or orders/in/"),
    ("map: {/a: orders/i*/}", "4:15", "expected one like orders/ or orders/in/"),
    ("map: {/a: O/}", "4:15", "`O` can't name a bucket"),
    ("map: {/a: order/}", "4:15", "unknown bucket `order`; did you mean `orders`?"),
    ("map: {/a: orders/}\n    upload_only: [/b]", "5:19", "`/b` lies in no folder of `map`"),
    ("settle: closing", "4:13", "did you mean `close`?"),
    ("temporary: ['*']", "4:17", "`*` is no temporary name"),
    ("temporary: [a/b]", "4:17", "`a/b` is no temporary name"),
    ("settle: flag-file\n    flags: [done]", "5:13", "`done` is no name of flag files"),
    ("flags: ['*.done']", "4:12", "this has no effect without `settle: flag-file`"),
    ("quiet: 30s", "4:12", "this has no effect without `settle: quiet`"),
    ("quit: 30s", "4:5", "unknown field `quit`; did you mean `quiet`?"),
]


@pytest.mark.parametrize(("line", "place", "said"), JOBS_MISTAKES)
def test_a_mistake_in_how_file_jobs_work(line: str, place: str, said: str) -> None:
    topology = TOPOLOGY.replace("  globex:\n", "    principals: [{name: nightly}]\n  globex:\n", 1)
    loaded = load({"topology.yaml": topology, "acme.yaml": jobs(line)}, base="/srv/policies")
    (problem,) = loaded.problems
    assert str(problem).startswith(f"acme.yaml:{place}: ")
    assert said in str(problem)


def test_a_job_of_a_principal_that_there_is_not() -> None:
    (problem,) = complaints("acme.yaml", "party: acme\nsftp:\n  nightli: {}\n")
    assert problem == "acme.yaml:3:3: acme has no principal `nightli`; expected none"


INTO_MISTAKES = [
    (accepts(f'{GLOBEX}, into: "in"'), MEETING),
    (accepts(f'{GLOBEX}, into: "{{bucket}}"'), MEETING),
    (accepts('from: [globex], into: "in/{key}"'), "put {bucket} into it"),
    (accepts('from: [globex], into: "{bucket}-{key}"'), "needs a / between"),
    (accepts('from: ["*"], bucket: orders, into: "{author}{key}"'), "needs a / between"),
    (accepts(f'{GLOBEX}, into: "{{key}}{{version}}"'), "needs a / between"),
    (accepts(f'{GLOBEX}, into: "{{key}}/{{key}}"'), "stands once"),
    (accepts(f'{GLOBEX}, into: "{{kee}}"'), "did you mean `key`?"),
    (accepts(f'{GLOBEX}, into: "{{key"'), "a brace that stands alone"),
    (accepts(f'{GLOBEX}, into: "/{{key}}"'), "not with /"),
    (accepts(f'{GLOBEX}, into: ".crossdock/{{key}}"'), "under `.crossdock/`"),
    (accepts(f'{GLOBEX}, into: "{{key}}"'), "under `.crossdock/`"),
    (accepts(f'{GLOBEX}, into: ".cross{{key}}"'), "under `.crossdock/`"),
    (accepts(f'{GLOBEX}, into: "in/{{key}}"', 'from: ["*"], into: "in/{bucket}/{key}"'), MEETING),
    (
        accepts(f'{GLOBEX}, keys: ["acks/a"], into: "x"', f'{GLOBEX}, keys: ["acks/b"], into: "x"'),
        MEETING,
    ),
    (
        accepts(
            f'{GLOBEX}, keys: ["acks/*"], into: "in/{{key}}"',
            'from: [globex], bucket: acme-x, keys: ["acks/*"], into: "in/{key}"',
        ),
        MEETING,
    ),
]


@pytest.mark.parametrize(("text", "said"), INTO_MISTAKES)
def test_a_target_template_that_could_lose_a_copy(text: str, said: str) -> None:
    found = complaints("acme.yaml", text)
    assert any(said in c for c in found), found


INTO_FINE = [
    accepts(f'{GLOBEX}, keys: ["acks/**"], into: "{{key}}"'),
    accepts(f'{GLOBEX}, into: "{{key}}", except: [".crossdock/**"]'),
    accepts('from: ["*"], into: "{bucket}/{key}"'),
    accepts('from: ["*"], into: "in/{author}/{bucket}/{key}"'),
    accepts('from: ["*"], into: "in/{bucket}/{version}"'),
    accepts(f'{GLOBEX}, keys: ["acks/today"], into: "today"'),
    accepts(f'{GLOBEX}, into: "in/{{key}}"', f'{GLOBEX}, keys: ["acks/*"], into: "in/{{key}}"'),
    accepts(f'{GLOBEX}, into: "in/{{key}}"', 'from: ["*"], into: "all/{bucket}/{key}"'),
    accepts(f'{GLOBEX}, into: "in/{{bucket}}-{{key}}"'),
]


@pytest.mark.parametrize("text", INTO_FINE)
def test_a_target_template_that_keeps_copies_apart(text: str) -> None:
    assert complaints("acme.yaml", text) == []


def test_copies_need_a_store_of_their_own() -> None:
    text = 'party: initech\naccepts:\n  - {from: ["*"], into: "{bucket}/{key}"}\n'
    assert complaints("initech.yaml", text) == [
        "initech.yaml:3:25: initech has no store to take copies; give it one in the topology"
    ]


def test_a_file_of_an_unknown_party() -> None:
    assert complaints("acne.yaml", "party: acne\n") == [
        "acne.yaml:1:8: unknown party `acne`; did you mean `acme`?"
    ]


def test_a_file_with_another_ending() -> None:
    assert complaints("acme.yml", "party: acme\n") == [
        "acme.yml:1:1: expected a name that ends in .yaml"
    ]


def test_all_mistakes_of_a_file_are_named_in_order() -> None:
    text = sends('keys: ["***"]\n    ack: nope\n    zzz: 1\n    zzz: 2')
    places = [complaint.split(": ")[0] for complaint in complaints("acme.yaml", text)]
    assert places == ["acme.yaml:5:12", "acme.yaml:6:10", "acme.yaml:7:5", "acme.yaml:8:5"]


def topology(parties: str, buckets: str = "") -> str:
    return f"parties:\n{parties}buckets:\n{buckets}" if buckets else f"parties:\n{parties}"


SFTP = "  a: {store: {type: sftp, %s, user: u, path: /in, host_key: '%s', credentials: {%s}}}\n"
PIN = "SHA256:" + "A" * 43
FILE_STORE = "store: {type: file, path: ../data/%s}"
PRINCIPALS = "parties:\n  acme:\n    principals:\n      - {name: a}\n      - {name: b, %s}\n"

TOPOLOGY_MISTAKES = [
    (PRINCIPALS % "user: acme.a", "5:25", "`acme.a` is already that of acme's a"),
    (PRINCIPALS % "user: '-x'", "5:25", "`-x` is no user name"),
    (PRINCIPALS % "login: keys", "5:26", "did you mean `key`?"),
    (PRINCIPALS % "from: [10.0.0.1/8]", "5:26", "`10.0.0.1/8` is no network"),
    (PRINCIPALS % "ssh_key: ssh-ed25519", "5:28", "a secret is never written here"),
    ("{}\n", "1:1", "`parties` is missing"),
    (topology("  no: {}\n"), "2:3", "bare `no` is true or false"),
    (topology("  12: {}\n"), "2:3", "bare `12` is a number"),
    (topology("  Acme: {}\n"), "2:3", "`Acme` can't name a party"),
    (topology("  topology: {}\n"), "2:3", "not `topology`"),
    (topology("  a: {}\n  a: {}\n"), "3:3", "`a` is written twice"),
    (topology("  a: {stroe: {}}\n"), "2:7", "did you mean `store`?"),
    (topology("  a: {store: {path: x}}\n"), "2:14", "`type` is missing"),
    (topology("  a: {store: {type: fil}}\n"), "2:14", "did you mean `file`?"),
    (topology("  a: {store: {type: file}}\n"), "2:14", "`path` is missing"),
    (topology("  a: {store: {type: file, pth: x}}\n"), "2:27", "did you mean `path`?"),
    (topology("  a: {store: {type: s3, bucket: b, prefix: x}}\n"), "2:44", "one like `mesh/`"),
    (topology("  a: {store: {type: s3, bucket: b, endpoint: x}}\n"), "2:46", "no endpoint"),
    (
        topology("  a: {store: {type: s3, bucket: b, credentials: {id: i, secret: hunter2}}}\n"),
        "2:65",
        "a secret is never written here; expected `env:NAME` or `file:PATH`",
    ),
    (topology(SFTP % ("hots: h", PIN, "password: 'env:P'")), "2:27", "did you mean `host`?"),
    (topology(SFTP % ("host: sftp://h", PIN, "password: 'env:P'")), "2:33", "is no host"),
    (topology(SFTP % ("host: h, port: 0", PIN, "password: 'env:P'")), "2:42", "`0` is no port"),
    (topology(SFTP % ("host: h, port: x", PIN, "password: 'env:P'")), "2:42", "from 1 to 65535"),
    (topology(SFTP % ("host: h", "MD5:ab:cd", "password: 'env:P'")), "2:66", "is no host key"),
    (topology(SFTP % ("host: h", PIN, "")), "2:133", "expected `key` or `password`"),
    (topology(SFTP % ("host: h", PIN, "password: 'hunter2'")), "2:144", "never written here"),
    (
        topology(SFTP % ("host: h", PIN, "passphrase: 'env:P', password: 'env:P'")),
        "2:133",
        "a `passphrase` without a `key`",
    ),
    (
        topology((SFTP % ("host: h", PIN, "password: 'env:P'")).replace("/in", "in")),
        "2:51",
        "expected an absolute one like /inbox",
    ),
    (
        topology(
            SFTP % ("host: h", PIN, "password: 'env:P'")
            + (SFTP % ("host: H, port: 22", PIN, "password: 'env:P'"))
            .replace("  a:", "  b:")
            .replace("/in", "/in/deep/")
        ),
        "3:14",
        "this store of b overlaps one of a",
    ),
    (topology("  a: {create_buckets: [A-*]}\n"), "2:24", "expected one like `acme-*`"),
    (topology("  a: {create_buckets: ['a-*']}\n"), "2:23", "may create buckets but has no store"),
    (topology("  a: {principals: [{name: 'a b'}]}\n"), "2:27", "no usable name"),
    (topology("  a: {principals: [{name: x, may: wirte}]}\n"), "2:35", "did you mean `write`?"),
    (topology("  a: {principals: [{name: x, keys: ['a/*']}]}\n"), "2:37", "a literal prefix"),
    (topology("  a: {principals: [{name: x}, {name: x}]}\n"), "2:31", "two principals `x`"),
    (
        topology(
            "  a: {principals: [{name: x, access_key: {id: KEY1, secret: 'env:A'}}]}\n"
            "  b: {principals: [{name: z, access_key: {id: KEY1, secret: 'env:B'}}]}\n"
        ),
        "3:47",
        "`KEY1` is already that of a's x",
    ),
    (
        topology(f"  a: {{{FILE_STORE % 'x'}}}\n  b: {{{FILE_STORE % 'x/../x/y'}}}\n"),
        "3:14",
        "this store of b overlaps one of a",
    ),
    (
        topology(
            "  a: {store: {type: s3, bucket: b, prefix: m/}}\n"
            "  b: {store: {type: s3, bucket: b, prefix: m/n/, endpoint: 'https://s3.amazonaws.com'}}\n"
        ),
        "3:14",
        "this store of b overlaps one of a",
    ),
    (
        topology(f"  a: {{former_stores: [{{type: file, path: x}}], {FILE_STORE % 'a'}}}\n")
        + "  b: {store: {type: file, path: x}}\n",
        "3:14",
        "overlaps",
    ),
    (
        topology("  a: {store: {type: file, path: v}, former_stores: [{type: file, path: w}]}\n"),
        "2:53",
        "two stores `home`",
    ),
    *(
        (topology(f"  a: {{webhooks: {{h: {{url: '{url}', secret: 'env:S'}}}}}}\n"), "2:27", said)
        for said in ("this is no URL of a webhook",)
        for url in (
            "hooks.example.com",
            "ftp://hooks.example.com/",
            "https://user@hooks.example.com/",
            "https://hooks.example.com/#top",
            "https://hooks.example.com/a b",
            "https://hooks.example.com?x",
            "https://hooks.example.com:70000/",
            "https://[::12345]/",
            "https:///in",
            f"https://hooks.example.com/{'x' * 2048}",
        )
    ),
    (topology("  a: {webhooks: {h: {url: 'https://h/'}}}\n"), "2:21", "`secret` is missing"),
    (
        topology("  a: {webhooks: {h: {url: 'https://h/', secret: hunter2}}}\n"),
        "2:49",
        "a secret is never written here",
    ),
    (
        topology("  a: {webhooks: {h: {url: 'https://h/', secret: 'env:S', rul: x}}}\n"),
        "2:58",
        "unknown field `rul`",
    ),
    (topology("  a: {webhooks: {'h:1': {url: 'https://h/'}}}\n"), "2:18", "no usable name"),
    (topology("  a: {}\n", "  ab: {members: {a: {}}}\n"), "4:3", "3 to 63"),
    (topology("  a: {}\n", "  1.2.3.4: {members: {a: {}}}\n"), "4:3", "no IP address"),
    (topology("  a: {}\n", "  xn--a: {members: {a: {}}}\n"), "4:3", "S3 keeps this"),
    (topology("  acme: {}\n", "  bkt: {members: {acne: {}}}\n"), "4:19", "did you mean `acme`?"),
    (topology("  a: {}\n", "  bkt: {owner: b, members: {a: {}}}\n"), "4:16", "not among"),
    (topology("  a: {}\n", "  bkt: {members: {a: {write: ['**']}}}\n"), "4:30", "has no store"),
    (topology("  a: {}\n", "  bkt: {members: {a: {}}, history: 9}\n"), "4:36", "one like 90d"),
    (topology("  a: {}\n", "  bkt: {members: {a: {}}, versioning: on}\n"), "4:39", "`on`"),
    (
        topology(
            "".join(f"  p{i}: {{}}\n" for i in range(101)),
            "  bkt:\n    members:\n" + "".join(f"      p{i}: {{}}\n" for i in range(101)),
        ),
        "105:5",
        "101 members; expected at most 100",
    ),
]


@pytest.mark.parametrize(("text", "place", "said"), TOPOLOGY_MISTAKES)
def test_a_mistake_in_the_topology(text: str, place: str, said: str) -> None:
    loaded = load({"topology.yaml": text}, base="/srv/policies")
    found = [str(problem) for problem in loaded.problems]
    assert any(c.startswith(f"topology.yaml:{place}: ") and said in c for c in found), found
    assert loaded.mesh is None


def test_a_secret_that_was_pasted_is_not_repeated() -> None:
    text = topology("  a: {principals: [{name: x, access_key: {id: KEY, secret: hunter2}}]}\n")
    loaded = load({"topology.yaml": text}, base="/srv/policies")
    assert loaded.problems
    assert "hunter2" not in str(loaded.problems)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "http://localhost:8080/in?token=a%20b&x=(1)",
        "https://[2001:db8::1]:8443/x",
        "https://10.1.2.3/~party/in",
    ],
)
def test_a_webhook_of_the_topology(url: str) -> None:
    text = topology(f"  a: {{webhooks: {{feed: {{url: '{url}', secret: 'env:FEED'}}}}}}\n")
    mesh = load({"topology.yaml": text}, base="/srv/policies").mesh
    assert mesh is not None
    spec = mesh.parties["a"].webhooks["feed"]
    assert (spec.party, spec.name, spec.url, spec.secret) == ("a", "feed", url, "env:FEED")
    assert [(s.reference, s.line) for s in mesh.secrets] == [("env:FEED", 2)]


def test_stores_side_by_side_do_not_overlap() -> None:
    text = topology(
        f"  a: {{{FILE_STORE % 'x'}}}\n  b: {{{FILE_STORE % 'xy'}}}\n"
        "  c: {store: {type: s3, bucket: b, prefix: m/}}\n"
        "  d: {store: {type: s3, bucket: b, prefix: n/}}\n"
        "  e: {store: {type: s3, bucket: b, endpoint: 'http://localhost:9000'}}\n"
    )
    assert load({"topology.yaml": text}, base="/srv/policies").problems == ()


def test_one_partys_own_stores_may_lie_within_each_other() -> None:
    text = topology(
        "  a: {store: {type: file, path: x}, former_stores: [{type: file, path: x/v, name: old}]}\n"
    )
    assert load({"topology.yaml": text}, base="/srv/policies").problems == ()


def test_co_authors_are_a_warning() -> None:
    text = topology(
        f"  a: {{{FILE_STORE % 'a'}}}\n  b: {{{FILE_STORE % 'b'}}}\n",
        "  bkt:\n    members:\n      a: {write: ['x/**']}\n      b: {write: ['**/*.csv']}\n",
    )
    loaded = load({"topology.yaml": text}, base="/srv/policies")
    assert loaded.problems == ()
    assert [str(w) for w in loaded.warnings] == [
        "topology.yaml:8:7: a (x/**) and b (**/*.csv) are co-authors of some keys of bkt: each sees"
        " what the other writes there, whatever their rules say"
    ]
