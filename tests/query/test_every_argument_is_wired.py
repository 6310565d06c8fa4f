"""Every declared filter changes the SQL of a selection and the first line of an answer."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from mcp_truto_lms.ingest.question_budget import Coverage
from mcp_truto_lms.query import filters, value_kinds
from mcp_truto_lms.query.arguments import Filter, arguments_of
from mcp_truto_lms.query.filters import FILTERS, EnrollmentFilter
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.render.header_footer import first_line
from mcp_truto_lms.reports.dimension_resolution import DimensionFilter
from mcp_truto_lms.reports.name_resolution import ResolvedTerm
from mcp_truto_lms.reports.results import MatchStats, ResolvedQuery
from mcp_truto_lms.store.counts import ExcludedCounts, Totals
from mcp_truto_lms.store.name_search import Match

OTHER_VALUES = {
    value_kinds.USERS: "Omar Khan",
    value_kinds.COURSES: "Forklift Safety",
    value_kinds.STATUSES: "failed",
    value_kinds.STATES: "finished",
    value_kinds.DAY: "2024-02-29",
    value_kinds.PERCENT: 10,
    value_kinds.FLAG: False,
    value_kinds.DIMENSION_VALUES: {"team": "Ops"},
}
"""For each kind of value, a value that differs from every example."""
NOW = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())


def resolved(**arguments: Any) -> ResolvedQuery:
    """Resolve a query as a report does, with every name matched by itself."""
    query = EnrollmentQuery.parse(arguments)

    def terms(values: tuple[str, ...]) -> tuple[ResolvedTerm, ...] | None:
        return tuple(ResolvedTerm(term, (Match(f"id of {term}", term, excluded=False),)) for term in values) or None

    where = tuple(DimensionFilter(key, values, values) for key, values in query.where)
    return ResolvedQuery(query, "default", NOW, UTC, terms(query.user), terms(query.course), where)


def sql(question: ResolvedQuery) -> tuple[str, dict[str, Any]]:
    compiled = question.selection().matching().compile(dialect=sqlite.dialect())
    return str(compiled), compiled.params


def words(question: ResolvedQuery) -> str:
    coverage = Coverage(NOW, 1, 1, "courses")
    stats = MatchStats(question, Totals(enrollments=2), {}, ExcludedCounts(0, 0, 0, 0), coverage, notice="")
    return first_line(stats, "{total} enrollments", {}, 6_000)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_changes_the_sql_and_the_first_line(name: str):
    without, with_filter = resolved(), resolved(**{name: FILTERS[name].example})
    assert sql(with_filter) != sql(without)
    assert words(with_filter) != words(without)


@pytest.mark.parametrize("name", FILTERS)
def test_two_values_of_a_filter_differ_in_the_sql_and_the_first_line(name: str):
    first = resolved(**{name: FILTERS[name].example})
    second = resolved(**{name: OTHER_VALUES[FILTERS[name].kind]})
    assert sql(first) != sql(second)
    assert words(first) != words(second)


def test_every_shared_argument_except_fresh_is_a_filter():
    assert arguments_of(EnrollmentFilter).keys() - FILTERS.keys() == {"fresh"}
    assert sql(resolved(fresh=True)) == sql(resolved())


def test_every_field_of_a_query_declares_its_argument():
    for query in (EnrollmentQuery, ProgressQuery):
        assert [*arguments_of(query)] == [*query.model_fields]


def test_every_example_is_parsed():
    for query in (EnrollmentQuery, ProgressQuery):
        for name, argument in arguments_of(query).items():
            assert getattr(query.parse({name: argument.example}), name) != query.model_fields[name].default


def test_the_two_bounds_of_an_interval_are_named_from_and_to():
    for name, declared in FILTERS.items():
        if declared.is_last_day:
            assert name.endswith("_to")
            assert name.removesuffix("_to") + "_from" in FILTERS


def test_a_filter_without_a_condition_stops_the_import_of_the_store(monkeypatch: pytest.MonkeyPatch):
    unwired = Filter(kind=value_kinds.PERCENT, meaning="", example=50, words="unwired {}")
    monkeypatch.setattr(filters, "FILTERS", {**FILTERS, "unwired": unwired})
    name = "mcp_truto_lms.store.selection"
    monkeypatch.delitem(sys.modules, name)
    with pytest.raises(TypeError, match="CONDITIONS differ in unwired"):
        importlib.import_module(name)
