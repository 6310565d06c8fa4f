"""The order of rows is the same on every engine: normalized text, missing values last, ids break ties."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_truto_lms.domain.columns import row_columns
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import CourseEnrollment, EnrolledCourse, EnrollmentStatus
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.domain.source import EnrollmentRecord, FetchRoute, Reading, Scope
from mcp_truto_lms.query.vocabulary import SUMMARY_COLUMNS, GroupBy
from mcp_truto_lms.store import account_state, catalogue, column_stats, scope_writer
from mcp_truto_lms.store.counts import count_by_course_and_status
from mcp_truto_lms.store.groups import count_groups, order_course_groups
from mcp_truto_lms.store.selection import Selection
from tests.stored import ACCOUNT, STAMP, at, course, filled, page_of, person, record, scope_rows
from tests.truth import DAY, NOON

EVERYTHING = Selection(ACCOUNT, NOON)
NAMES = {"1": "Zoë Adams", "2": "zoe Abel", "3": "Ärmin Öz", "4": "armin oz", "5": "  Bo   Li "}


def keys(database, sort: str | None, *, limit: int = 200, offset: int = 0, path: str = "user.id") -> list[str]:
    rows = database._transact(lambda c: page_of(c, EVERYTHING, sort=sort, limit=limit, offset=offset))
    return [row[path] for row in rows]


@pytest.fixture
def names():
    return filled(
        [person(key, name) for key, name in NAMES.items()],
        [course("c", "C")],
        [record(key, "c", "enrolled") for key in NAMES],
    )


def test_names_sort_regardless_of_case_accents_and_spaces(names):
    assert keys(names, "user.name") == ["3", "4", "5", "2", "1"]


def test_names_sort_descending_with_ties_still_by_ascending_id(names):
    assert keys(names, "-user.name") == ["1", "2", "5", "3", "4"]


def test_courses_and_learners_are_fetched_in_the_order_of_their_ids():
    """A question that stops waiting has the first of them, whatever index a list is read by."""
    database = filled([person("2", "Ann"), person("1", "Bob")], [course("d", "Art"), course("c", "Bread")], [])
    assert [*database._transact(lambda c: account_state.rosters(c, ACCOUNT))] == ["c", "d"]
    assert database._transact(lambda c: catalogue.learner_ids(c, ACCOUNT)) == ["1", "2"]
    assert database._transact(lambda c: catalogue.learner_ids(c, ACCOUNT, most=1)) == ["1"]


@pytest.mark.parametrize(
    ("sort", "order"), [("score", "213"), ("-score", "123"), ("due_at", "123"), ("-due_at", "213")]
)
def test_missing_values_come_last_in_both_directions(sort: str, order: str):
    database = filled(
        [person(key, key) for key in "123"],
        [course("c", "C")],
        [
            record("1", "c", "enrolled", score=9.0, due=NOON),
            record("2", "c", "enrolled", score=1.0, due=NOON + DAY),
            record("3", "c", "enrolled"),
        ],
    )
    assert "".join(keys(database, sort)) == order


def test_the_default_order_is_by_due_date_then_course_then_learner():
    database = filled(
        [person("1", "B"), person("2", "A")],
        [course("c", "Öl"), course("d", "olive"), course("e", "A")],
        [
            record("1", "c", "enrolled"),
            record("2", "c", "enrolled"),
            record("1", "d", "enrolled"),
            record("2", "e", "enrolled", due=NOON + DAY),
            record("1", "e", "enrolled", due=NOON),
        ],
    )
    assert keys(database, None, path="id") == ["1_e", "2_e", "2_c", "1_c", "1_d"]


def test_rows_sort_by_the_status_at_the_moment_of_the_answer():
    database = filled(
        [person("1", "A"), person("2", "B")],
        [course("c", "C")],
        [record("1", "c", "in_progress", ends=NOON - 1), record("2", "c", "in_progress")],
    )
    rows = database._transact(lambda c: page_of(c, EVERYTHING, sort="-status", limit=9, offset=0))
    assert [(row["user.id"], row["status"]) for row in rows] == [("2", "in_progress"), ("1", "expired")]


@pytest.mark.parametrize("path", [path for path in row_columns() if path not in ("custom_fields", "urls")])
@pytest.mark.parametrize("sign", ["", "-"])
def test_every_column_can_be_sorted_by(names, path: str, sign: str):
    assert sorted(keys(names, sign + path)) == sorted(NAMES)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("name", "cde"),
        ("-name", "edc"),
        ("-enrollments", "dce"),
        ("enrollments", "ced"),
        ("-finished", "cde"),
        ("rate", "dce"),
        ("-rate", "cde"),
        ("-average", "dce"),
        ("average", "dce"),
    ],
)
def test_groups_sort_by_a_number_then_by_name(sort: str, order: str):
    database = filled(
        [person(key, key) for key in "12"],
        [course("c", "a"), course("d", "Ä b"), course("e", "C")],
        [
            record("1", "c", "completed"),
            record("1", "d", "completed", progress_percent=100),
            record("2", "d", "enrolled", progress_percent=0),
            record("1", "e", "withdrawn"),
        ],
    )
    groups, number = database._transact(lambda c: count_groups(c, EVERYTHING, (GroupBy.COURSE,), sort=sort, limit=9))
    assert "".join(group.keys[0].id for group in groups) == order
    assert number == 3
    page, number = database._transact(lambda c: count_groups(c, EVERYTHING, (GroupBy.COURSE,), sort=sort, limit=2))
    assert "".join(group.keys[0].id for group in page) == order[:2]
    assert number == 3


@settings(max_examples=20, deadline=None)
@given(
    records=st.lists(
        st.builds(
            record,
            st.sampled_from("123"),
            st.sampled_from(["c", "d", "e", "f", "\0"]),
            st.sampled_from(["completed", "in_progress", "withdrawn", "failed"]),
            due=st.sampled_from([None, NOON - 9, NOON + 9]),
            progress_percent=st.sampled_from([None, 0, 50]),
            time_spent_seconds=st.sampled_from([None, 60]),
        ),
        max_size=12,
    ),
    nameless=st.booleans(),
    sort=st.sampled_from(sorted({*SUMMARY_COLUMNS} - {"learners", "learner_rate", "finished_in_month"})),
    down=st.booleans(),
    limit=st.integers(1, 5),
)
def test_course_groups_ordered_in_python_equal_groups_ordered_in_sql(
    records: list[EnrollmentRecord], nameless: bool, sort: str, down: bool, limit: int
):
    titles = [course("c", "Same"), course("d", "same"), course("e", "Éa")]
    database = filled([person(key, key) for key in "123"], titles, records)
    if nameless:
        lost = record("1", "c", "completed", key="lost")
        lost = replace(lost, enrollment=lost.enrollment.model_copy(update={"course": None}))
        reading = scope_rows(ACCOUNT, Reading((lost,)))
        database._transact(lambda c: scope_writer.replace_scope(c, ACCOUNT, Scope(user_id="1"), reading, STAMP))
    order = f"-{sort}" if down else sort
    by_sql = database._transact(lambda c: count_groups(c, EVERYTHING, (GroupBy.COURSE,), sort=order, limit=limit))
    counted = database._transact(lambda c: count_by_course_and_status(c, EVERYTHING)).by_course
    assert database._transact(lambda c: order_course_groups(c, ACCOUNT, counted, sort=order, limit=limit)) == by_sql
    database.close()


MAYBE = st.none() | st.integers(0, 3)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abÄ"), st.sampled_from("cdÖ"), MAYBE, MAYBE), max_size=12),
    sort=st.sampled_from(["score", "-score", "due_at", "-due_at", "user.name", "-user.name", "course.title", None]),
    limit=st.integers(1, 5),
)
def test_pages_of_any_size_contain_every_row_once_and_in_order(
    rows: list[tuple[str, str, int | None, int | None]], sort: str | None, limit: int
):
    people = [person(f"{n}", name) for n, (name, *_) in enumerate(rows)]
    records = [
        record(f"{n}", title, "enrolled", score=score, due=due, enrolled_at=at(n))
        for n, (_, title, score, due) in enumerate(rows)
    ]
    database = filled(people, [course(title, title) for title in "cdÖ"], records)
    whole = database._transact(lambda c: page_of(c, EVERYTHING, sort=sort, limit=100, offset=0))
    pages = [key for start in range(0, len(rows), limit) for key in keys(database, sort, limit=limit, offset=start)]
    database.close()
    assert pages == [row["user.id"] for row in whole]
    assert sorted(pages) == sorted(str(n) for n in range(len(rows)))
    path = (sort or "due_at").lstrip("-")
    values = [row[path] if path in ("score", "due_at") else normalize(row[path]) for row in whole]
    filled_in = [value for value in values if value is not None]
    assert values[: len(filled_in)] == filled_in
    assert filled_in == sorted(filled_in, reverse=(sort or "").startswith("-"))


def test_a_selection_narrows_totals_and_rows_equally():
    database = filled(
        [person(key, key) for key in "123"],
        [course("c", "C"), course("d", "D")],
        [
            record("1", "c", "in_progress", due=NOON - DAY, progress_percent=10),
            record("2", "c", "in_progress", due=NOON + DAY, progress_percent=60),
            record("3", "c", "in_progress", ends=NOON - DAY),
            record("3", "d", "completed", due=NOON),
        ],
    )
    narrowed = {
        Selection(ACCOUNT, NOON, statuses=(EnrollmentStatus.OVERDUE,)): {"1_c", "3_c"},
        Selection(ACCOUNT, NOON, statuses=(EnrollmentStatus.EXPIRED,)): {"3_c"},
        Selection(ACCOUNT, NOON, states=(State.FINISHED, State.DUE_SOON)): {"2_c", "3_d"},
        Selection(ACCOUNT, NOON, due_from=NOON, due_before=NOON + DAY): {"3_d"},
        Selection(ACCOUNT, NOON, progress_below=60): {"1_c", "3_c"},
        Selection(ACCOUNT, NOON, user_ids=("3",)): {"3_c", "3_d"},
        Selection(ACCOUNT, NOON, user_ids=("3",), course_ids=("c",)): {"3_c"},
        Selection(ACCOUNT, NOON, user_ids=()): set(),
    }
    for selection, expected in narrowed.items():
        rows = database._transact(lambda c, s=selection: page_of(c, s, sort=None, limit=9, offset=0))
        assert {row["id"] for row in rows} == expected
        whole = database._transact(lambda c, s=selection: count_by_course_and_status(c, s))
        assert whole.totals.enrollments == len(expected)
        groups, _ = database._transact(
            lambda c, s=selection: count_groups(c, s, (GroupBy.STATUS,), sort="-enrollments", limit=9)
        )
        assert {group.keys[0].id: group.counts.enrollments for group in groups} == whole.by_status


def test_a_column_is_constant_only_if_all_rows_have_one_learner_or_course(names):
    stats_by_path = names._transact(
        lambda c: column_stats.column_stats(c, EVERYTHING, ["user.name", "course.title", "score", "nothing"])
    )
    assert {path: (stats.filled, stats.constant) for path, stats in stats_by_path.items()} == {
        "user.name": (True, None),
        "course.title": (True, "c"),
        "score": (False, None),
    }
    assert names._transact(lambda c: column_stats.column_stats(c, EVERYTHING, ["custom_fields.site"])) == {}


def test_a_missing_learner_sorts_after_a_name_of_marks_alone():
    without_user = CourseEnrollment(id="a", course=EnrolledCourse(id="c"), status=EnrollmentStatus.ENROLLED)
    records = [
        EnrollmentRecord(without_user, FetchRoute.COURSE),
        record("u", "c", "enrolled", key="b", user_name="\u0301"),
    ]
    assert keys(filled(records=records), None, path="id") == ["b", "a"]
