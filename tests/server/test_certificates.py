"""Certificates and ends of access are columns of a list: judged by what the portal has of them."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Outcome, SampleEnrollment
from tests.conftest import TODAY, Desk, OpenDesk
from tests.ingest.portal_calls import asked, calls
from tests.ingest.portal_waits import first_line
from tests.server.portals import CONDUCT, DAY, JANE, NOON, OMAR, enrollment, portal_with
from tests.stored import MovableClock
from tests.truth import facts

pytestmark = pytest.mark.anyio

SMALL = generate(today=TODAY, learners=20, courses=6)
COLUMNS = ["certificate_issued_at", "certificate_expires_at", "access_ends_at"]
ISSUED, EXPIRES = NOON - 5 * DAY, NOON + 300 * DAY
CERTIFIED: dict[str, Any] = {"outcome": Outcome.COMPLETED, "percent": 100, "completed_on": ISSUED, "seconds_spent": 60}


def iso(moment: int | None) -> str | None:
    return None if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def issued() -> dict[tuple[str, str], int]:
    """When each certificate of the portal was issued, by person and course, for the people who count."""
    counted = {(fact.user_id, fact.course_id) for fact in facts(SMALL)}
    certified = {course.id for course in SMALL.courses if course.certificate}
    return {
        (each.user_id, each.course_id): each.completed_on
        for each in SMALL.enrollments
        if (each.user_id, each.course_id) in counted
        and each.course_id in certified
        and each.outcome is Outcome.COMPLETED
        and each.completed_on is not None
    }


def access_ends() -> dict[tuple[str, str], int]:
    courses = {course.id: course for course in SMALL.courses}
    ends: dict[tuple[str, str], int] = {}
    for each in SMALL.enrollments:
        course = courses[each.course_id]
        limit = each.enrolled_on + course.time_limit_days * DAY if course.time_limit_days else None
        moments = [moment for moment in (each.expired_on or limit, course.expires_on) if moment]
        if moments:
            ends[each.user_id, each.course_id] = min(moments)
    return ends


async def test_records_have_the_certificates_and_ends_of_access_of_the_portal(open_desk: OpenDesk):
    assert issued()
    assert access_ends()
    async with open_desk(of=SMALL) as desk:
        listed = json.loads(await desk.list(fields=["user.id", "course.id", *COLUMNS], format="json", limit=200))
    rows = {(row["user"]["id"], row["course"]["id"]): row for row in listed["result"]}
    assert listed["complete"] is True
    assert len(rows) == len(facts(SMALL))
    for key, row in rows.items():
        assert row.get("certificate_issued_at") == iso(issued().get(key))
        assert row.get("access_ends_at") == iso(access_ends().get(key))
        assert "certificate_expires_at" not in row


async def test_a_table_is_sorted_by_a_certificate_prints_days_and_names_an_empty_column(open_desk: OpenDesk):
    async with open_desk(of=SMALL, zone=UTC) as desk:
        text = await desk.list(
            fields=["learner_id", "course_id", "certificate issued", "certificate_expires"],
            sort="-certificate_issued_at",
            limit=len(issued()),
        )
    rows = [line.split(",") for line in text.splitlines() if re.match(r"\d+,\d+,", line)]
    latest = sorted(issued().items(), key=lambda item: -item[1])
    assert [row[2] for row in rows] == [day(moment) for _, moment in latest]
    assert {(row[0], row[1]) for row in rows} == {*issued()}
    assert text.count("Empty in every row: certificate_expires.") == 1


def file_in(folder: Path) -> list[dict[str, str]]:
    (file,) = folder.iterdir()
    return list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline="")))


async def test_a_file_has_certificates_as_days(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(of=SMALL, export_dir=str(tmp_path), zone=UTC) as desk:
        await desk.list(fields=["learner_id", "course_id", *COLUMNS], format="csv")
    rows = file_in(tmp_path)
    assert {
        (row["learner_id"], row["course_id"]): row["certificate_issued"] for row in rows if row["certificate_issued"]
    } == {key: day(moment) for key, moment in issued().items()}


@pytest.mark.parametrize("fields", [{}, {"fields": ["user.id", "custom_fields"]}])
async def test_custom_fields_do_not_repeat_a_certificate(open_desk: OpenDesk, fields: dict[str, list[str]]):
    async with open_desk(of=SMALL) as desk:
        listed = json.loads(await desk.list(**fields, format="json", limit=200))
    custom = [row.get("custom_fields", {}) for row in listed["result"]]
    assert any("role" in each for each in custom)
    assert not any({*COLUMNS} & {*each} for each in custom)


async def test_a_certificate_that_is_asked_for_as_a_custom_field_is_the_column(open_desk: OpenDesk):
    async with open_desk(of=SMALL) as desk:
        named = await desk.list(fields=["learner_id", "custom_fields.Certificate issued at"], limit=200)
        assert named == await desk.list(fields=["learner_id", "certificate_issued_at"], limit=200)
    assert "certificate_issued" in named


async def test_an_excluded_certificate_is_neither_a_column_nor_a_custom_field(open_desk: OpenDesk):
    days = {iso(moment) for moment in issued().values()}
    async with open_desk(of=SMALL, exclude_fields=("certificate_issued_at",)) as desk:
        for name in ("certificate_issued_at", "custom_fields.certificate_issued_at"):
            assert "is not a column" in await desk.refused("list_course_enrollments", fields=name)
        rows = json.loads(await desk.list(exclude_fields=["completed_at"], format="json", limit=200))["result"]
    assert not [row for row in rows if days & {*re.findall(r"20\d\d-[\d:T.-]+Z", json.dumps(row.get("custom_fields")))}]
    assert not [row for row in rows if "certificate_issued_at" in json.dumps(row)]


@pytest.mark.parametrize(
    ("excluded", "hidden"), [("due_at", "access_ends_at"), ("completed_at", "certificate_issued_at")]
)
async def test_a_column_that_has_the_value_of_an_excluded_one_is_excluded_with_it(
    open_desk: OpenDesk, excluded: str, hidden: str
):
    async with open_desk(of=SMALL, exclude_fields=(excluded,)) as desk:
        assert "is not a column" in await desk.refused("list_course_enrollments", fields=hidden)
        assert hidden not in await desk.list(format="json", limit=200)


async def test_a_list_with_certificates_is_not_complete_while_transcripts_are_missing(open_desk: OpenDesk):
    async with open_desk(of=SMALL, call_budget=0) as desk:
        desk.portal.faults.add(Fault(status=503), times=None, endpoint="users/id")
        text = await desk.list(fields=["learner", *COLUMNS])
    assert f"{len(facts(SMALL))} outcomes not read yet" in first_line(text)
    assert "complete" not in first_line(text)


def replaced(desk: Desk, *, certificates: tuple[tuple[int, int | None], ...], **changes: object) -> SampleEnrollment:
    """Change Jane's enrollment in the portal."""
    index = desk.portal._index
    (before,) = index.transcript(JANE)
    after = replace(before, certificates=certificates, **changes)
    for listing in (index.transcript(JANE), index.roster(CONDUCT)):
        listing[listing.index(before)] = after
    return after


