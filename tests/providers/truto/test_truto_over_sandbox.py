"""The same questions have the same answers over TalentLMS itself and over Truto, whatever Truto allows."""

import logging
import re
from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.sandbox.payloads import LOGIN_KEY_MARK, SIGNATURE_MARK
from mcp_truto_lms.sandbox.truto import (
    SAMPLE_TRUTO_TOKEN,
)
from mcp_truto_lms.sandbox.truto_faults import (
    BLOCKED_ACCOUNT,
    CUT_CONNECTION,
    EMPTY_MESSAGE,
    FORBIDDEN,
    NOT_JSON,
    RATE_LIMITED,
    RATE_LIMITED_WITHOUT_RETRY_AFTER,
    REMOTE_UNAUTHORIZED,
    Faults,
    ResponseChange,
    TrutoFault,
)
from tests.conftest import LIST, SUMMARIZE
from tests.providers.truto.scripted_truto import WAIT_SECONDS
from tests.providers.truto.truto_desk import ALL_LISTS, ATHENS, BY_PROXY, PAIRS_ONLY, WITH_PAYLOADS

pytestmark = pytest.mark.anyio

ACCOUNTS = {
    "with payloads": WITH_PAYLOADS,
    "by proxy": BY_PROXY,
    "pairs only": PAIRS_ONLY,
    "anything": ALL_LISTS,
    "ids only": replace(ALL_LISTS, names=False),
    "small pages": replace(ALL_LISTS, max_page_size=5),
    "not enrolled is an error": replace(PAIRS_ONLY, not_enrolled="error"),
}


def comparable(text):
    """Remove what depends on the read method: the age, and the notes on what it does not report."""
    text = re.sub(r"As of [^,]+, ", "", text)
    text = re.sub(r" ?Excluded: [^.]+\.", "", text)
    return re.sub(r"This account's records [^.]+\. ?", "", text)


QUESTIONS = {
    "overview": (SUMMARIZE, {}),
    "by learner": (SUMMARIZE, {"group_by": "learner"}),
    "overdue": (LIST, {"state": "overdue"}),
    "a learner": (LIST, {"user": "Jane Doe"}),
    "a course": (SUMMARIZE, {"course": "Code of Conduct"}),
    "both": (LIST, {"user": "Jane Doe", "course": "Code of Conduct"}),
    "dates": (LIST, {"fields": ["user.name", "user.emails", "course.title", "enrolled_at", "completed_at", "due_at"]}),
}
PEOPLE, COURSES = 17, 4
ENROLLED, ENROLLED_IN_THE_COURSE = 15, 7
"""Whose transcripts are read after rosters, which report no outcomes."""
DIRECTORY_CALLS = {"courses": 1, "users": 1}
ROSTER_CALLS = {"courses/id": COURSES}
FILTERED_LIST = "course-enrollments+"
FIRST_QUESTION_CALLS = {
    ("with payloads", "overview"): {
        "course-enrollments": 1,
        "courses/id": COURSES,
        "users/id": ENROLLED,
    },
    ("with payloads", "a learner"): {"users/id": 1},
    ("with payloads", "a course"): {"courses/id": 1, "users/id": ENROLLED_IN_THE_COURSE},
    ("with payloads", "both"): {"users/id": 1},
    ("by proxy", "overview"): {
        "course-enrollments": 1,
        "courses/id": 1,
        "proxy/courses/id": COURSES,
        "users/id": 1,
        "proxy/users/id": ENROLLED,
    },
    ("by proxy", "a learner"): {FILTERED_LIST + "user": 1, "users/id": 1, "proxy/users/id": 1},
    ("by proxy", "a course"): {
        FILTERED_LIST + "course": 1,
        "courses/id": 1,
        "proxy/courses/id": 1,
        FILTERED_LIST + "user": 1,
        "users/id": 1,
        "proxy/users/id": ENROLLED_IN_THE_COURSE,
    },
    ("pairs only", "overview"): {
        "course-enrollments": 1,
        "courses/id": 1,
        "proxy/courses/id": 1,
        "users/id": 1,
        "proxy/users/id": 1,
        FILTERED_LIST + "user+course": PEOPLE * COURSES,
    },
    ("pairs only", "a course"): {
        FILTERED_LIST + "course": 1,
        "courses/id": 1,
        "proxy/courses/id": 1,
        FILTERED_LIST + "user+course": PEOPLE,
    },
    ("anything", "overview"): {"course-enrollments": 1, FILTERED_LIST + "user": ENROLLED},
    ("anything", "a course"): {"courses/id": 1, "users/id": ENROLLED_IN_THE_COURSE},
    ("small pages", "overview"): {"course-enrollments": 5, "users": 4, FILTERED_LIST + "user": ENROLLED},
}


