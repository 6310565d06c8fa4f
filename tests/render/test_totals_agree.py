"""The total of a match is the same in both tools, on every page and in every format, and it is true."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.render import list_json, list_text, summary_text
from mcp_truto_lms.render.token_budget import estimate_tokens
from mcp_truto_lms.reports.results import ListAnswer
from tests.conftest import Desk
from tests.render.answer_reading import row_total, total
from tests.render.small_organisation import desk, small, small_facts
from tests.truth import DAY, NOON, Fact, missing

__all__ = ["desk"]

pytestmark = pytest.mark.anyio

SHAPES = st.fixed_dictionaries(
    {},
    optional={
        "sort": st.sampled_from(["due", "-progress", "learner", "-course", "status"]),
        "limit": st.sampled_from([1, 25, 200]),
        "format": st.sampled_from(["table", "json"]),
        "fields": st.sampled_from(["learner", "id,due,hours", "user,custom_fields.Site"]),
    },
)
GROUPINGS = st.fixed_dictionaries(
    {},
    optional={
        "group_by": st.sampled_from(
            ["course", "learner", "status", "month", "site", ["site", "course"], ["month", "site"]]
        ),
        "sort": st.sampled_from(["name", "-%", "-hours"]),
        "limit": st.sampled_from([1, 25]),
    },
)
ATHENS_MIDNIGHT = NOON - 14 * 3600
DAYS = {"today": 0, "+7d": 7, "+14d": 14, "-1w": -7, "2026-12-31": 38}
FIRST_DAYS = DAYS | {"-3m": -92, "2026-10-01": -53}
STATE_TESTS: dict[str, Any] = {
    "finished": lambda fact: fact.finished,
    "not_finished": lambda fact: not fact.finished,
    "not_started": lambda fact: fact.not_started,
    "overdue": lambda fact: fact.overdue,
    "due_soon": lambda fact: fact.due_soon,
    "at_risk": lambda fact: fact.at_risk,
    "failed": lambda fact: fact.status == "failed",
    "expired": lambda fact: fact.expired,
    "no_due_date": lambda fact: fact.due is None,
}


STATUSES = ["enrolled", "in_progress", "completed", "failed", "expired", "overdue"]


def is_one_of(fact: Fact, argument: str, words: list[str]) -> bool:
    """Judge the alternatives of an argument: a word of both arguments has the meaning of the one that it stands in."""
    by_status = {word for word in words if word in STATUSES and (argument == "status" or word not in STATE_TESTS)}
    return (
        fact.status in by_status
        or ("overdue" in by_status and fact.overdue)
        or any(STATE_TESTS[word](fact) for word in {*words} - by_status)
    )


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "state": st.lists(st.sampled_from([*sorted(STATE_TESTS), "in_progress", "completed"]), max_size=2),
        "status": st.lists(st.sampled_from([*STATUSES, "not_started", "at_risk", "finished"]), max_size=2),
        "course": st.lists(st.sampled_from([str(number) for number in range(101, 107)]), max_size=2),
        "user": st.lists(st.sampled_from([str(number) for number in range(1, 12)]), max_size=3),
        "due_from": st.sampled_from(["today", "-3m", "2026-10-01", "+7d"]),
        "due_to": st.sampled_from(["today", "+14d", "2026-12-31", "-1w"]),
        "progress_below": st.sampled_from([1, 50, 100]),
        "completed_from": st.sampled_from(["-3m", "2026-10-01"]),
        "completed_to": st.sampled_from(["-1w", "today"]),
        "enrolled_from": st.sampled_from(["-3m", "-1w"]),
        "where": st.sampled_from([{"site": "Oslo"}, {"site": ["Hull", "(none)"]}, {"custom_fields": {"site": "oslo"}}]),
    },
).filter(lambda asked: FIRST_DAYS.get(asked.get("due_from"), -999) <= DAYS.get(asked.get("due_to"), 999))


def midnight(days: int) -> int:
    """Return when a day of Athens begins, counted from today; daylight saving time ends on 25 October."""
    return ATHENS_MIDNIGHT + days * DAY - (3600 if days <= -29 else 0)


SITES = {'{"site": "Oslo"}': ["Oslo"], '{"site": ["Hull", "(none)"]}': ["Hull", ""]}
SITES['{"custom_fields": {"site": "oslo"}}'] = ["Oslo"]


def is_completed(fact: Fact, asked: dict[str, Any]) -> bool:
    since = midnight(FIRST_DAYS[asked["completed_from"]]) if "completed_from" in asked else 0
    before = midnight(DAYS[asked["completed_to"]] + 1) if "completed_to" in asked else NOON + DAY
    return fact.finished and fact.completed is not None and since <= fact.completed < before


def matches(fact: Fact, asked: dict[str, Any]) -> bool:
    return (
        all(is_one_of(fact, argument, asked[argument]) for argument in ("status", "state") if asked.get(argument))
        and (not asked.get("course") or fact.course_id in asked["course"])
        and (not asked.get("user") or fact.user_id in asked["user"])
        and ("due_from" not in asked or (fact.due is not None and fact.due >= midnight(FIRST_DAYS[asked["due_from"]])))
        and ("due_to" not in asked or (fact.due is not None and fact.due < midnight(DAYS[asked["due_to"]] + 1)))
        and ("progress_below" not in asked or (not fact.finished and fact.percent < asked["progress_below"]))
        and (not {"completed_from", "completed_to"} & {*asked} or is_completed(fact, asked))
        and ("enrolled_from" not in asked or fact.enrolled >= midnight(FIRST_DAYS[asked["enrolled_from"]]))
        and ("where" not in asked or fact.site in SITES[json.dumps(asked["where"])])
    )


BUDGETS = st.integers(500, 20_000)


def printed(answer: ListAnswer, budget: int) -> tuple[str, int | None]:
    """Print a list within its budget, and read its total; None where a small budget holds no row."""
    query = answer.stats.question.query
    as_json = isinstance(query, EnrollmentQuery) and query.format == "json"
    try:
        text, shown = (list_json if as_json else list_text)(answer, budget=budget, token="k3f9a2xy")
    except QueryError:
        assert budget < 1_000
        return "", None
    assert estimate_tokens(text) <= budget
    assert shown <= len(answer.rows)
    return text, json.loads(text)["total"] if as_json else total(text)


@given(FILTERS, SHAPES, GROUPINGS, BUDGETS)
@limits(max_examples=60)
async def test_both_tools_count_the_same_match_whatever_is_shown_of_it(
    desk: Desk,
    asked: dict[str, Any],
    shape: dict[str, Any],
    grouping: dict[str, Any],
    budget: int,
):
    expected = sum(matches(fact, asked) for fact in small_facts())
    answer = await desk.account.list_enrollments(EnrollmentQuery.parse({**asked, **shape}))
    summary = await desk.account.summarize(ProgressQuery.parse({**asked, **grouping}))
    assert printed(answer, budget)[1] in (expected, None)
    for name in ("enrollments", "no_due_date"):
        assert getattr(answer.stats.counts, name) == getattr(summary.stats.counts, name)
    text = summary_text(summary, budget=budget)
    assert estimate_tokens(text) <= budget
    assert total(text) == expected
    assert sum(summary.stats.by_status.values()) == expected


@cache
def active_learners() -> list[str]:
    """List the ids of people who could be enrolled."""
    return [person.id for person in small().people if person.active and person.user_type == "Learner-Type"]


NOT_ENROLLED_FILTERS = st.fixed_dictionaries(
    {"course": st.lists(st.sampled_from(["101", "104", "106"]), min_size=1, max_size=2, unique=True)},
    optional={
        "user": st.lists(st.deferred(lambda: st.sampled_from(active_learners())), min_size=1, max_size=9, unique=True),
        "where": st.sampled_from([{"site": "Oslo"}, {"site": ["Hull", "(none)"]}]),
    },
)


@given(
    NOT_ENROLLED_FILTERS,
    SHAPES,
    st.sampled_from([{}, {"group_by": "site"}, {"group_by": ["learner", "course"]}]),
    BUDGETS,
)
@limits(max_examples=40)
async def test_both_tools_count_the_same_people_without_an_enrollment(
    desk: Desk, asked: dict[str, Any], shape: dict[str, Any], grouping: dict[str, Any], budget: int
):
    shape = {name: value for name, value in shape.items() if name in ("limit", "format")}
    sites = SITES[json.dumps(asked["where"])] if "where" in asked else None
    expected = sum(
        (sites is None or person.custom_fields[1] in sites) and person.id in asked.get("user", [person.id])
        for course_id in asked["course"]
        for person in missing(small(), course_id)
    )
    asked = {**asked, "state": "not_enrolled"}
    answer = await desk.account.list_enrollments(EnrollmentQuery.parse({**asked, **shape}))
    summary = await desk.account.summarize(ProgressQuery.parse({**asked, **grouping}))
    assert answer.stats.counts == summary.stats.counts
    assert answer.stats.counts.enrollments == expected
    text, _ = printed(answer, budget) if shape.get("format") == "json" else list_text(answer, budget=budget, token="t")
    assert estimate_tokens(text) <= budget
    assert estimate_tokens(summary_text(summary, budget=budget)) <= budget
    if shape.get("format") == "json":
        assert json.loads(text)["total"] == expected
    else:
        assert re.search(rf"of {expected:,} (people not enrolled|missing enrollments)", text)


PAGED = st.sampled_from(
    [
        {"state": "at_risk"},
        {"state": "not_enrolled", "course": ["104", "106"]},
        {"where": {"site": ["Oslo", "Hull"]}, "state": "not_finished"},
        {"completed_from": "-3m", "completed_to": "-1w", "sort": "-completed"},
        {"enrolled_from": "-3m", "progress_below": 50},
    ]
)


@given(PAGED, st.sampled_from([3, 40, 200]), st.sampled_from(["table", "json"]))
@limits(max_examples=20)
async def test_the_total_is_that_of_the_whole_match_on_every_page(
    desk: Desk, asked: dict[str, Any], limit: int, form: str
):
    filters = {name: value for name, value in asked.items() if name != "sort"}
    whole = await desk.account.summarize(ProgressQuery.parse(filters))
    text = await desk.list(**asked, limit=limit, format=form)
    for _ in range(4):
        number = json.loads(text)["total"] if form == "json" else row_total(text)
        assert number == whole.stats.counts.enrollments
        cursor = (
            json.loads(text)["next_cursor"] if form == "json" else (re.findall(r"cursor=(\S+)$", text) or [None])[0]
        )
        if cursor is None:
            break
        text = await desk.list(cursor=cursor)
