"""Running ceph/s3-tests out of a checkout of its own, and reading what came of each test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lxml import etree

from tests.conformance.site import REGION

PACKAGES = (
    *("PyYAML", "boto3", "botocore", "munch", "gevent", "isodate", "requests", "pytz"),
    *("httplib2", "lxml", "pytest", "pytest-timeout", "pytest-xdist"),
)
TEST_S = 60
FILES = ("test_s3.py", "test_headers.py")
TESTS = "s3tests/functional"

# The suite's marks. What none of our selections takes: other services and other products.
NOT_OURS = (
    *("bucket_logging", "bucket_logging_cleanup", "cloud_transition", "cloud_restore"),
    *("target_by_bucket", "s3select", "sns", "iam_account", "iam_tenant", "iam_user", "iam_role"),
    *("iam_cross_account", "group", "group_policy", "user_policy", "role_policy"),
    *("session_policy", "test_of_sts", "webidentity_test", "abac_test", "s3website"),
    "appendobject",
)
# What the wide selection takes, and the core one does not.
WIDER = (
    *("lifecycle", "lifecycle_expiration", "lifecycle_transition", "encryption", "sse_s3"),
    *("bucket_encryption", "storage_class", "auth_aws2", "object_ownership", "bucket_policy"),
)
SELECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "core": f"not fails_on_aws and not ({' or '.join(NOT_OURS + WIDER)})",
        "wide": f"not ({' or '.join(NOT_OURS)})",
    }
)

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
UNCLEAN = "unclean"
"""The test passed, and what it left could not be cleared away."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A checkout, and the folder in which a run leaves its files."""

    checkout: Path
    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter of the suite's own virtualenv, made at the first call."""
        home = self.checkout / ".venv"
        if not home.exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            pip = [str(home / "bin" / "pip"), "install", "--quiet", *PACKAGES]
            subprocess.run(pip, check=True)
        return home / "bin" / "python"

    def run(
        self, selection: str, workers: int, only: Sequence[str] = (), *, quiet: bool = False
    ) -> Mapping[str, str]:
        """What came of each test, by id. `only` are ids; none means all of the selection."""
        report = self.folder / "report.xml"
        listed = self.folder / "selected.txt"
        listed.write_text("".join(f"{TESTS}/{test}\n" for test in only or FILES))
        command = [
            *(str(self.python), "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "isolation", "-o", "addopts=", "--tb=short"),
            *("--timeout", str(TEST_S), "--timeout-method=signal", f"--junitxml={report}"),
            *("-n", str(workers), "-m", SELECTIONS[selection], f"@{listed}"),
        ]
        with (self.folder / "output.txt").open("wb") as output:
            subprocess.run(
                command,
                cwd=self.checkout,
                env=self._environment(),
                stdout=output if quiet else None,
                check=False,
            )
        return outcomes(report)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | {
            "S3TEST_CONF": str(self.folder / "suite.conf"),
            "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{self.checkout}",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "*",
        }


def outcomes(report: Path) -> Mapping[str, str]:
    """From a JUnit report; a test whose set-up failed counts as failed."""
    found: dict[str, str] = {}
    for case in etree.parse(str(report)).iter("testcase"):
        file = case.get("classname").rpartition(".")[2]
        name = f"{file}.py::{case.get('name')}"
        found[name] = _worse(found.get(name, PASSED), _outcome(case))
    return found


def _outcome(case: etree._Element) -> str:
    if case.find("failure") is not None:
        return FAILED
    error = case.find("error")
    if error is not None:
        return UNCLEAN if "teardown" in (error.get("message") or "") else FAILED
    return SKIPPED if case.find("skipped") is not None else PASSED


def _worse(one: str, other: str) -> str:
    order = (PASSED, SKIPPED, UNCLEAN, FAILED)
    return max(one, other, key=order.index)
