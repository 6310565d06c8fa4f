"""Every count of every kind of answer equals a count over the portal's own data."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable

import pytest

from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import Desk, OpenDesk
from tests.truth import DAY, NOON, Fact, facts, missing, month

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def desk(open_desk: OpenDesk) -> AsyncGenerator[Desk]:
    """Open one desk for all questions: no answer depends on what was asked before."""
    async with open_desk(token_budget=20_000) as opened:
        yield opened


def rows(text: str, first: str) -> list[dict[str, str]]:
    """Parse the table of an answer that starts with a column, up to the first line with another number of cells."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{first},"))
    parsed = list(csv.reader(lines[start:]))
    header = parsed[0]
    parsed_rows = []
    for cells in parsed[1:]:
        if len(cells) != len(header):
            break
        parsed_rows.append(dict(zip(header, cells, strict=True)))
    return parsed_rows


def numbers(text: str, pattern: str) -> list[int]:
    """Return the numbers that a pattern captures."""
    match = re.search(pattern, text)
    assert match, text
    return [int(number.replace(",", "")) for number in match.groups()]


def expected(group: list[Fact]) -> dict[str, str]:
    """Return the line of a summary for a group of facts."""
    finished, hours = sum(fact.finished for fact in group), sum(fact.seconds for fact in group) / 3600
    return {
        "enrollments": str(len(group)),
        "finished": str(finished),
        "%": f"{100 * finished / len(group):.0f}",
        "overdue": str(sum(fact.overdue for fact in group)),
        "due 14d": str(sum(fact.due_soon for fact in group)),
        "not started": str(sum(fact.not_started for fact in group)),
        "at risk": str(sum(fact.at_risk for fact in group)),
        "hours": f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}",
        "avg %": f"{sum(fact.percent for fact in group) / len(group):.0f}",
    }


def grouped(facts_of_group: list[Fact], key: Callable[[Fact], str]) -> dict[str, list[Fact]]:
    groups: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts_of_group:
        groups[key(fact)].append(fact)
    return groups


async def test_the_overview_equals_the_counts_of_the_portal(desk: Desk, organisation: Organisation):
    truth = facts(organisation)
    text = await desk.summarize()
    assert numbers(text, r"([\d,]+) enrollments, ([\d,]+) learners, (\d+) courses") == [
        len(truth),
        len({fact.user_id for fact in truth}),
        len({fact.course_id for fact in truth}),
    ]
    assert numbers(
        text,
        r"finished ([\d,]+) \((\d+) %\), overdue ([\d,]+), due in 14 days ([\d,]+), not started ([\d,]+), "
        r"at risk ([\d,]+)",
    ) == [int(expected(truth)[name]) for name in ("finished", "%", "overdue", "due 14d", "not started", "at risk")]
    assert f", {sum(fact.seconds for fact in truth) / 3600:,.1f} hours spent." in text
    statuses = {name: len(group) for name, group in grouped(truth, lambda fact: fact.status).items()}
    line = next(line for line in text.splitlines() if line.startswith("By status: "))
    shown = dict(entry.rsplit(" ", 1) for entry in line.removeprefix("By status: ").rstrip(".").split(", "))
    assert {name: int(value.replace(",", "")) for name, value in shown.items()} == statuses


