"""Definitions and schemas are values that do not depend on docstrings; each term is defined once, with its numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.definitions import DEFAULT_THRESHOLDS, DUE_SOON_DAYS, State, Thresholds
from mcp_truto_lms.domain.terms import LEGEND, STATE_TERMS, TERMS, at_risk_words, definitions_text
from mcp_truto_lms.query.vocabulary import is_offered
from tests.conftest import WAIT_SECONDS

PUBLISHED = """
import json
from mcp_truto_lms.domain.columns import ALL_COLUMNS
from mcp_truto_lms.domain.definitions import DEFAULT_THRESHOLDS
from mcp_truto_lms.domain.terms import definitions_text
from mcp_truto_lms.query.input_schema import input_schema
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.render.content_models import list_schema, summary_schema
from mcp_truto_lms.server.prompts import enrollment_schema

print(json.dumps({
    "definitions": definitions_text(ALL_COLUMNS, DEFAULT_THRESHOLDS),
    "arguments": [input_schema(query) for query in (EnrollmentQuery, ProgressQuery)],
    "contents": [list_schema(ALL_COLUMNS), summary_schema(ALL_COLUMNS)],
    "enrollment": enrollment_schema(ALL_COLUMNS),
}))
"""
"""Prints what clients see of definitions and schemas."""


@pytest.fixture(scope="module")
def published() -> list[dict[str, Any]]:
    """Publish with an interpreter that has docstrings, and with one that drops them."""
    outputs: list[dict[str, Any]] = []
    for options in ([], ["-OO"]):
        command = [sys.executable, *options, "-c", PUBLISHED]
        process = subprocess.run(command, check=True, capture_output=True, text=True, timeout=WAIT_SECONDS)
        outputs.append(json.loads(process.stdout))
    return outputs


@pytest.mark.parametrize("part", ["definitions", "arguments", "contents", "enrollment"])
def test_an_interpreter_without_docstrings_publishes_the_same(published: list[dict[str, Any]], part: str):
    with_docstrings, without = published
    assert with_docstrings[part]
    assert without[part] == with_docstrings[part]


def test_every_state_has_a_term():
    assert STATE_TERMS.keys() == {*State}


def test_no_term_is_defined_twice():
    names = [term.name for term in TERMS]
    assert len(names) == len(set(names))


def test_definitions_contain_the_thresholds_in_use():
    text = definitions_text(ALL_COLUMNS, Thresholds(due_days=7, progress=33, inactive_days=45, not_started_days=60))
    assert all(number in text for number in ("7 days", "33 %", "45 days", "60 days"))


def test_the_words_for_at_risk_contain_the_thresholds():
    text = at_risk_words(Thresholds(due_days=7, progress=33, inactive_days=45, not_started_days=60))
    assert all(number in text for number in ("7 days", "33 %", "45 days", "60 days"))


def test_the_legend_explains_the_numbers_of_a_summary():
    assert {"finished", "%", "overdue", "due_soon", "not_started"} <= set(LEGEND)
    assert str(DUE_SOON_DAYS) in LEGEND["due_soon"]


@pytest.mark.parametrize("term", [term for term in TERMS if term.column], ids=lambda term: term.name)
def test_a_term_that_depends_on_a_column_is_excluded_with_it(term: Any):
    columns = Columns(frozenset({term.column}))
    assert f"- {term.name}: " in definitions_text(ALL_COLUMNS, DEFAULT_THRESHOLDS)
    assert f"- {term.name}: " not in definitions_text(columns, DEFAULT_THRESHOLDS)
    assert term.state is None or not is_offered(term.state, columns)
