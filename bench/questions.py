"""The questions that HR asks: each with the one call that answers it, and with the expected answer.

A question also names the pages of the unified endpoint that hold the same data. Today is Monday, 23 November 2026.
Prints nothing; `bench/tokens.py` and tests use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.expected_answers import (
    MANDATORY,
    ExpectedAnswers,
    at_risk_table,
    completion_rate,
    descending,
    group_cell,
    headline,
    hours_spent,
    learner_rate,
    manager_of,
    month_table,
    start_of_day,
    statuses,
    team_of,
    totals,
)
from bench.question import EVERYTHING, Question, list_question, summary_question
from bench.reading import Row, Table, Truth
from mcp_truto_lms.sandbox.records import Organisation
from tests.truth import Fact, missing

SECURITY, CONDUCT = "Security Awareness 2026", "Code of Conduct"
GDPR, FORKLIFT = "GDPR & Data Protection", "Forklift Safety"
LEARNER_COLUMNS = "learners,enrollments,finished,%,learners %,overdue,due 14d,not started,hours,avg %"
OUTCOME_COLUMNS = "enrollments,overdue,due 14d,not started,hours,avg %"


def make_questions(organisation: Organisation) -> list[Question]:
    """List all questions about the sample organisation.

    Those about failures come last: they make the server fetch transcripts, which changes later answers.
    """
    expected = ExpectedAnswers(organisation)
    return [
        *_deadline_questions(expected),
        *_people_questions(expected),
        *_overall_questions(expected),
        *_subset_questions(expected),
        *_failure_questions(expected),
    ]


def _deadline_questions(expected: ExpectedAnswers) -> list[Question]:
    """Ask who is overdue, due soon, stalled, newly enrolled or finished."""
    enrolled_columns = "learner,course,status,progress,due,enrolled"
    completed_columns = "learner,course,status,progress,due,completed"
    where, rows = expected.where, expected.rows
    overdue = where(lambda fact: fact.overdue)
    unlikely = where(lambda fact: fact.due_soon and fact.percent < 50)
    not_started = where(lambda fact: fact.course == FORKLIFT and fact.not_started)
    stalled = where(
        lambda fact: fact.status == "in_progress" and fact.percent < 50 and fact.enrolled < start_of_day(2026, 9, 25)
    )
    last_week = expected.finished_between(start_of_day(2026, 11, 16), start_of_day(2026, 11, 23))
    since_november = [
        fact
        for fact in expected.finished_between(start_of_day(2026, 11, 1), start_of_day(2027, 1, 1))
        if fact.course == SECURITY
    ]
    low_progress = where(lambda fact: fact.course == GDPR and not fact.finished and fact.percent < 50)
    newly_enrolled = where(lambda fact: fact.enrolled >= start_of_day(2026, 11, 1))
    not_begun = where(lambda fact: fact.enrolled >= start_of_day(2026, 11, 9) and fact.not_started)
    at_risk = rows(
        where(lambda fact: fact.at_risk),
        "learner,course,status,progress,due,signals",
        sort_key=lambda fact: -1_000 * len(fact.signals) - fact.days_late,
        limit=40,
    )
    return [
        list_question(
            "Who is overdue now, longest first?", EVERYTHING, rows(overdue, limit=50), state="overdue", limit=50
        ),
        list_question(
            "What is due in 14 days and unlikely to be finished in time?",
            EVERYTHING,
            rows(unlikely, limit=100),
            state="due_soon",
            progress_below=50,
            limit=100,
        ),
        list_question(
            "Who has not started Forklift Safety?",
            expected.pages_of_course(FORKLIFT),
            rows(not_started, "learner,course,status,due", limit=50),
            course=FORKLIFT,
            state="not_started",
            limit=50,
        ),
        list_question(
            "Who has stalled: enrolled 60 days ago, in progress, not half done?",
            EVERYTHING,
            rows(stalled, enrolled_columns, limit=50),
            status="in_progress",
            progress_below=50,
            enrolled_to="-60d",
            limit=50,
        ),
        list_question(
            "Who finished something last week?",
            EVERYTHING,
            rows(last_week, completed_columns, limit=100),
            completed_from="last_week",
            completed_to="last_week",
            limit=100,
        ),
        list_question(
            "Who finished Security Awareness since 1 November?",
            expected.pages_of_course(SECURITY),
            rows(since_november, completed_columns, limit=100),
            course=SECURITY,
            completed_from="2026-11-01",
            limit=100,
        ),
        list_question(
            "Who is below 50 % in GDPR?",
            expected.pages_of_course(GDPR),
            rows(low_progress, limit=100),
            course=GDPR,
            progress_below=50,
            limit=100,
        ),
        list_question(
            "Who was enrolled this month, the latest first?",
            EVERYTHING,
            rows(newly_enrolled, enrolled_columns, sort_key=lambda fact: -fact.enrolled, limit=40),
            enrolled_from="this_month",
            sort="-enrolled",
            limit=40,
        ),
        list_question(
            "Who was enrolled in the last two weeks and has not begun?",
            EVERYTHING,
            rows(not_begun, "learner,course,status,due,enrolled", limit=60),
            enrolled_from="-14d",
            state="not_started",
            limit=60,
        ),
        list_question(
            "Whose access to GDPR & Data Protection ended before they finished?",
            expected.pages_of_course(GDPR),
            rows(where(lambda fact: fact.course == GDPR and fact.expired), limit=50),
            course=GDPR,
            state="expired",
            limit=50,
        ),
        list_question("Who is at risk, and why?", EVERYTHING, at_risk, state="at_risk", limit=40),
    ]


def _people_questions(expected: ExpectedAnswers) -> list[Question]:
    """Ask about one person, the people of a course, people not enrolled in it, and a manager's people."""
    not_enrolled = missing(expected.organisation, expected.course_id(FORKLIFT))
    missing_people = Table(("learner",), tuple(Row(0, (expected.names[person.id],)) for person in not_enrolled), 200)
    jane = next(person.id for person in expected.organisation.people if person.email.startswith("jane.doe@"))
    janes = expected.where(lambda fact: fact.user_id == jane)
    at_security = [fact for fact in janes if fact.course == SECURITY]
    roster = expected.where(lambda fact: fact.course == FORKLIFT)
    overdue_table = expected.rows([fact for fact in roster if fact.overdue], limit=8).tables
    manager, team = "Ruth Bergman", "Technology"
    reports = expected.where(lambda fact: expected.value(fact, "manager") == manager)
    overdue_in_team = expected.where(lambda fact: expected.value(fact, "team") == team and fact.overdue)
    transcript = expected.rows(janes, "course,status,progress,due").tables
    not_enrolled_sentence = f"{len(not_enrolled)} active people are not enrolled."
    return [
        summary_question(
            "How is Jane Doe doing?",
            (f"course-enrollments?user[id]={jane}",),
            Truth(totals(janes), (headline(janes), statuses(janes)), transcript),
            user="Jane Doe",
        ),
        list_question(
            "How far is Jane Doe in Security Awareness?",
            (f"course-enrollments?user[id]={jane}&course[id]={expected.course_id(SECURITY)}",),
            expected.rows(at_security),
            user="Jane Doe",
            course=SECURITY,
        ),
        list_question(
            "Who is in Forklift Safety, and how far?",
            expected.pages_of_course(FORKLIFT),
            expected.rows(roster, limit=100),
            course=FORKLIFT,
            limit=100,
        ),
        summary_question(
            "How is Forklift Safety going, and who is longest overdue?",
            (*expected.pages_of_course(FORKLIFT), "users"),
            Truth(totals(roster), (headline(roster), statuses(roster), not_enrolled_sentence), overdue_table),
            course=FORKLIFT,
        ),
        list_question(
            "Who was never enrolled in Forklift Safety?",
            (*expected.pages_of_course(FORKLIFT), "users"),
            Truth(f"{len(not_enrolled)} of {len(not_enrolled)} people not enrolled", tables=(missing_people,)),
            course=FORKLIFT,
            state="not_enrolled",
            limit=200,
        ),
        summary_question(
            f"How are {manager}'s people doing?",
            expected.pages_of_people(lambda person: manager_of(person) == manager),
            Truth(totals(reports), tables=(expected.groups(reports, "learner", limit=50),)),
            where={"manager": manager},
            group_by="learner",
            limit=50,
        ),
        list_question(
            f"Who in {team} is overdue?",
            expected.pages_of_people(lambda person: team_of(person) == team),
            expected.rows(overdue_in_team, limit=100),
            where={"team": team},
            state="overdue",
            limit=100,
        ),
    ]