@pytest.mark.parametrize(("group_by", "limit"), [("course", 200), ("learner", 200), ("status", 25)])
async def test_every_line_of_a_summary_equals_the_counts_of_the_portal(
    desk: Desk, organisation: Organisation, group_by: str, limit: int
):
    truth = facts(organisation)
    names: dict[str, Callable[[Fact], str]] = {
        "course": lambda fact: fact.course_id,
        "learner": lambda fact: fact.user_id,
        "status": lambda fact: fact.status,
    }
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
        ({"state": "finished"}, lambda fact: fact.finished),
        ({"state": "not_finished"}, lambda fact: not fact.finished),
        ({"state": "not_started"}, lambda fact: fact.not_started),
        ({"state": "overdue"}, lambda fact: fact.overdue),
        ({"status": "overdue"}, lambda fact: fact.overdue),
        ({"state": "due_soon"}, lambda fact: fact.due_soon),
        ({"state": "expired"}, lambda fact: fact.expired),
        ({"state": "no_due_date"}, lambda fact: fact.due is None),
        ({"state": ["overdue", "due_soon"]}, lambda fact: fact.overdue or fact.due_soon),
        ({"status": "in_progress"}, lambda fact: fact.status == "in_progress"),
        ({"status": ["enrolled", "expired"]}, lambda fact: fact.status in ("enrolled", "expired")),
        ({"progress_below": 50}, lambda fact: not fact.finished and fact.percent < 50),
        ({"state": "at_risk"}, lambda fact: fact.at_risk),
        ({"state": "at_risk", "where": {"site": "Oslo"}}, lambda fact: fact.at_risk and fact.site == "Oslo"),
        ({"where": {"site": ["lodz", "Hull"]}}, lambda fact: fact.site in ("Łódź", "Hull")),
        ({"where": {"site": "(none)"}}, lambda fact: not fact.site),
        ({"where": {"site": "Oslo", "job title": "driver"}}, lambda fact: (fact.site, fact.job) == ("Oslo", "Driver")),
        (
            {"completed_from": "last month", "completed_to": "last month"},
            lambda fact: fact.completed_month == "2026-10",
        ),
        (
            {"enrolled_from": "2026-09-01", "enrolled_to": "2026-10-31"},
            lambda fact: fact.enrolled_month in ("2026-09", "2026-10"),
        ),
        (
            {"enrolled_from": "this month", "state": "finished"},
            lambda fact: fact.finished and month(fact.enrolled) == "2026-11",
        ),
        (
            {"course": "Forklift Safety", "state": "overdue"},
            lambda fact: fact.overdue and fact.course == "Forklift Safety",
        ),
        ({"course": "101"}, lambda fact: fact.course_id == "101"),
        ({"user": "Jane Doe"}, lambda fact: fact.learner == "Jane Doe"),
        ({"user": ["1", "2"], "state": "finished"}, lambda fact: fact.finished and fact.user_id in ("1", "2")),
    ],
)
async def test_a_filter_matches_the_same_enrollments_of_the_portal_in_both_tools(
    desk: Desk, organisation: Organisation, arguments: dict[str, object], test: Callable[[Fact], bool]
):
    truth = [fact for fact in facts(organisation) if test(fact)]
    listed = await desk.list(**arguments)
    counted = await desk.summarize(**arguments)
    assert numbers(listed, r"of ([\d,]+) enrollments") == [len(truth)]
    assert numbers(counted, r"([\d,]+) enrollments?, ([\d,]+) learners?") == [
        len(truth),
        len({fact.user_id for fact in truth}),
    ]


async def test_the_days_of_a_due_filter_are_in_the_zone_of_the_portal(desk: Desk, organisation: Organisation):
    athens_midnight = NOON - 12 * 3600 - 2 * 3600
    truth = [
        fact
        for fact in facts(organisation)
        if fact.due is not None and athens_midnight <= fact.due < athens_midnight + 15 * DAY
    ]
    text = await desk.list(due_from="today", due_to="+14d")
    assert numbers(text, r"of ([\d,]+) enrollments") == [len(truth)]


async def test_failures_are_counted_from_transcripts_because_rosters_do_not_have_them(
    open_desk: OpenDesk, organisation: Organisation
):
    truth = [fact for fact in facts(organisation) if fact.status == "failed"]
    async with open_desk() as desk:
        text = await desk.list(state="failed")
        again = await desk.summarize(state="failed", group_by="course", fresh=False)
    assert numbers(text, r"of ([\d,]+) enrollments") == [len(truth)]
    assert "Failed unknown" not in text
    by_course = grouped(truth, lambda fact: fact.course_id)
    assert sum(int(line["enrollments"]) for line in rows(again, "course")) == len(truth)
    assert len(rows(again, "course")) == len(by_course)


