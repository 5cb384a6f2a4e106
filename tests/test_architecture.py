"""Architecture is a test: layers, purity, lengths, and docs that match the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gateway"

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50

# The first prefix that matches a module decides its layer; longer prefixes stand first.
LAYERS = (
    ("gateway.model", 0),
    ("gateway.errors", 0),
    ("gateway.decisions", 0),
    ("gateway.events", 0),
    ("gateway.faults", 0),
    ("gateway.habits", 0),
    ("gateway.lifecycle", 0),
    ("gateway.locks", 0),
    ("gateway.notifications", 0),
    ("gateway.digests", 0),
    ("gateway.policy", 1),
    ("gateway.audit", 1),
    ("gateway.extents", 1),
    ("gateway.courier.backoff", 1),
    ("gateway.herald.letters", 1),
    ("gateway.gauges", 1),
    ("gateway.stores", 2),
    ("gateway.catalog", 2),
    ("gateway.identity", 2),
    ("gateway.logins", 2),
    ("gateway.telemetry", 2),
    ("gateway.webhooks", 2),
    ("gateway.exchange", 3),
    ("gateway.courier", 3),
    ("gateway.herald", 3),
    ("gateway.sealer", 3),
    ("gateway.api", 4),
    ("gateway.sftp.tree", 1),
    ("gateway.sftp.guard", 1),
    ("gateway.sftp", 4),
    ("gateway.s3.server", 4),
    ("gateway.s3.reserved", 4),
    ("gateway.s3.dispatch", 4),
    ("gateway.s3.objects", 4),
    ("gateway.s3.buckets", 4),
    ("gateway.s3.multipart", 4),
    ("gateway.s3.listings", 4),
    ("gateway.s3.body", 4),
    ("gateway.s3.desk", 4),
    ("gateway.s3.listening", 4),
    ("gateway.s3.heading", 4),
    ("gateway.s3.heads", 4),
    ("gateway.s3.wire", 4),
    ("gateway.s3.acls", 4),
    ("gateway.s3.attributes", 4),
    ("gateway.s3.lifecycle", 4),
    ("gateway.s3.locks", 4),
    ("gateway.s3.notifications", 4),
    ("gateway.s3.posting", 4),
    ("gateway.s3.settings", 4),
    ("gateway.s3.stated", 4),
    ("gateway.s3", 1),  # what is not listed above parses, signs and renders: pure
    ("gateway", 5),
)
PROTOCOLS = frozenset({"gateway.stores", "gateway.catalog"})
"""All that the verbs may know of the adapters."""

DOORS = frozenset({"gateway.s3", "gateway.api", "gateway.sftp"})
DOORS_MAY = frozenset({"gateway.identity", "gateway.logins", "gateway.telemetry"})

IMPURE = frozenset(
    [
        "aiohttp",
        "aiobotocore",
        "apsw",
        "asyncio",
        "http",
        "io",
        "obstore",
        "os",
        "pathlib",
        "random",
        "secrets",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
    ]
)
CLOCK_CALLS = frozenset({"now", "utcnow", "today", "time_ns", "monotonic"})
XML_LIBRARIES = frozenset({"lxml", "xml", "defusedxml"})
CONCRETE = re.compile(r"gateway\.(stores\.(?!wrappers)\w+|catalog\.(sqlite|postgres)|webhooks)")


def modules() -> dict[str, Path]:
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def name_of(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[str]:
    """Every module imported; `from a import b` counts as `a`, and as `a.b` where that is one."""
    known = modules()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            submodules = [name for name in inside if name in known]
            yield from submodules
            if len(submodules) < len(inside):
                yield node.module


def layer(module: str) -> int:
    return next(n for prefix, n in LAYERS if module == prefix or module.startswith(f"{prefix}."))


def unit(module: str) -> str:
    """The piece of a layer that a module belongs to: siblings are different units."""
    return ".".join(module.split(".")[:2])


def ours(path: Path) -> Iterator[str]:
    return (name for name in imports(path) if name.split(".")[0] == "gateway")


@pytest.mark.parametrize("module", modules())
def test_imports_point_down_and_siblings_do_not_know_each_other(module: str) -> None:
    mine = layer(module)
    wrong = []
    for other in ours(modules()[module]):
        below = layer(other) < mine
        inside = unit(other) == unit(module) and layer(other) <= mine
        same_floor_words = layer(other) == 0 == mine
        wiring = mine == 5
        if not (below or inside or same_floor_words or wiring):
            wrong.append(other)
    assert not wrong, f"{module} must not import {wrong}"


@pytest.mark.parametrize("module", [m for m in modules() if layer(m) == 3])
def test_verbs_know_stores_and_catalog_by_their_protocols_alone(module: str) -> None:
    adapters = {o for o in ours(modules()[module]) if layer(o) == 2}
    assert adapters <= PROTOCOLS


@pytest.mark.parametrize("module", [m for m in modules() if layer(m) == 4])
def test_doors_reach_stores_and_catalog_through_the_exchange_alone(module: str) -> None:
    adapters = {o for o in ours(modules()[module]) if layer(o) == 2}
    assert adapters <= DOORS_MAY
    verbs = {unit(o) for o in ours(modules()[module]) if layer(o) == 3}
    assert verbs <= {"gateway.exchange"}


@pytest.mark.parametrize("module", [m for m in modules() if layer(m) <= 1])
def test_pure_modules_do_no_input_or_output(module: str) -> None:
    path = modules()[module]
    impure = {name.split(".")[0] for name in imports(path)} & IMPURE
    assert not impure
    calls = {
        node.func.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & CLOCK_CALLS, "the clock is an argument"


def test_only_the_wiring_names_a_concrete_store_or_catalog() -> None:
    wrong = [
        (module, other)
        for module, path in modules().items()
        for other in ours(path)
        if CONCRETE.match(other)
        and unit(other) != unit(module)
        and module != "gateway.app"
        and not other.startswith("gateway.catalog.values")
    ]
    assert not [w for w in wrong if layer(w[0]) < 5]


def test_only_xml_builds_or_parses_xml() -> None:
    users = {
        module
        for module, path in modules().items()
        if {name.split(".")[0] for name in imports(path)} & XML_LIBRARIES
    }
    assert all(module.startswith("gateway.s3.xml") for module in users), users


@pytest.mark.parametrize("module", modules())
def test_no_imports_inside_functions(module: str) -> None:
    inner = [
        node.lineno
        for function in functions(modules()[module])
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not inner


@pytest.mark.parametrize("module", modules())
def test_no_module_level_mutable_state(module: str) -> None:
    mutable = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    found = []
    for node in tree(modules()[module]).body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        names = getattr(node, "targets", [getattr(node, "target", None)])
        if isinstance(value, mutable) and "__all__" not in [getattr(n, "id", "") for n in names]:
            found.append(node.lineno)
        if isinstance(value, ast.Call) and getattr(value.func, "id", "") in {"dict", "list", "set"}:
            found.append(node.lineno)
    assert not found, f"lines {found}: use a tuple, frozenset or MappingProxyType"


@pytest.mark.parametrize("module", modules())
def test_files_and_functions_stay_short(module: str) -> None:
    path = modules()[module]
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES_MAX, f"{module} has {lines} lines"
    long = [
        (f.name, length)
        for f in functions(path)
        if (length := (f.end_lineno or 0) - f.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long


@pytest.mark.parametrize("module", modules())
def test_every_module_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(tree(modules()[module]))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
MENTIONED = re.compile(
    r"`((?:gateway|tests|policies|docs|docker|benchmarks)/[\w./-]+?\.(?:py|md|yaml|sql|json))"
)
TEST_NAMED = re.compile(r"`(test_\w+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_paths_and_tests_that_the_docs_name_exist(document: Path) -> None:
    text = document.read_text()
    absent = [name for name in MENTIONED.findall(text) if not (ROOT / name).exists()]
    assert not absent
    every = "\n".join(p.read_text() for p in (ROOT / "tests").rglob("*.py"))
    missing = [
        name
        for name in TEST_NAMED.findall(text)
        if f"def {name}" not in every and not list((ROOT / "tests").rglob(f"{name}.py"))
    ]
    assert not missing
