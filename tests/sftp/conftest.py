from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sftp.bed import Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed(tmp_path)
    yield bed
    bed.close()