async def test_a_later_roster_does_not_overwrite_a_failure_from_a_transcript(
    open_desk: OpenDesk, organisation: Organisation
):
    truth = [fact for fact in facts(organisation) if fact.status == "failed"]
    async with open_desk() as desk:
        await desk.list(state="failed")
        text = await desk.summarize(group_by="status", fresh=True)
    failed = next(line for line in rows(text, "status") if line["status"] == "failed")
    assert int(failed["enrollments"]) == len(truth)


async def test_all_pages_together_are_the_whole_match_without_repetition(desk: Desk, organisation: Organisation):
    truth = [fact for fact in facts(organisation) if fact.overdue]
    seen: list[tuple[str, ...]] = []
    text = await desk.list(state="overdue", fields=["user.id", "course.id"], limit=40)
    while True:
        seen += [tuple(line.values()) for line in rows(text, "learner_id")]
        cursor = re.search(r"cursor=(\S+)$", text)
        if cursor is None:
            break
        text = await desk.list(cursor=cursor.group(1))
    assert len(seen) == len(set(seen)) == len(truth)
    assert set(seen) == {(fact.user_id, fact.course_id) for fact in truth}


async def test_people_at_risk_have_the_signals_that_the_portal_shows(desk: Desk, organisation: Organisation):
    truth = {(fact.user_id, fact.course_id): fact for fact in facts(organisation) if fact.at_risk}
    fields = ["user.id", "course.id", "signals"]
    text = await desk.list(state="at_risk", limit=200, fields=fields)
    rest = await desk.list(cursor=text.rpartition("cursor=")[2])
    overall = await desk.summarize()
    told = [
        ((line["learner_id"], line["course_id"]), line["signals"])
        for page in (text, rest)
        for line in rows(page, "learner_id")
    ]
    assert len(told) == len(truth)
    for key, signals in told:
        fact = truth[key]
        assert signals == "; ".join(
            f"overdue {fact.days_late} d" if sign == "overdue" else sign for sign in fact.signals
        )
    order = [(-len(truth[key].signals), -truth[key].days_late) for key, _ in told]
    assert order == sorted(order)
    of_learner = grouped([*truth.values()], lambda fact: fact.user_id)
    most = sorted(
        (-sum(len(fact.signals) for fact in group), -max(fact.days_late for fact in group))
        for group in of_learner.values()
    )[:8]
    shown = rows(overall, "learner")
    assert len(shown) == 8
    for line, (signs, late) in zip(shown, most, strict=True):
        assert sum(int(entry.split()[0]) for entry in line["signals"].split("; ")) == -signs
        assert (f" up to {-late} d" in line["signals"]) == (late < 0)
    assert f"8 of {len(of_learner)} learners at risk, most signals first" in overall


@pytest.mark.parametrize("by", ["site", ["site", "course"], ["status", "site"]])
async def test_every_line_of_a_dimension_equals_the_counts_of_the_portal(
    desk: Desk, organisation: Organisation, by: str | list[str]
):
    truth = facts(organisation)
    keys: dict[str, Callable[[Fact], str]] = {
        "site": lambda fact: fact.site or "(none)",
        "course": lambda fact: fact.course_id,
        "status": lambda fact: fact.status,
    }
    names = [by] if isinstance(by, str) else by
    groups = grouped(truth, lambda fact: "|".join(keys[name](fact) for name in names))
    text = await desk.summarize(group_by=by, limit=200)
    lines = rows(text, names[0])
    assert len(lines) == len(groups)
    want = []
    for key, group in groups.items():
        people = grouped(group, lambda fact: fact.user_id).values()
        done = sum(all(fact.finished for fact in mine) for mine in people)
        figures = expected(group) | {"learners": str(len(people)), "learners %": f"{100 * done / len(people):.0f}"}
        shown = dict(zip(names, key.split("|"), strict=True))
        want.append({name: shown.get(name, figures.get(name, "")) for name in lines[0] if name != "course"})
    got = [{name: value for name, value in line.items() if name != "course"} for line in lines]
    assert sorted(got, key=str) == sorted(want, key=str)


