"""What a portal lists but does not show, counts but does not list, or sends without a usable id, is announced."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mcp_truto_lms.sandbox.records import Outcome
from tests.conftest import OpenDesk
from tests.ingest.portal_calls import calls
from tests.server.portals import CONDUCT, JANE, OMAR, enrollment, portal_with, variations

pytestmark = pytest.mark.anyio
SECURITY = "101"
ORGANISATION = portal_with(enrollment(JANE), enrollment(OMAR), enrollment(JANE, SECURITY))


def first_line(text: str) -> str:
    return text.partition("\n")[0]


async def test_a_course_that_is_listed_and_not_shown_is_named(open_desk: OpenDesk):
    async with open_desk(of=ORGANISATION, variations=variations(unreadable_ids=frozenset({SECURITY}))) as desk:
        for question in ({}, {"course": SECURITY}):
            text = await desk.list(**question)
            assert "1 course not readable" in first_line(text)
            assert "complete" not in first_line(text)
            assert "The LMS lists, but does not show: Security Awareness 2026." in text
            assert "sk again" not in text
        calls(desk)
        assert "not readable" in await desk.list()
        assert calls(desk) == {}
        assert "not readable" not in await desk.list(course=CONDUCT)


@pytest.mark.parametrize("question", [{}, {"course": CONDUCT}, {"user": JANE}], ids=str)
async def test_rows_without_a_usable_id_are_counted_on_the_first_line(open_desk: OpenDesk, question: dict[str, str]):
    async with open_desk(of=ORGANISATION, variations=variations(unusable_rows=True)) as desk:
        line = first_line(await desk.list(**question))
        assert f"{8 if not question else 4} rows without a usable id" in line
        assert "complete" not in line
        assert "at least" in line


@pytest.mark.parametrize(
    ("swapped", "question"), [({CONDUCT: SECURITY}, {"course": CONDUCT}), ({JANE: OMAR}, {"user": JANE})], ids=str
)
async def test_an_answer_about_something_else_is_an_error(
    open_desk: OpenDesk, swapped: dict[str, str], question: dict[str, str]
):
    async with open_desk(of=ORGANISATION, variations=variations(swapped_ids=swapped)) as desk:
        assert "with something else" in await desk.refused("list_course_enrollments", **question)
        everything = first_line(await desk.list())
        assert ("complete" in everything) == (question == {"user": JANE} and "not read yet" not in everything)


async def test_of_two_rows_of_a_pair_the_later_enrollment_counts_by_every_route(open_desk: OpenDesk):
    for question in ({"course": CONDUCT}, {"user": JANE, "course": CONDUCT}):
        async with open_desk(of=ORGANISATION, variations=variations(duplicated_rows=True)) as desk:
            envelope = json.loads(await desk.list(**question, format="json"))
            assert {row["status"] for row in envelope["result"]} == {"enrolled"}


@pytest.mark.parametrize(("unlisted", "note"), [(2, "Not listed by the LMS: 2 of its courses."), (0, "")])
async def test_a_total_that_is_larger_than_the_list_is_announced(open_desk: OpenDesk, unlisted: int, note: str):
    async with open_desk(of=ORGANISATION, variations=variations(unlisted_courses=unlisted)) as desk:
        text = await desk.list()
    assert note in text, text
    assert bool(note) == ("Not listed by the LMS" in text)
    assert ("2 courses not listed" in first_line(text), "complete" in first_line(text)) == (bool(note), not note)


async def test_a_failure_with_a_date_of_completion_is_never_counted_as_finished(open_desk: OpenDesk):
    failed = enrollment(JANE, outcome=Outcome.FAILED, percent=80, failed_on=enrollment().enrolled_on + 60)
    organisation = replace(ORGANISATION, enrollments=(failed, enrollment(OMAR)))
    async with open_desk(of=organisation, variations=variations(failed_sets_completed_on=True)) as desk:
        text = await desk.summarize(course=CONDUCT)
    assert "finished 0" in text


async def test_no_number_claims_to_be_the_least_where_old_rows_of_a_hidden_course_are_counted(open_desk: OpenDesk):
    async with open_desk(of=ORGANISATION) as desk:
        before = await desk.list()
        desk.portal.variations = variations(unreadable_ids=frozenset({SECURITY}))
        text = await desk.list(fresh=True)
    assert "1 course not readable" in first_line(text)
    assert "at least" not in first_line(text)
    assert first_line(text).partition(" enrollments")[0] == first_line(before).partition(" enrollments")[0]
