"""Definitions and schemas are values: they do not depend on docstrings."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.definitions import DEFAULT_THRESHOLDS, State, Thresholds
from mcp_truto_lms.domain.terms import STATE_TERMS, TERMS, definitions_text
from mcp_truto_lms.query.vocabulary import is_offered

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
    """What an interpreter publishes with docstrings, and without."""
    outputs: list[dict[str, Any]] = []
    for options in ([], ["-OO"]):
        command = [sys.executable, *options, "-c", PUBLISHED]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        outputs.append(json.loads(done.stdout))
    return outputs


@pytest.mark.parametrize("what", ["definitions", "arguments", "contents", "enrollment"])
def test_an_interpreter_without_docstrings_publishes_the_same(published: list[dict[str, Any]], what: str):
    with_docstrings, without = published
    assert with_docstrings[what]
    assert without[what] == with_docstrings[what]


def test_every_state_has_a_term():
    assert STATE_TERMS.keys() == {*State}


def test_no_word_is_defined_twice():
    names = [term.name for term in TERMS]
    assert len(names) == len(set(names))


def test_definitions_hold_the_thresholds_in_use():
    text = definitions_text(ALL_COLUMNS, Thresholds(due_days=7, progress=33, inactive_days=45, not_started_days=60))
    assert all(number in text for number in ("7 days", "33 %", "45 days", "60 days"))


@pytest.mark.parametrize("term", [term for term in TERMS if term.column], ids=lambda term: term.name)
def test_a_term_that_depends_on_a_column_is_excluded_with_it(term: Any):
    columns = Columns(frozenset({term.column}))
    assert f"- {term.name}: " in definitions_text(ALL_COLUMNS, DEFAULT_THRESHOLDS)
    assert f"- {term.name}: " not in definitions_text(columns, DEFAULT_THRESHOLDS)
    assert term.state is None or not is_offered(term.state, columns)
