"""Statements that would cost a scan of many rows if SQLite chose the wrong order."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.catalog import adopting, checking, importing, opening


@pytest.mark.parametrize(
    ("sql", "values", "plan"),
    [
        (
            adopting.KNOWN,
            ("acme", "home", "orders", '["a"]'),
            "SEARCH a USING PRIMARY KEY (party=? AND store=? AND bucket=? AND key=?)",
        ),
        (
            adopting.SEEN,
            (1, "acme", "home", "orders", '["a"]'),
            "SEARCH adopted USING PRIMARY KEY (party=? AND store=? AND bucket=? AND key=?)",
        ),
        (
            importing.KNOWN,
            ("s", '["a"]'),
            "SEARCH d USING PRIMARY KEY (source=? AND path=?)",
        ),
        (
            checking.NEXT,
            (9, 1, 1, "", "", 10),
            "SEARCH d USING INDEX deliveries_checked",
        ),
        (
            checking.FOUND,
            (),
            "SCAN deliveries USING INDEX deliveries_found",
        ),
    ],
)
def test_looks_for_what_it_wants(
    tmp_path: Path, sql: str, values: tuple[object, ...], plan: str
) -> None:
    connection = opening.open_writer(str(tmp_path / "catalog.db"))
    try:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    finally:
        connection.close()
    assert any(plan in str(row[3]) for row in rows), rows