MAIN_ACCOUNTS = ("with payloads", "by proxy", "pairs only", "anything")
ACCOUNT_QUESTIONS = [
    (account, question)
    for account in ACCOUNTS
    for question in QUESTIONS
    if account in MAIN_ACCOUNTS or question in ("overdue", "both")
]


@pytest.mark.parametrize(("account", "question"), ACCOUNT_QUESTIONS)
async def test_the_answer_equals_that_of_talentlms_whatever_truto_allows(open_truto, open_desk, account, question):
    tool, arguments = QUESTIONS[question]
    async with open_desk(zone=ATHENS) as talentlms_desk:
        expected = await talentlms_desk.ask(tool, **arguments)
    async with open_truto(ACCOUNTS[account]) as desk:
        assert comparable(await desk.client.ask(tool, **arguments)) == comparable(expected)


@pytest.mark.parametrize(("account", "question"), FIRST_QUESTION_CALLS)
async def test_a_first_question_takes_the_fewest_calls(open_truto, account, question):
    tool, arguments = QUESTIONS[question]
    async with open_truto(ACCOUNTS[account]) as desk:
        await desk.client.ask(tool, **arguments)
        assert desk.calls_since_last_check() == DIRECTORY_CALLS | FIRST_QUESTION_CALLS[account, question]


@pytest.mark.parametrize(
    ("account", "calls"),
    [
        ("with payloads", ROSTER_CALLS),
        ("by proxy", {"proxy/courses/id": COURSES}),
        ("pairs only", {FILTERED_LIST + "user+course": PEOPLE * COURSES}),
        ("anything", {"course-enrollments": 1}),
    ],
)
async def test_a_known_account_is_not_explored_again(open_truto, account, calls):
    async with open_truto(ACCOUNTS[account]) as desk:
        await desk.client.summarize()
        desk.calls_since_last_check()
        await desk.client.summarize(fresh=True)
        assert desk.calls_since_last_check() == DIRECTORY_CALLS | calls
        await desk.client.summarize()
        assert desk.calls_since_last_check() == {}


@pytest.mark.parametrize("account", ["with payloads", "by proxy", "anything", "pairs only"])
async def test_failures_are_listed_if_a_read_method_reports_them(open_truto, open_desk, school, account):
    async with open_desk(of=school, zone=ATHENS) as talentlms_desk:
        expected = await talentlms_desk.list(state="failed")
    async with open_truto(ACCOUNTS[account], of=school) as desk:
        assert comparable(await desk.client.list(state="failed")) == comparable(expected)


@pytest.mark.parametrize("account", ["with payloads", "anything", "pairs only"])
async def test_a_person_is_identified_by_id_whatever_truto_allows(open_truto, open_desk, account):
    async with open_desk(zone=ATHENS) as talentlms_desk:
        expected = await talentlms_desk.list(user="8", course="Code of Conduct")
    async with open_truto(ACCOUNTS[account]) as desk:
        assert comparable(await desk.client.list(user="8", course="Code of Conduct")) == comparable(expected)


FAULTS = {
    "an error that passes": [TrutoFault(status=500), TrutoFault(status=502), TrutoFault(status=504)],
    "a limit": [RATE_LIMITED, RATE_LIMITED_WITHOUT_RETRY_AFTER],
    "a cut connection": [CUT_CONNECTION],
    "no message": [EMPTY_MESSAGE],
    "another cursor": [TrutoFault(changes=frozenset({ResponseChange.EMPTY_PAGE_WITH_CURSOR}))],
    "numbers as texts": [TrutoFault(changes=frozenset({ResponseChange.NUMBERS_AS_STRINGS}))] * 9,
}


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("account", ["with payloads", "anything"])
async def test_a_temporary_failure_or_a_changed_form_does_not_change_the_answer(open_truto, account, faults):
    planned_faults = Faults()
    async with open_truto(ACCOUNTS[account]) as desk:
        expected = await desk.client.summarize()
    async with open_truto(ACCOUNTS[account], faults=planned_faults) as desk:
        for fault in FAULTS[faults]:
            planned_faults.add(fault)
        assert await desk.client.summarize() == expected


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (REMOTE_UNAUTHORIZED, "reconnect the account"),
        (FORBIDDEN, "courses.read, users.read"),
        (BLOCKED_ACCOUNT, "blocked"),
        (NOT_JSON, "TRUTO_BASE_URL"),
    ],
)
async def test_a_lasting_failure_is_called_once_and_explained(open_truto, fault, text):
    planned_faults = Faults()
    async with open_truto(WITH_PAYLOADS, faults=planned_faults) as desk:
        planned_faults.add(fault, times=None)
        assert text in await desk.client.refused(SUMMARIZE)
        assert desk.source.calls == 1


