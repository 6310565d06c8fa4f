"""No answer exceeds its budget of tokens, whatever its texts are."""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from bench.tokens import count
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.model import EnrollmentColumn, EnrollmentStatus, enrollment_columns
from mcp_truto_lms.domain.signals import Signal, SignalKind
from mcp_truto_lms.ingest.question_budget import Coverage
from mcp_truto_lms.provider_registry import SAMPLE
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.render import list_json, list_text, summary_text
from mcp_truto_lms.render.token_budget import estimate_tokens
from mcp_truto_lms.reports.dimension_resolution import DimensionFilter
from mcp_truto_lms.reports.mandatory_courses import MandatoryCourses
from mcp_truto_lms.reports.name_resolution import ResolvedTerm
from mcp_truto_lms.reports.results import AtRiskTable, GroupTable, ListAnswer, MatchStats, ResolvedQuery, SummaryAnswer
from mcp_truto_lms.store.at_risk_learners import AtRiskLearner
from mcp_truto_lms.store.column_stats import ColumnStats
from mcp_truto_lms.store.counts import ExcludedCounts, Totals
from mcp_truto_lms.store.groups import TIME, Group, GroupKey
from mcp_truto_lms.store.name_search import Match
from tests.conftest import Desk, OpenDesk
from tests.render.answer_reading import table_of
from tests.render.small_organisation import desk, small, small_facts
from tests.truth import NOON

__all__ = ["desk"]

pytestmark = pytest.mark.anyio

TEXT = st.sampled_from(
    ["", "gq" * 60, "日本" * 60, "𒀀" * 100, 'a,b"' * 30, "x" * 10_000, "2026-11-23," * 9, "Jane Doe", "Łukasz\u202e\n|"]
) | st.text(max_size=30)
COLUMNS = list(enrollment_columns().values())
WITH_SIGNALS = [*COLUMNS[:4], EnrollmentColumn("signals", "signals", "signals")]
WIDE = [EnrollmentColumn(f"custom_fields.{number}", f"field {number}", "text") for number in range(40)]


def totals(enrollments: int) -> Totals:
    """Make totals in which every number is large."""
    numbers = dict.fromkeys(Totals.__dataclass_fields__, 9999)
    return Totals(**numbers | {"enrollments": enrollments, "no_due_date": enrollments, "progress_sum": 333_333.3})


@st.composite
def stats_of_matches(draw: st.DrawFn, query: Any, enrollments: int) -> MatchStats:
    text = draw(TEXT)
    matches = tuple(Match(str(key), text, draw(st.booleans())) for key in range(draw(st.integers(1, 12))))
    terms = (ResolvedTerm(draw(TEXT), matches),)
    where = (DimensionFilter(draw(TEXT), ("",), (draw(TEXT),)),)
    question = ResolvedQuery(
        query,
        "default",
        NOON,
        UTC,
        draw(st.sampled_from([None, terms])),
        terms,
        where=draw(st.sampled_from([(), where])),
        mandatory=MandatoryCourses((), (draw(TEXT),) * draw(st.sampled_from([0, 12]))),
    )
    return MatchStats(
        question,
        totals(enrollments),
        {str(status): 999_999 for status in EnrollmentStatus},
        ExcludedCounts(1_000, 1_000, 1_000, 1_000),
        Coverage(NOON, read=1_000, wanted=draw(st.sampled_from([1_000, 9_999])), unit="courses", trouble=draw(TEXT)),
        draw(st.sampled_from(["", SAMPLE.notice])),
    )


@st.composite
def lists(draw: st.DrawFn) -> ListAnswer:
    columns = tuple(draw(st.sampled_from([COLUMNS[:7], COLUMNS, WITH_SIGNALS, WIDE[:3], WIDE, [COLUMNS[0]]])))
    texts = draw(st.lists(TEXT, min_size=1, max_size=3))
    field_count = draw(st.sampled_from([0, 2, 40]))
    rows: list[dict[str, Any]] = []
    for index in range(draw(st.sampled_from([0, 1, 5, 50]))):
        text = texts[index % len(texts)]
        row: dict[str, Any] = dict.fromkeys(enrollment_columns())
        row |= {"id": str(index), "user.id": text[:64], "user.name": text, "course.id": "c", "course.title": text}
        row |= {"due_at": NOON, "completed_at": NOON, "status": "in_progress", "progress_percent": 45.0}
        row["signals"] = tuple(Signal(kind, 999) for kind in SignalKind)
        row["custom_fields"] = {str(key): text for key in range(field_count)}
        rows.append(row)
    query = EnrollmentQuery(state=(State.OVERDUE, State.AT_RISK), fields=tuple(column.path for column in columns))
    not_enrolled = EnrollmentQuery(state=(State.NOT_ENROLLED,), course=("x",))
    chosen_query = draw(st.sampled_from([query, EnrollmentQuery(), not_enrolled]))
    constant = draw(st.sampled_from([None, "c"]))
    column_stats = {column.path: ColumnStats(len(rows), constant) for column in columns if column in COLUMNS}
    stats = draw(stats_of_matches(chosen_query, len(rows) + draw(st.sampled_from([0, 1_000_000]))))
    return ListAnswer(stats, columns, tuple(rows), draw(st.sampled_from([0, 999_000])), column_stats)


