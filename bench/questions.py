"""What HR asks: each question with the one call that answers it, the pages it would take otherwise, and the truth.

Today is Monday, 23 November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.office import (
    MANDATORY,
    Office,
    begin,
    by_month,
    counted,
    headline,
    hours,
    idle_share,
    manager_of,
    rate,
    statuses,
    team_of,
    totals,
    troubled,
)
from bench.reading import Row, Table, Truth
from mcp_truto_lms.sandbox.records import Organisation
from tests.truth import Fact, missing

LIST, SUMMARIZE = "list_course_enrollments", "summarize_learner_progress"
EVERYTHING = ("course-enrollments",)
SECURITY, CONDUCT = "Security Awareness 2026", "Code of Conduct"
GDPR, FORKLIFT = "GDPR & Data Protection", "Forklift Safety"
BY_PEOPLE = "learners,enrollments,finished,%,learners %,overdue,due 14d,not started,hours,avg %"
OF_OUTCOME = "enrollments,overdue,due 14d,not started,hours,avg %"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and what it takes to answer it.

    Args:
        words: as somebody asks it
        tool: the one call's tool
        arguments: and its arguments
        needs: the lists of the unified endpoint that hold what is needed, filtered as far as the endpoint can
        truth: what the answer must say
    """

    words: str
    tool: str
    arguments: Mapping[str, Any]
    needs: tuple[str, ...]
    truth: Truth


def questions(organisation: Organisation) -> list[Question]:
    """Make all questions about the sample organisation; those about failure come last, as they teach the store."""
    office = Office(organisation)
    return [*_lists(office), *_people(office), *_wholes(office), *_parts(office), *_failures(office)]


def _list(words: str, needs: tuple[str, ...], truth: Truth, **arguments: Any) -> Question:
    return Question(words, LIST, arguments, needs, truth)


def _summary(words: str, needs: tuple[str, ...], truth: Truth, **arguments: Any) -> Question:
    return Question(words, SUMMARIZE, arguments, needs, truth)


def _lists(office: Office) -> list[Question]:
    """Ask who is late, soon due, stalled, new or done."""
    enrolled, completed = "learner,course,status,progress,due,enrolled", "learner,course,status,progress,due,completed"
    of, rows = office.of, office.rows
    late, expired = of(lambda one: one.overdue), of(lambda one: one.status == "expired")
    doubtful = of(lambda one: one.due_soon and one.percent < 50)
    idle = of(lambda one: one.course == FORKLIFT and one.not_started)
    stalled = of(lambda one: one.status == "in_progress" and one.percent < 50 and one.enrolled < begin(2026, 9, 25))
    last_week = office.finished(begin(2026, 11, 16), begin(2026, 11, 23))
    since = [one for one in office.finished(begin(2026, 11, 1), begin(2027, 1, 1)) if one.course == SECURITY]
    low = of(lambda one: one.course == GDPR and not one.finished and one.percent < 50)
    new = of(lambda one: one.enrolled >= begin(2026, 11, 1))
    unbegun = of(lambda one: one.enrolled >= begin(2026, 11, 9) and one.not_started)
    at_risk = rows(
        of(lambda one: one.at_risk),
        "learner,course,status,progress,due,signals",
        key=lambda one: -1_000 * len(one.signals) - one.late_days,
        limit=40,
    )
    return [
        _list("Who is overdue now, longest first?", EVERYTHING, rows(late, limit=50), state="overdue", limit=50),
        _list(
            "What is due in 14 days and unlikely to be finished in time?",
            EVERYTHING,
            rows(doubtful, limit=100),
            state="due_soon",
            progress_below=50,
            limit=100,
        ),
        _list(
            "Who has not started Forklift Safety?",
            office.pages_of_course(FORKLIFT),
            rows(idle, "learner,course,status,due", limit=50),
            course=FORKLIFT,
            state="not_started",
            limit=50,
        ),
        _list(
            "Who has stalled: enrolled 60 days ago, in progress, not half done?",
            EVERYTHING,
            rows(stalled, enrolled, limit=50),
            status="in_progress",
            progress_below=50,
            enrolled_to="-60d",
            limit=50,
        ),
        _list(
            "Who finished something last week?",
            EVERYTHING,
            rows(last_week, completed, limit=100),
            completed_from="last_week",
            completed_to="last_week",
            limit=100,
        ),
        _list(
            "Who finished Security Awareness since 1 November?",
            office.pages_of_course(SECURITY),
            rows(since, completed, limit=100),
            course=SECURITY,
            completed_from="2026-11-01",
            limit=100,
        ),
        _list(
            "Who is below 50 % in GDPR?",
            office.pages_of_course(GDPR),
            rows(low, limit=100),
            course=GDPR,
            progress_below=50,
            limit=100,
        ),
        _list(
            "Who was enrolled this month, the latest first?",
            EVERYTHING,
            rows(new, enrolled, key=lambda one: -one.enrolled, limit=40),
            enrolled_from="this_month",
            sort="-enrolled",
            limit=40,
        ),
        _list(
            "Who was enrolled in the last two weeks and has not begun?",
            EVERYTHING,
            rows(unbegun, "learner,course,status,due,enrolled", limit=60),
            enrolled_from="-14d",
            state="not_started",
            limit=60,
        ),
        _list(
            "Whose access expired before they finished?", EVERYTHING, rows(expired, limit=50), state="expired", limit=50
        ),
        _list("Who is at risk, and why?", EVERYTHING, at_risk, state="at_risk", limit=40),
    ]