async def test_months_count_enrollments_when_enrolled_and_completions_when_completed(
    desk: Desk, organisation: Organisation
):
    truth = facts(organisation)
    lines = rows(await desk.summarize(group_by="month", limit=200), "month")
    cohorts = grouped(truth, lambda fact: fact.enrolled_month)
    finished = grouped([fact for fact in truth if fact.completed_month], lambda fact: fact.completed_month or "")
    assert [line["month"] for line in lines] == sorted(line["month"] for line in lines)
    assert {line["month"] for line in lines} >= {*cohorts, *finished}
    for line in lines:
        cohort = cohorts.get(line["month"])
        assert int(line["finished in month"]) == len(finished.get(line["month"], []))
        if cohort is None:
            assert line["enrollments"] == "0"
        else:
            assert {name: line[name] for name in line if name in expected(cohort)} == {
                name: value for name, value in expected(cohort).items() if name in line
            }


async def test_the_rate_of_a_period_is_of_the_enrollments_open_or_enrolled_in_it(
    desk: Desk, organisation: Organisation
):
    truth = facts(organisation)
    match = [fact for fact in truth if fact.completed_month == "2026-10"]
    base = [
        fact
        for fact in truth
        if fact.enrolled_month <= "2026-10" and (not fact.finished or (fact.completed_month or "") >= "2026-10")
    ]
    text = await desk.summarize(completed_from="last month", completed_to="last month", group_by="course")
    assert numbers(text, r"([\d,]+) were open or enrolled in that period, ([\d,]+) finished in it") == [
        len(base),
        len(match),
    ]
    assert f"({100 * len(match) / len(base):.0f} %)" in text
    by_course = grouped(base, lambda fact: fact.course_id)
    lines = rows(text, "course")
    assert sorted((line["enrollments"], line["finished"]) for line in lines) == sorted(
        (str(len(group)), str(sum(fact.completed_month == "2026-10" for fact in group))) for group in by_course.values()
    )


async def test_people_not_enrolled_are_the_learners_of_the_portal_without_the_course(
    desk: Desk, organisation: Organisation
):
    lacking = {course: missing(organisation, course) for course in ("104", "103")}
    asked = {"state": "not_enrolled", "course": "104"}
    text = await desk.list(**asked, fields="learner_id,course_id", limit=200)
    counted = await desk.summarize(**asked)
    in_oslo = await desk.list(**asked, where={"site": "Oslo"}, limit=1)
    both = await desk.summarize(state="not_enrolled", course=["104", "103"])
    by_site = await desk.summarize(**asked, group_by="site")
    noted = await desk.summarize(course="104")
    assert {line["learner_id"] for line in rows(text, "learner_id")} == {person.id for person in lacking["104"]}
    number = len(lacking["104"])
    assert f"{number} of {number} people not enrolled: Forklift Safety. As of" in text
    assert counted.startswith(f"{number} people not enrolled: Forklift Safety. As of")
    assert f"{number} active people are not enrolled." in noted
    oslo = sum(person.custom_fields[1] == "Oslo" for person in lacking["104"])
    assert in_oslo.startswith(f"1 of {oslo} people not enrolled: Forklift Safety, site Oslo. As of")
    assert {line["not enrolled"] for line in rows(both, "course")} == {str(len(people)) for people in lacking.values()}
    everybody = len({person.id for people in lacking.values() for person in people})
    assert both.startswith(f"{sum(map(len, lacking.values()))} missing enrollments, of {everybody} learners: ")
    assert sum(int(line["not enrolled"]) for line in rows(by_site, "site")) == number


async def test_courses_that_the_settings_call_mandatory_are_filtered_by(
    open_desk: OpenDesk, organisation: Organisation
):
    truth = [fact for fact in facts(organisation) if fact.course in ("Forklift Safety", "Code of Conduct")]
    async with open_desk(mandatory_courses=("forklift safety", "Code of Conduct")) as desk:
        listed = await desk.list(is_mandatory=True)
        others = await desk.summarize(is_mandatory=False)
    assert numbers(listed, r"of ([\d,]+) enrollments: mandatory") == [len(truth)]
    assert numbers(others, r"([\d,]+) enrollments") == [len(facts(organisation)) - len(truth)]