@given(lists(), st.integers(500, 20_000))
@limits(max_examples=80)
def test_a_list_never_exceeds_its_budget(answer: ListAnswer, budget: int):
    for render in (list_text, list_json):
        try:
            text, shown = render(answer, budget=budget, token="_" * 12)
        except QueryError:  # not even one row fits
            continue
        assert estimate_tokens(text) <= budget
        assert shown > 0 or not answer.rows
        if render is list_json:
            assert len(json.loads(text)["result"]) == shown


@st.composite
def summaries(draw: st.DrawFn) -> SummaryAnswer:
    query = draw(
        st.sampled_from(
            [
                ProgressQuery(),
                ProgressQuery(state=(State.OVERDUE,)),
                ProgressQuery(completed_from="-3m", inactive_since="last_week", enrolled_to="today", is_mandatory=True),
                ProgressQuery(state=(State.NOT_ENROLLED,), course=("x",)),
            ]
        )
    )
    stats = draw(stats_of_matches(query, 1_000_000))
    texts = draw(st.lists(TEXT, min_size=1, max_size=3))
    by = draw(
        st.sampled_from([(), ("course",), ("month",), ("learner", "status"), ("team", "custom_fields.日本語" * 9)])
    )
    groups = tuple(
        Group(
            tuple(GroupKey(str(index), texts[index % len(texts)]) for _ in by),
            stats.counts,
            9_999,
            999,
            999_999,
            999_999,
        )
        for index in range(draw(st.integers(0, 30)))
    )
    sort = draw(st.sampled_from(["-overdue", "name", TIME, "-at_risk", "-enrollments", "learner_rate"]))
    tables = (GroupTable(by, groups, 9_999, sort, in_several=by),) if by else ()
    signals = dict.fromkeys(SignalKind, 9_999)
    lines = tuple(AtRiskLearner(str(index), texts[index % len(texts)], 9_999, signals, 999) for index in range(8))
    return SummaryAnswer(
        stats,
        tables,
        at_risk=draw(st.sampled_from([None, AtRiskTable(lines, 9_999, frozenset("123"))])),
        period=draw(st.sampled_from([None, stats.counts])),
        details=None if tables else draw(lists()),
        not_enrolled=draw(st.sampled_from([None, 9_999])),
        empty_courses=draw(st.sampled_from([(), (*texts,) * 9])),
    )


@given(summaries(), st.integers(500, 20_000))
@limits(max_examples=80)
def test_a_summary_never_exceeds_its_budget(answer: SummaryAnswer, budget: int):
    assert estimate_tokens(summary_text(answer, budget=budget)) <= budget


def test_default_columns_fit_into_the_smallest_budget_whatever_their_texts():
    widest = "𒀀" * 100
    row: dict[str, Any] = dict.fromkeys(enrollment_columns())
    row |= {
        "id": "1",
        "user.id": "1",
        "user.name": widest,
        "course.title": widest,
        "status": "in_progress",
        "due_at": NOON,
    }
    columns = tuple(enrollment_columns()[path] for path in ("user.name", "course.title", "status", "due_at"))
    question = ResolvedQuery(EnrollmentQuery(), "default", NOON, UTC, None, None)
    stats = MatchStats(
        question,
        Totals(enrollments=2, learners=2, courses=2),
        {},
        ExcludedCounts(1, 1, 1, 1),
        Coverage(NOON, 1, 1, "courses"),
        SAMPLE.notice,
    )
    answer = ListAnswer(stats, columns, (row, row), 0, {column.path: ColumnStats(2, None) for column in columns})
    for render in (list_text, list_json):
        text, shown = render(answer, budget=500, token="k3f9a2")
        assert shown >= 1
        assert estimate_tokens(text) <= 500


@pytest.mark.node
async def test_real_answers_cost_no_more_tokens_than_their_budget(desk: Desk):
    lists = [
        await desk.account.list_enrollments(EnrollmentQuery.parse(arguments))
        for arguments in (
            {"limit": 200},
            {"limit": 200, "fields": "due,enrolled,completed,last_activity,hours,id"},
            {"limit": 200, "fields": ["user", "custom_fields"], "sort": "-learner"},
            {"user": "Jane", "limit": 50},
        )
    ]
    summaries = [
        await desk.account.summarize(ProgressQuery.parse(arguments))
        for arguments in ({}, {"group_by": "learner", "limit": 200}, {"user": "Jane Doe"}, {"course": "101"})
    ]
    budgets = (1_000, 2_000, 6_000, 20_000)
    texts: list[tuple[int, str]] = []
    for budget in budgets:
        texts += [
            (budget, render(answer, budget=budget, token="k3f9a2xy")[0])
            for answer in lists
            for render in (list_text, list_json)
        ]
        texts += [(budget, summary_text(answer, budget=budget)) for answer in summaries]
    tokens = count([text for _, text in texts])
    for (budget, text), cost in zip(texts, tokens, strict=True):
        assert cost <= estimate_tokens(text) <= budget


async def test_the_cursor_of_a_page_that_the_budget_shortens_continues_after_its_last_row(open_desk: OpenDesk):
    learner_ids: list[str] = []
    async with open_desk(of=small(), token_budget=900) as desk:
        text = await desk.list(course="103", fields=["user.id", "course.id", "learner", "email"], limit=200)
        while True:
            rows = table_of(text, "learner_id,")[1:]
            assert rows
            learner_ids += [row[0] for row in rows]
            cursor = re.search(r"cursor=(\S+)$", text)
            if cursor is None:
                break
            text = await desk.list(cursor=cursor.group(1))
    assert len(learner_ids) == len(set(learner_ids))
    assert {*learner_ids} == {fact.user_id for fact in small_facts() if fact.course_id == "103"}
