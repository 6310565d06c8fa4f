"""Numbers, bounds, tables and cursors are read from the text of answers."""

from __future__ import annotations

from math import inf

import pytest

from tests.model.answer_reader import Bound, read, to_bound

SUMMARY = """at least 1,722 enrollments, 221 learners, 15 courses. As of 2026-11-23 14:00 UTC, outcomes not read yet \
for 40 enrollments. Excluded: 11 inactive people.
finished 1,045 (61 %), overdue 199, due in 14 days 125, not started 10 to 52, at risk at least 338, 1,611.7 hours spent.
By status: completed 1,045, in_progress at most 356.
course,enrollments,overdue
Fire Safety,163,46
1 of 15 courses, most overdue first; and 14 more.
learner,at risk,signals
Ada Quill,4,3 overdue up to 63 d
overdue = due date or access past, not finished."""


def test_a_summary_is_read_with_its_bounds():
    answer = read(SUMMARY)
    assert (answer.total, answer.learners, answer.courses) == (Bound(1722, inf), Bound(221, 221), Bound(15, 15))
    assert (answer.complete, answer.completeness) == (False, "outcomes not read yet for 40 enrollments")
    assert answer.headline["not started"] == Bound(10, 52)
    assert answer.headline["at risk"] == Bound(338, inf)
    assert answer.by_status == {"completed": Bound(1045, 1045), "in_progress": Bound(0, 356)}
    assert answer.table("course", "enrollments") == (
        ["course", "enrollments", "overdue"],
        [["Fire Safety", "163", "46"]],
    )
    assert answer.table("learner") == (["learner", "at risk", "signals"], [["Ada Quill", "4", "3 overdue up to 63 d"]])


def test_a_page_is_read_with_its_rows_and_its_cursor():
    answer = read(
        "Rows 4 to 5 of 199 enrollments: overdue. As of 2026-11-23 14:00 UTC, complete.\n"
        "id,status\n1_2,failed\n1_3,expired\nSorted by due.\n194 more: cursor=k3f9a2"
    )
    assert (answer.shown, answer.total, answer.cursor, answer.complete) == (2, Bound(199, 199), "k3f9a2", True)
    assert answer.table("id") == (["id", "status"], [["1_2", "failed"], ["1_3", "expired"]])


def test_people_without_an_enrollment_are_a_total_too():
    answer = read("at most 3 people not enrolled: Fire Safety. As of 2026-11-23 14:00 UTC, 1 of 2 courses read.\n")
    assert answer.total == Bound(0, 3)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("12", Bound(12, 12)),
        ("4 (3 to 5)", Bound(3, 5)),
        ("4 (unknown for 1)", Bound(3, 5)),
        ("", None),
        ("63 d", None),
    ],
)
def test_a_cell_is_a_number_or_none(text: str, bound: Bound | None):
    assert to_bound(text) == bound