def _people(office: Office) -> list[Question]:
    """Ask about one person, one course's people, those whom a course lacks, and a manager's."""
    never = missing(office.organisation, office.course_id(FORKLIFT))
    unknown = Table(("learner",), tuple(Row(0, (office.names[one.id],)) for one in never), 200)
    jane = next(one.id for one in office.organisation.people if one.email.startswith("jane.doe@"))
    hers = office.of(lambda one: one.user_id == jane)
    at_security = [one for one in hers if one.course == SECURITY]
    roster = office.of(lambda one: one.course == FORKLIFT)
    late = office.rows([one for one in roster if one.overdue], limit=8).tables
    boss, team = "Ruth Bergman", "Technology"
    reports = office.of(lambda one: office.value(one, "manager") == boss)
    late_there = office.of(lambda one: office.value(one, "team") == team and one.overdue)
    transcript = office.rows(hers, "course,status,progress,due").tables
    lacking = f"{len(never)} active people are not enrolled."
    return [
        _summary(
            "How is Jane Doe doing?",
            (f"course-enrollments?user[id]={jane}",),
            Truth(totals(hers), (headline(hers), statuses(hers)), transcript),
            user="Jane Doe",
        ),
        _list(
            "How far is Jane Doe in Security Awareness?",
            (f"course-enrollments?user[id]={jane}&course[id]={office.course_id(SECURITY)}",),
            office.rows(at_security),
            user="Jane Doe",
            course=SECURITY,
        ),
        _list(
            "Who is in Forklift Safety, and how far?",
            office.pages_of_course(FORKLIFT),
            office.rows(roster, limit=100),
            course=FORKLIFT,
            limit=100,
        ),
        _summary(
            "How is Forklift Safety going, and who is longest overdue?",
            (*office.pages_of_course(FORKLIFT), "users"),
            Truth(totals(roster), (headline(roster), statuses(roster), lacking), late),
            course=FORKLIFT,
        ),
        _list(
            "Who was never enrolled in Forklift Safety?",
            (*office.pages_of_course(FORKLIFT), "users"),
            Truth(f"{len(never)} of {len(never)} people not enrolled", tables=(unknown,)),
            course=FORKLIFT,
            state="not_enrolled",
            limit=200,
        ),
        _summary(
            f"How are {boss}'s people doing?",
            office.pages_of_people(lambda one: manager_of(one) == boss),
            Truth(totals(reports), tables=(office.groups(reports, "learner", limit=50),)),
            where={"manager": boss},
            group_by="learner",
            limit=50,
        ),
        _list(
            f"Who in {team} is overdue?",
            office.pages_of_people(lambda one: team_of(one) == team),
            office.rows(late_there, limit=100),
            where={"team": team},
            state="overdue",
            limit=100,
        ),
    ]