def _overall_questions(expected: ExpectedAnswers) -> list[Question]:
    """Ask about all enrollments by course, learner, team, manager, site, month and status."""
    all_facts = expected.facts
    learners_at_risk = expected.groups(
        all_facts,
        "learner",
        "enrollments,finished,%,overdue,due 14d,not started,at risk,hours,avg %",
        sort_key=lambda group: -sum(fact.at_risk for fact in group),
        limit=10,
    )
    overview = (
        expected.groups(all_facts, "course", limit=8),
        at_risk_table(expected, expected.where(lambda fact: fact.at_risk), 8),
    )
    by_status = expected.groups(all_facts, "status", "enrollments,hours,avg %", sort_key=lambda group: -len(group))

    def overall(words: str, table: Table, **arguments: Any) -> Question:
        return summary_question(words, EVERYTHING, Truth(totals(all_facts), tables=(table,)), **arguments)

    return [
        summary_question(
            "What is the overall picture?",
            EVERYTHING,
            Truth(totals(all_facts), (headline(all_facts, with_risk=True), statuses(all_facts)), overview),
        ),
        overall("How complete is each course?", expected.groups(all_facts, "course"), group_by="course"),
        overall("How complete is each team?", expected.groups(all_facts, "team", LEARNER_COLUMNS), group_by="team"),
        overall(
            "How complete are each manager's people?",
            expected.groups(all_facts, "manager", LEARNER_COLUMNS, sort_key=completion_rate),
            group_by="manager",
            sort="%",
        ),
        overall("How did it go, month by month?", month_table(expected), group_by="month"),
        overall(
            "In which teams do most learners have nothing left to do?",
            expected.groups(all_facts, "team", LEARNER_COLUMNS, sort_key=descending(learner_rate)),
            group_by="team",
            sort="-learners_%",
        ),
        overall(
            "Which three courses have the highest completion rate?",
            expected.groups(all_facts, "course", sort_key=descending(completion_rate), limit=3),
            group_by="course",
            sort="-%",
            limit=3,
        ),
        overall(
            "And which three the lowest?",
            expected.groups(all_facts, "course", sort_key=completion_rate, limit=3),
            group_by="course",
            sort="%",
            limit=3,
        ),
        overall(
            "Where is completion lowest, by team and course?",
            expected.groups(all_facts, "team,course", sort_key=completion_rate, limit=10),
            group_by=["team", "course"],
            sort="%",
            limit=10,
        ),
        overall(
            "How many training hours has each site spent?",
            expected.groups(all_facts, "site", LEARNER_COLUMNS, sort_key=descending(hours_spent)),
            group_by="site",
            sort="-hours",
        ),
        overall(
            "Which ten people spent most time learning?",
            expected.groups(all_facts, "learner", sort_key=descending(hours_spent), limit=10),
            group_by="learner",
            sort="-hours",
            limit=10,
        ),
        overall("Which ten people have most at risk?", learners_at_risk, group_by="learner", sort="-at_risk", limit=10),
        summary_question(
            "How many have which status?",
            EVERYTHING,
            Truth(totals(all_facts), (headline(all_facts),), (by_status,)),
            group_by="status",
        ),
    ]


