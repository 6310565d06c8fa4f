"""Every count of every kind of answer, against a count over the portal's own data."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable

import pytest

from mcp_truto_lms.sandbox.organisation import Organisation
from tests.conftest import OpenDesk
from tests.truth import DAY, NOON, Fact, facts

pytestmark = pytest.mark.anyio


def rows(text: str, first: str) -> list[dict[str, str]]:
    """Read the table of an answer that starts with a column: up to the first line that has other cells."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{first},"))
    parsed = list(csv.reader(lines[start:]))
    header = parsed[0]
    found = []
    for cells in parsed[1:]:
        if len(cells) != len(header):
            break
        found.append(dict(zip(header, cells, strict=True)))
    return found


def numbers(text: str, pattern: str) -> list[int]:
    """Read the numbers that a pattern captures."""
    found = re.search(pattern, text)
    assert found, text
    return [int(one.replace(",", "")) for one in found.groups()]


def expected(group: list[Fact]) -> dict[str, str]:
    """Count a group of facts as a line of a summary shows it."""
    done = sum(one.finished for one in group)
    return {
        "enrollments": str(len(group)),
        "finished": str(done),
        "%": f"{100 * done / len(group):.0f}",
        "overdue": str(sum(one.overdue for one in group)),
        "due 14d": str(sum(one.due_soon for one in group)),
        "not started": str(sum(one.not_started for one in group)),
        "avg %": f"{sum(one.percent for one in group) / len(group):.0f}",
    }


def grouped(found: list[Fact], key: Callable[[Fact], str]) -> dict[str, list[Fact]]:
    groups: dict[str, list[Fact]] = defaultdict(list)
    for one in found:
        groups[key(one)].append(one)
    return groups


async def test_the_overall_picture_counts_what_the_portal_holds(open_desk: OpenDesk, organisation: Organisation):
    truth = facts(organisation)
    async with open_desk() as desk:
        text = await desk.summarize()
    assert numbers(text, r"([\d,]+) enrollments, ([\d,]+) learners, (\d+) courses") == [
        len(truth),
        len({one.user_id for one in truth}),
        len({one.course_id for one in truth}),
    ]
    assert numbers(
        text, r"finished ([\d,]+) \((\d+) %\), overdue ([\d,]+), due in 14 days ([\d,]+), not started ([\d,]+)"
    ) == [int(expected(truth)[name]) for name in ("finished", "%", "overdue", "due 14d", "not started")]
    statuses = {name: len(group) for name, group in grouped(truth, lambda one: one.status).items()}
    line = next(line for line in text.splitlines() if line.startswith("By status: "))
    told = dict(one.rsplit(" ", 1) for one in line.removeprefix("By status: ").rstrip(".").split(", "))
    assert {name: int(value.replace(",", "")) for name, value in told.items()} == statuses


@pytest.mark.parametrize(("group_by", "limit"), [("course", 200), ("learner", 200), ("status", 25)])
async def test_every_line_of_a_summary_counts_what_the_portal_holds(
    open_desk: OpenDesk, organisation: Organisation, group_by: str, limit: int
):
    truth = facts(organisation)
    names: dict[str, Callable[[Fact], str]] = {
        "course": lambda one: one.course_id,
        "learner": lambda one: one.user_id,
        "status": lambda one: one.status,
    }
    async with open_desk(token_budget=20_000) as desk:
        text = await desk.summarize(group_by=group_by, limit=limit, sort="-overdue")
    lines = rows(text, group_by)
    groups = grouped(truth, names[group_by])
    assert len(lines) == min(len(groups), limit)
    want = sorted(
        (tuple(expected(group)[name] for name in lines[0] if name != group_by) for group in groups.values()),
        key=str,
    )
    got = sorted((tuple(value for name, value in line.items() if name != group_by) for line in lines), key=str)
    if len(groups) <= limit:
        assert got == want
    else:
        assert set(got) <= set(want)
        overdue = sorted((int(expected(group)["overdue"]) for group in groups.values()), reverse=True)
        assert [int(line["overdue"]) for line in lines] == overdue[:limit]