def _wholes(office: Office) -> list[Question]:
    """Ask for the whole by course, learner, team, manager, site, month and status."""
    every = office.facts
    risky = office.groups(
        every,
        "learner",
        "enrollments,finished,%,overdue,due 14d,not started,at risk,hours,avg %",
        key=lambda group: -sum(one.at_risk for one in group),
        limit=10,
    )
    overview = (office.groups(every, "course", limit=8), troubled(office, office.of(lambda one: one.at_risk), 8))
    by_status = office.groups(every, "status", "enrollments,hours,avg %", key=lambda group: -len(group))

    def whole(words: str, table: Table, **arguments: Any) -> Question:
        return _summary(words, EVERYTHING, Truth(totals(every), tables=(table,)), **arguments)

    def best(group: Sequence[Fact]) -> float:
        return -rate(group)

    return [
        _summary(
            "What is the overall picture?",
            EVERYTHING,
            Truth(totals(every), (headline(every, risk=True), statuses(every)), overview),
        ),
        whole("How complete is each course?", office.groups(every, "course"), group_by="course"),
        whole("How complete is each team?", office.groups(every, "team", BY_PEOPLE), group_by="team"),
        whole(
            "How complete are each manager's people?",
            office.groups(every, "manager", BY_PEOPLE, key=rate),
            group_by="manager",
            sort="%",
        ),
        whole("How did it go, month by month?", by_month(office), group_by="month"),
        whole(
            "In which teams do most learners have nothing left to do?",
            office.groups(every, "team", BY_PEOPLE, key=idle_share),
            group_by="team",
            sort="-learners_%",
        ),
        whole(
            "Which three courses have the highest completion rate?",
            office.groups(every, "course", key=best, limit=3),
            group_by="course",
            sort="-%",
            limit=3,
        ),
        whole(
            "And which three the lowest?",
            office.groups(every, "course", key=rate, limit=3),
            group_by="course",
            sort="%",
            limit=3,
        ),
        whole(
            "Where is completion lowest, by team and course?",
            office.groups(every, "team,course", key=rate, limit=10),
            group_by=["team", "course"],
            sort="%",
            limit=10,
        ),
        whole(
            "How many training hours has each site spent?",
            office.groups(every, "site", BY_PEOPLE, key=hours),
            group_by="site",
            sort="-hours",
        ),
        whole(
            "Which ten people spent most time learning?",
            office.groups(every, "learner", key=hours, limit=10),
            group_by="learner",
            sort="-hours",
            limit=10,
        ),
        whole("Which ten people have most at risk?", risky, group_by="learner", sort="-at_risk", limit=10),
        _summary(
            "How many have which status?",
            EVERYTHING,
            Truth(totals(every), (headline(every),), (by_status,)),
            group_by="status",
        ),
    ]


def _parts(office: Office) -> list[Question]:
    """Ask about some courses, and about a time."""
    titles = [one.name for one in office.organisation.courses if one.code in MANDATORY]
    two, mandatory, security = (
        office.of(lambda one, wanted=wanted: one.course in wanted) for wanted in ((SECURITY, CONDUCT), titles, SECURITY)
    )
    timeless = office.of(lambda one: one.due is None)
    first, last = begin(2026, 10, 1), begin(2026, 11, 1)
    october = office.finished(first, last)
    opened = office.of(
        lambda one: one.enrolled < last and (not one.finished or (one.completed is not None and one.completed >= first))
    )
    share = f"({100 * len(october) / len(opened):.0f} %)"
    done = f"{len(opened):,} were open or enrolled in that time, {len(october):,} finished in it {share}."
    finished = {id(one) for one in october}

    def in_october(group: Sequence[Fact], column: str) -> str:
        return counted(group, column, lambda one: id(one) in finished)

    by_team = office.groups(opened, "team", BY_PEOPLE, key=lambda group: -len(group), number=in_october)
    return [
        _summary(
            "How do Security Awareness and Code of Conduct compare?",
            office.pages_of_course(SECURITY, CONDUCT),
            Truth(totals(two), tables=(office.groups(two, "course"),)),
            course=[SECURITY, CONDUCT],
        ),
        _summary(
            "How complete are the mandatory courses?",
            office.pages_of_course(*titles),
            Truth(totals(mandatory), tables=(office.groups(mandatory, "course"),)),
            is_mandatory=True,
            group_by="course",
        ),
        _summary(
            "For which courses is no due date known?",
            EVERYTHING,
            Truth(totals(timeless), tables=(office.groups(timeless, "course"),)),
            state="no_due_date",
            group_by="course",
        ),
        _summary(
            "Which teams are most overdue in Security Awareness?",
            office.pages_of_course(SECURITY),
            Truth(totals(security), tables=(office.groups(security, "team", BY_PEOPLE),)),
            course=SECURITY,
            group_by="team",
        ),
        _summary(
            "What share of its open courses did each team finish last month?",
            EVERYTHING,
            Truth(totals(october), (done,), (by_team,)),
            completed_from="last_month",
            completed_to="last_month",
            group_by="team",
        ),
    ]


def _failures(office: Office) -> list[Question]:
    """Ask who failed, which takes the transcripts of those whom it may concern."""
    failed = office.of(lambda one: one.status == "failed", failed_shown=True)
    by_course = office.groups(failed, "course", OF_OUTCOME, key=lambda group: -len(group))
    return [
        _list(
            "Who failed Code of Conduct?",
            office.pages_of_course(CONDUCT),
            office.rows([one for one in failed if one.course == CONDUCT], limit=50),
            course=CONDUCT,
            state="failed",
            limit=50,
        ),
        _summary(
            "How many failed, by course?",
            EVERYTHING,
            Truth(totals(failed), tables=(by_course,)),
            state="failed",
            group_by="course",
        ),
    ]
