"""A summary as text: names that several people share, rare statuses, and the rows of one learner."""

from __future__ import annotations

import pytest

from tests.render.answer_reading import table_of
from tests.stored import Shelf, at, course, open_shelf, person, record
from tests.truth import DAY, NOON

pytestmark = pytest.mark.anyio


async def test_statuses_that_talentlms_never_reports_are_counted():
    records = [
        record("1", "c", "passed", score=91.5, progress_percent=100),
        record("2", "c", "withdrawn", progress_percent=10),
        record("3", "c", "overdue"),
        record("4", "c", "expired", completed_at=at(NOON - 400 * DAY)),
        record("5", "c", "Paused"),
    ]
    people = [person(str(number), f"P{number}") for number in range(1, 6)]
    async with open_shelf(Shelf(people, [course("c", "Course")], records)) as desk:
        text = await desk.summarize(group_by="course")
        rows = await desk.list(fields="learner,status,custom_fields.raw_status", sort="learner")
    assert table_of(text, "course,") == [
        ["course", "enrollments", "finished", "%", "overdue", "due 14d", "not started", "withdrawn", "avg %"],
        ["Course", "5", "1", "25", "1", "0", "2", "1", "55"],
    ]
    assert "1 withdrawn: in enrollments, not in rates." in text
    assert table_of(rows, "learner,")[-1] == ["P5", "unknown", "Paused"]


async def test_people_and_courses_with_the_same_name_carry_their_ids():
    people = [person("1", "Jane Doe"), person("2", "Jane Doe"), person("3", "Jane\u200b Doe"), person("4", "Omar")]
    titles = [course("a", "First Aid"), course("b", "First Aid")]
    records = [record(user.id, title.id, "enrolled", due=NOON - DAY) for user in people for title in titles]
    async with open_shelf(Shelf(people, titles, records)) as desk:
        listed = await desk.list(limit=200)
        by_learner = await desk.summarize(group_by="learner")
        by_course = await desk.summarize(group_by="course")
        overdue = await desk.summarize(course="a")
        transcript = await desk.summarize(user="4")
    assert {(row[0], row[1]) for row in table_of(listed, "learner,")[1:]} == {
        (name, title)
        for name in ("Jane Doe (id 1)", "Jane Doe (id 2)", "Jane Doe (id 3)", "Omar")
        for title in ("First Aid (id a)", "First Aid (id b)")
    }
    for text in (by_learner, overdue):
        assert [row[0] for row in table_of(text, "learner,")[1:]] == [
            "Jane Doe (id 1)",
            "Jane Doe (id 2)",
            "Jane Doe (id 3)",
            "Omar",
        ]
    for text in (by_course, transcript):
        assert [row[0] for row in table_of(text, "course,")[1:]] == ["First Aid (id a)", "First Aid (id b)"]


async def test_a_name_that_matches_many_people_lists_ten_and_counts_the_rest():
    people = [person(str(number), f"Ann {number:02}") for number in range(1, 15)]
    records = [record(user.id, "c", "enrolled") for user in people]
    async with open_shelf(Shelf(people, [course("c", "Course")], records)) as desk:
        text = await desk.summarize(user="Ann")
    assert '14 enrollments, 14 learners, 1 course: "Ann" (14 people).' in text
    assert '"Ann" matches 14 people: Ann 01 (id 1), ' in text
    assert "Ann 10 (id 10) and 4 more." in text
    assert "Ann 11 (id" not in text


async def test_a_transcript_prints_columns_with_one_value_in_every_row():
    records = [record("1", key, "enrolled", progress_percent=40) for key in "ab"]
    async with open_shelf(Shelf([person("1", "Ann")], [course("a", "A"), course("b", "B")], records)) as desk:
        text = await desk.summarize(user="Ann")
    assert table_of(text, "course,") == [
        ["course", "status", "progress"],
        ["A", "enrolled", "40"],
        ["B", "enrolled", "40"],
    ]