def _subset_questions(expected: ExpectedAnswers) -> list[Question]:
    """Ask about some courses, and about a period."""
    titles = [course.name for course in expected.organisation.courses if course.code in MANDATORY]
    two, mandatory, security = (
        expected.where(lambda fact, wanted=wanted: fact.course in wanted)
        for wanted in ((SECURITY, CONDUCT), titles, SECURITY)
    )
    without_due = expected.where(lambda fact: fact.due is None)
    first, last = start_of_day(2026, 10, 1), start_of_day(2026, 11, 1)
    october = expected.finished_between(first, last)
    open_in_october = expected.where(
        lambda fact: (
            fact.enrolled < last and (not fact.finished or (fact.completed is not None and fact.completed >= first))
        )
    )
    share = f"({100 * len(october) / len(open_in_october):.0f} %)"
    period_sentence = (
        f"{len(open_in_october):,} were open or enrolled in that period, {len(october):,} finished in it {share}."
    )
    finished = {id(fact) for fact in october}

    def october_cell(group: Sequence[Fact], column: str) -> str:
        return group_cell(group, column, lambda fact: id(fact) in finished)

    by_team = expected.groups(
        open_in_october, "team", LEARNER_COLUMNS, sort_key=lambda group: -len(group), cell=october_cell
    )
    return [
        summary_question(
            "How do Security Awareness and Code of Conduct compare?",
            expected.pages_of_course(SECURITY, CONDUCT),
            Truth(totals(two), tables=(expected.groups(two, "course"),)),
            course=[SECURITY, CONDUCT],
        ),
        summary_question(
            "How complete are the mandatory courses?",
            expected.pages_of_course(*titles),
            Truth(totals(mandatory), tables=(expected.groups(mandatory, "course"),)),
            is_mandatory="yes",
            group_by="course",
        ),
        summary_question(
            "For which courses is no due date known?",
            EVERYTHING,
            Truth(totals(without_due), tables=(expected.groups(without_due, "course"),)),
            state="no_due_date",
            group_by="course",
        ),
        summary_question(
            "Which teams are most overdue in Security Awareness?",
            expected.pages_of_course(SECURITY),
            Truth(totals(security), tables=(expected.groups(security, "team", LEARNER_COLUMNS),)),
            course=SECURITY,
            group_by="team",
        ),
        summary_question(
            "What share of its open courses did each team finish last month?",
            EVERYTHING,
            Truth(totals(october), (period_sentence,), (by_team,)),
            completed_from="last_month",
            completed_to="last_month",
            group_by="team",
        ),
    ]


def _failure_questions(expected: ExpectedAnswers) -> list[Question]:
    """Ask who failed."""
    failed = expected.where(lambda fact: fact.status == "failed")
    by_course = expected.groups(failed, "course", OUTCOME_COLUMNS, sort_key=lambda group: -len(group))
    return [
        list_question(
            "Who failed Code of Conduct?",
            expected.pages_of_course(CONDUCT),
            expected.rows([fact for fact in failed if fact.course == CONDUCT], limit=50),
            course=CONDUCT,
            state="failed",
            limit=50,
        ),
        summary_question(
            "How many failed, by course?",
            EVERYTHING,
            Truth(totals(failed), tables=(by_course,)),
            state="failed",
            group_by="course",
        ),
    ]