async def test_a_certificate_survives_rosters_and_goes_when_a_transcript_no_longer_has_it(open_desk: OpenDesk):
    clock = MovableClock()
    jane = enrollment(JANE, certificates=((ISSUED, EXPIRES),), **CERTIFIED)
    asked_for = {"course": CONDUCT, "fields": ["user.id", *COLUMNS], "format": "json"}
    async with open_desk(of=portal_with(jane, enrollment(OMAR)), clock=clock) as desk:
        await desk.list(user=JANE)
        calls(desk)
        clock.pass_by(16 * 60)
        replaced(desk, certificates=())
        rows = json.loads(await desk.list(**asked_for))["result"]
        assert JANE not in asked(desk, "users/id")
        assert asked(desk, "courses/id") == [CONDUCT]
        kept = {"user": {"id": JANE}, "certificate_issued_at": iso(ISSUED), "certificate_expires_at": iso(EXPIRES)}
        assert kept in rows
        await desk.list(user=JANE, fresh=True)
        rows = json.loads(await desk.list(**asked_for))["result"]
    assert {"user": {"id": JANE}} in rows


async def test_a_certificate_is_not_final_where_only_a_pair_was_read(open_desk: OpenDesk):
    holders = [enrollment(str(key), certificates=((ISSUED, EXPIRES),), **CERTIFIED) for key in range(6, 13)]
    question = {"course": CONDUCT, "fields": ["learner_id", "score", "certificate_issued_at"]}
    async with open_desk(of=portal_with(*holders, learners=20), call_budget=3, zone=UTC) as desk:
        desk.portal.faults.add(Fault(status=503), times=None, endpoint="users/id")
        texts = [await desk.list(**question) for _ in range(4)]
        assert len({request.arguments["user_id"] for request in desk.portal.log if "user_id" in request.arguments}) == 7
        assert not [text for text in texts if "complete" in first_line(text)]
        desk.portal.faults.clear()
        last = [await desk.list(**question) for _ in range(4)][-1]
    assert "complete" in first_line(last)
    assert f"certificate_issued {day(ISSUED)}" in first_line(last)