async def test_a_partial_list_is_not_reported_as_complete(open_truto):
    planned_faults = Faults()
    async with open_truto(ALL_LISTS, faults=planned_faults) as desk:
        planned_faults.add(TrutoFault(changes=frozenset({ResponseChange.PARTIAL})), endpoint="course-enrollments")
        assert "at least" in (await desk.client.summarize()).splitlines()[0]


@pytest.mark.parametrize("endpoint", ["course-enrollments", "users", "courses"])
async def test_a_list_that_ends_at_a_repeated_cursor_is_not_reported_as_complete(open_truto, endpoint):
    planned_faults = Faults()
    small_pages = replace(ALL_LISTS, max_page_size=5)
    async with open_truto(small_pages, faults=planned_faults) as desk:
        planned_faults.add(
            TrutoFault(changes=frozenset({ResponseChange.REPEATED_CURSOR})), times=None, endpoint=endpoint
        )
        assert "at least" in (await desk.client.summarize()).splitlines()[0]


async def test_unknown_words_and_missing_fields_lose_no_record(open_truto):
    planned_faults = Faults()
    async with open_truto(ALL_LISTS, faults=planned_faults) as desk:
        changes = frozenset({ResponseChange.UNKNOWN_VALUES, ResponseChange.MISSING_FIELDS})
        planned_faults.add(TrutoFault(changes=changes), times=None, endpoint="course-enrollments")
        assert re.search(r"By status: unknown \d+\.", await desk.client.summarize())


async def test_pairs_report_failures_without_another_call(open_truto, school):
    async with open_truto(PAIRS_ONLY, of=school) as desk:
        text = await desk.client.summarize(group_by="status")
    assert "\nfailed,2," in text
    assert "Failed unknown" not in text


async def test_no_secret_of_the_provider_reaches_a_record_a_log_line_or_an_answer(open_truto, school, caplog):
    caplog.set_level(logging.DEBUG)
    texts = []
    async with open_truto(WITH_PAYLOADS, of=school, remote_data=True) as desk:
        for tool, arguments in QUESTIONS.values():
            texts.append(await desk.client.ask(tool, **{**arguments, "format": "json"} if tool == LIST else arguments))
        source = desk.source
        courses = {record.id: record for record in await source.courses()}
        learners = {record.id: record for record in await source.learners()}
        texts += [record.model_dump_json() for record in [*courses.values(), *learners.values()]]
        for scope in (Scope(user_id="8"), Scope(course_id="102"), Scope(user_id="8", course_id="102")):
            reading = await source.enrollments(scope, courses=courses, learners=learners)
            assert reading.records[0].enrollment.remote_data
            texts.append(repr(reading))
        texts += [repr(source), *caplog.messages]
    for text in texts:
        assert not re.search(f"{LOGIN_KEY_MARK}|{SIGNATURE_MARK}|{SAMPLE_TRUTO_TOKEN}|login_key|autologin", text)


async def test_other_tasks_run_while_a_roster_is_mapped(open_truto, organisation, monkeypatch):
    async def turns_during_a_roster():
        turns = 0

        async def count_turns():
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        with anyio.fail_after(WAIT_SECONDS):
            async with open_truto(WITH_PAYLOADS) as desk, anyio.create_task_group() as group:
                await desk.source.enrollments(Scope(course_id="101"), courses={}, learners={})
                group.start_soon(count_turns)
                turns_before = turns
                reading = await desk.source.enrollments(Scope(course_id="101"), courses={}, learners={})
                group.cancel_scope.cancel()
        return turns - turns_before, len(reading.records)

    turns_by_default, record_count = await turns_during_a_roster()
    monkeypatch.setattr("mcp_truto_lms.domain.source.PART_SIZE", 1)
    turns_with_small_parts, _ = await turns_during_a_roster()
    assert turns_with_small_parts - turns_by_default >= record_count - 1 >= 5
