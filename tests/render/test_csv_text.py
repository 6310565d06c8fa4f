"""A match as CSV text: it reads back as it was cleaned, and no cell is taken for a formula."""

from __future__ import annotations

import csv
import io
import re
import sys
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.ingest.question_budget import Coverage
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.render.csv_text import first_page, write_csv
from mcp_truto_lms.reports.column_choice import choose_columns
from mcp_truto_lms.reports.results import ListAnswer, MatchStats, ResolvedQuery
from mcp_truto_lms.store.counts import ExcludedCounts, Totals
from tests.stored import ACCOUNT
from tests.truth import NOON


def page_of(values: list[object]) -> ListAnswer:
    """Build a page whose rows have each value as a name and as a custom field."""
    query = EnrollmentQuery.parse({"fields": "learner,custom_fields.x", "format": "csv"})
    question = ResolvedQuery(query, ACCOUNT, NOON, UTC, None, None)
    stats = MatchStats(
        question,
        Totals(enrollments=len(values)),
        {},
        ExcludedCounts(0, 0, 0, 0),
        Coverage(NOON, 1, 1, "courses"),
        "",
    )
    rows = tuple({"user.id": "1", "user.name": str(value), "custom_fields": {"x": value}} for value in values)
    return ListAnswer(stats, tuple(choose_columns(query)), rows, 0, {})


def printed(page: ListAnswer) -> list[list[str]]:
    """Write a page, and read it back with its header."""
    chunks: list[bytes] = []
    write_csv(*first_page([page]), chunks.append)
    return list(csv.reader(io.StringIO(b"".join(chunks).decode("utf-8-sig"), newline="")))


BEGINNINGS = [
    "",
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    " =",
    '"=',
    "'=",
    " \"' @",
    "\uff1d",
    "\uff20",
    "a;=",
    'a; "-',
    "\u200b=",
]
TEXTS = st.builds("".join, st.tuples(st.sampled_from(BEGINNINGS), st.text(), st.sampled_from([*BEGINNINGS, ",\n"])))


@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_any_text_reads_back_as_it_was_cleaned_and_never_as_a_formula(texts: list[str]):
    for text, (name, custom) in zip(texts, printed(page_of([*texts]))[1:], strict=True):
        cleaned = clean(text, sys.maxsize)
        assert name == custom
        assert name.replace("'", "") == cleaned.replace("'", "")
        assert name == cleaned or re.search(r"[=+\-@\uff0b\uff0d\uff1d\uff20\ufe62\ufe63\ufe66\ufe6b]", cleaned)
        for cell in name.split(";"):  # as a spreadsheet splits them where the comma is the decimal sign
            inner = cell.lstrip(" \u3000\xa0\"'")
            if inner[:1] in {*"=+-@\uff0b\uff0d\uff1d\uff20\ufe62\ufe63\ufe66\ufe6b"} and inner:
                assert cell[0] == "'"


def test_numbers_stay_numbers_while_the_same_digits_as_text_are_guarded():
    values = [-5, -2.5, "-5", "2026-11-01", True, None, ["=1"]]
    assert [custom for _, custom in printed(page_of(values))[1:]] == [
        "-5",
        "-2.5",
        "'-5",
        "2026-11-01",
        "true",
        "",
        '["=1"]',
    ]


def test_a_header_is_not_a_formula_either():
    query = EnrollmentQuery.parse({"fields": "custom_fields.=1+1"})
    page = page_of(["x"])
    columns = tuple(choose_columns(query))
    assert printed(ListAnswer(page.stats, columns, (), 0, {})) == [["'=1+1"]]
