"""docs/audit-0.1.md answers every item of the audit, and names only tests and pages that exist."""

from __future__ import annotations

import re

from tests.faults.test_the_table import NAMED, ROOT, ROW, functions_in

ITEMS = 53
TEXT = (ROOT / "docs" / "audit-0.1.md").read_text(encoding="utf-8")


def rows() -> dict[int, str]:
    return {int(number): held for number, _, held in ROW.findall(TEXT)}


def test_every_item_is_answered_by_tests_or_by_a_page() -> None:
    assert sorted(rows()) == list(range(1, ITEMS + 1))
    unanswered = [
        number for number, held in rows().items() if not NAMED.findall(held) and "decisions/" not in held
    ]
    assert unanswered == [30], "the benchmark's fairness is another issue's"


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[^`:]+\.py)::(test_\w+)`", TEXT)

    missing = [f"{file}::{name}" for file, name in named if name not in functions_in(file)]

    assert missing == []