@pytest.mark.parametrize(
    ("arguments", "test"),
    [
        ({"state": "finished"}, lambda one: one.finished),
        ({"state": "not_finished"}, lambda one: not one.finished),
        ({"state": "not_started"}, lambda one: one.not_started),
        ({"state": "overdue"}, lambda one: one.overdue),
        ({"status": "overdue"}, lambda one: one.overdue),
        ({"state": "due_soon"}, lambda one: one.due_soon),
        ({"state": "expired"}, lambda one: one.status == "expired"),
        ({"state": "no_due_date"}, lambda one: one.due is None),
        ({"state": ["overdue", "due_soon"]}, lambda one: one.overdue or one.due_soon),
        ({"status": "in_progress"}, lambda one: one.status == "in_progress"),
        ({"status": ["enrolled", "expired"]}, lambda one: one.status in ("enrolled", "expired")),
        ({"progress_below": 50}, lambda one: not one.finished and one.percent < 50),
        (
            {"course": "Forklift Safety", "state": "overdue"},
            lambda one: one.overdue and one.course == "Forklift Safety",
        ),
        ({"course": "101"}, lambda one: one.course_id == "101"),
        ({"user": "Jane Doe"}, lambda one: one.learner == "Jane Doe"),
        ({"user": ["1", "2"], "state": "finished"}, lambda one: one.finished and one.user_id in ("1", "2")),
    ],
)
async def test_a_filter_matches_what_the_portal_holds_in_both_tools(
    open_desk: OpenDesk, organisation: Organisation, arguments: dict[str, object], test: Callable[[Fact], bool]
):
    by_transcript = "user" in arguments
    truth = [one for one in facts(organisation, failed_shown=by_transcript) if test(one)]
    async with open_desk() as desk:
        listed = await desk.list(**arguments)
        counted = await desk.summarize(**arguments)
    assert numbers(listed, r"of ([\d,]+) enrollments") == [len(truth)]
    assert numbers(counted, r"([\d,]+) enrollments?, ([\d,]+) learners?") == [
        len(truth),
        len({one.user_id for one in truth}),
    ]


async def test_days_of_a_due_filter_are_those_of_the_portals_zone(open_desk: OpenDesk, organisation: Organisation):
    athens_midnight = NOON - 12 * 3600 - 2 * 3600
    truth = [
        one
        for one in facts(organisation)
        if one.due is not None and athens_midnight <= one.due < athens_midnight + 15 * DAY
    ]
    async with open_desk() as desk:
        text = await desk.list(due_from="today", due_to="+14d")
    assert numbers(text, r"of ([\d,]+) enrollments") == [len(truth)]


async def test_failed_is_counted_by_transcripts_because_rosters_do_not_tell(
    open_desk: OpenDesk, organisation: Organisation
):
    truth = [one for one in facts(organisation, failed_shown=True) if one.status == "failed"]
    async with open_desk() as desk:
        text = await desk.list(state="failed")
        again = await desk.summarize(state="failed", group_by="course", fresh=False)
    assert numbers(text, r"of ([\d,]+) enrollments") == [len(truth)]
    assert "not separable" not in text
    by_course = grouped(truth, lambda one: one.course_id)
    assert sum(int(line["enrollments"]) for line in rows(again, "course")) == len(truth)
    assert len(rows(again, "course")) == len(by_course)


async def test_a_later_roster_does_not_undo_what_a_transcript_told(open_desk: OpenDesk, organisation: Organisation):
    truth = [one for one in facts(organisation, failed_shown=True) if one.status == "failed"]
    async with open_desk() as desk:
        await desk.list(state="failed")
        text = await desk.summarize(group_by="status", fresh=True)
    failed = next(line for line in rows(text, "status") if line["status"] == "failed")
    assert int(failed["enrollments"]) == len(truth)


async def test_all_pages_together_are_the_whole_match_once(open_desk: OpenDesk, organisation: Organisation):
    truth = [one for one in facts(organisation) if one.overdue]
    seen: list[tuple[str, ...]] = []
    async with open_desk() as desk:
        text = await desk.list(state="overdue", fields=["user.id", "course.id"], limit=40)
        while True:
            seen += [tuple(line.values()) for line in rows(text, "learner_id")]
            cursor = re.search(r"cursor=(\S+)$", text)
            if cursor is None:
                break
            text = await desk.list(cursor=cursor.group(1))
    assert len(seen) == len(set(seen)) == len(truth)
    assert set(seen) == {(one.user_id, one.course_id) for one in truth}
