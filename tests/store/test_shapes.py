"""A statement that is cached for all questions of a shape answers each of them correctly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_truto_lms.domain.definitions import State, Thresholds
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.store import counts, enrollment_rows
from mcp_truto_lms.store.counts import count_by_course_and_status, count_list
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.schema import ARCHIVED, INACTIVE
from mcp_truto_lms.store.selection import FEW, Selection
from tests.stored import ACCOUNT, at, course, filled, page_of, person, record
from tests.truth import DAY, NOON

COMPOSED = [
    (counts, "_list_statement"),
    (counts, "_course_and_status_statement"),
    (counts, "_learners_statement"),
    (counts, "_excluded_statement"),
    (enrollment_rows, "_rows_statement"),
]
PEOPLE, COURSES = [str(n) for n in range(FEW + 5)], [f"c{n}" for n in range(FEW + 2)]
STATUSES = [EnrollmentStatus.ENROLLED, EnrollmentStatus.IN_PROGRESS, EnrollmentStatus.COMPLETED]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    database = filled(
        [person(key, f"P{key}", status="inactive" if key == "3" else "active") for key in PEOPLE],
        [course(key, f"C{key}", status="archived" if key == "c2" else "published") for key in COURSES],
        [
            record(user, title, STATUSES[(a + b) % 3], due=NOON + (a - b) * 3 * DAY, enrolled_at=at(NOON - 40 * DAY))
            for a, user in enumerate(PEOPLE)
            for b, title in enumerate(COURSES)
            if (a + 2 * b) % 7
        ],
    )
    yield database
    database.close()


def some(keys: list[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.none() | st.lists(st.sampled_from(keys), min_size=1, unique=True).map(tuple)


SELECTIONS = st.builds(
    Selection,
    account=st.sampled_from([ACCOUNT, "another"]),
    now=st.integers(NOON - 30 * DAY, NOON + 30 * DAY),
    user_ids=some(PEOPLE),
    course_ids=some(COURSES),
    states=st.sampled_from([(), (State.OVERDUE,), (State.AT_RISK,), (State.DUE_SOON, State.NOT_STARTED)]),
    statuses=st.sampled_from([(), (EnrollmentStatus.OVERDUE, EnrollmentStatus.COMPLETED)]),
    due_from=st.sampled_from([None, NOON - 9 * DAY]),
    completed_before=st.sampled_from([None, NOON]),
    in_period=st.booleans(),
    inactive_since=st.sampled_from([None, NOON - 20 * DAY]),
    progress_below=st.sampled_from([None, 50]),
    mandatory=st.sampled_from([None, True, False]),
    mandatory_ids=st.sampled_from([(), ("c1", "c4")]),
    thresholds=st.sampled_from([Thresholds(), Thresholds(due_days=3, not_started_days=60)]),
    included=st.sampled_from([frozenset(), frozenset({INACTIVE}), frozenset({INACTIVE, ARCHIVED})]),
)


@settings(max_examples=40)
@given(SELECTIONS, st.sampled_from([None, "-due_at", "user.name"]), st.sampled_from([None, 3]))
def test_a_cached_statement_has_the_result_of_a_statement_composed_for_the_question(
    database: Database, selection: Selection, sort: str | None, limit: int | None
):
    def answers(connection: Any) -> list[Any]:
        rows = page_of(connection, selection, sort=sort, limit=limit, offset=limit or 0, signals=True)
        return [count_list(connection, selection), count_by_course_and_status(connection, selection), rows]

    shaped = database._transact(answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Selection, "shape", lambda self: None)
        assert database._transact(answers) == shaped


@pytest.fixture
def ask(database: Database) -> Callable[..., int]:
    """Return a function that asks about people, and returns how many statements it added to the caches."""
    functions = [getattr(module, name).__wrapped__ for module, name in COMPOSED]

    def ask(*people: str, account: str = ACCOUNT, now: int = NOON) -> int:
        before = [cached.cache_info().misses for cached in functions]
        asked = Selection(account, now, user_ids=people, included=frozenset({"only here"}))
        database._transact(
            lambda c: (
                count_list(c, asked),
                count_by_course_and_status(c, asked),
                page_of(c, asked, sort=None, limit=25, offset=0),
            )
        )
        return sum(cached.cache_info().misses for cached in functions) - sum(before)

    return ask


def test_questions_about_single_people_share_a_statement(ask: Callable[..., int]):
    ask("1")
    assert {ask(person, account="another", now=NOON + DAY) for person in PEOPLE} == {0}


def test_a_question_about_many_people_is_not_cached(ask: Callable[..., int]):
    assert ask(*PEOPLE[: FEW + 1]) == 0
