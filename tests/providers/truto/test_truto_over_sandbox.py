"""The same questions over TalentLMS itself and over Truto, however little Truto allows: the same answers."""

import logging
import re
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import anyio
import anyio.lowlevel
import httpx
import pytest
from mcp import Client

from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.providers.truto.source import TrutoSource
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.payloads import LOGIN_KEY_MARK, SIGNATURE_MARK
from mcp_truto_lms.sandbox.records import CourseRole, Outcome
from mcp_truto_lms.sandbox.truto import (
    SAMPLE_ACCOUNT_ID,
    SAMPLE_TRUTO_TOKEN,
    SAMPLE_TRUTO_URL,
    TrutoSandbox,
    truto_app,
)
from mcp_truto_lms.sandbox.truto_faults import (
    BLOCKED_ACCOUNT,
    CUT_CONNECTION,
    EMPTY_MESSAGE,
    FORBIDDEN,
    NOT_JSON,
    RATE_LIMITED,
    RATE_LIMITED_UNTOLD,
    REMOTE_UNAUTHORIZED,
    Faults,
    TrutoFault,
    Twist,
)
from mcp_truto_lms.sandbox.truto_options import PERMISSIVE, STRICT
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, Desk, no_sleep
from tests.providers.truto.scripted_truto import FakeTime
from tests.truth import NOON

pytestmark = pytest.mark.anyio

ATHENS = ZoneInfo("Europe/Athens")
UNLIMITED = {"rate_limits": False}
WITH_PAYLOADS = replace(STRICT, **UNLIMITED)
BY_PROXY = replace(STRICT, remote_data=False, **UNLIMITED)
PAIRS_ONLY = replace(STRICT, remote_data=False, proxy=False, **UNLIMITED)
ANYTHING = replace(PERMISSIVE, **UNLIMITED)
ACCOUNTS = {
    "with payloads": WITH_PAYLOADS,
    "by proxy": BY_PROXY,
    "pairs only": PAIRS_ONLY,
    "anything": ANYTHING,
    "ids only": replace(ANYTHING, names=False),
    "small pages": replace(ANYTHING, max_page_size=5),
    "not enrolled is an error": replace(PAIRS_ONLY, not_enrolled="error"),
}


@dataclass
class TrutoDesk:
    """A client of the server over an account of Truto."""

    client: Desk
    truto: TrutoSandbox
    source: TrutoSource

    def asked(self):
        """Count the calls of each kind since this was asked last; a list by what narrows it."""
        kinds = Counter(
            "+".join([one.endpoint, *(name for name in ("user", "course") if f"{name}[id]" in one.arguments)])
            for one in self.truto.log
        )
        self.truto.log.clear()
        return dict(kinds)


@pytest.fixture(scope="session")
def organisation():
    """Give a small organisation in which nobody failed and nobody teaches: what no way tells differently."""
    found = generate(learners=12, courses=4, today=TODAY)
    told = [
        replace(one, outcome=Outcome.INCOMPLETE) if one.outcome is Outcome.FAILED else one
        for one in found.enrollments
        if one.role is CourseRole.LEARNER
    ]
    return replace(found, enrollments=tuple(told))


@pytest.fixture(scope="session")
def school():
    """Give a small organisation as it is: some failed, and instructors are in their courses."""
    return generate(learners=12, courses=4, today=TODAY)


@pytest.fixture
def open_truto(organisation):
    @asynccontextmanager
    async def opened(options, *, of=organisation, remote_data=False, faults=None, **settings):
        time = FakeTime()
        truto = truto_app(of, options=options, faults=faults, now=lambda: NOON, sleep=no_sleep)
        chosen = Settings(**{"source": "talentlms", "today": TODAY, "zone": ATHENS, **settings})
        source = TrutoSource.connect(
            SAMPLE_TRUTO_URL,
            SAMPLE_TRUTO_TOKEN,
            SAMPLE_ACCOUNT_ID,
            transport=httpx.ASGITransport(app=truto),
            clock=time.clock,
            sleep=time.sleep,
            now=time.now,
            zone=ATHENS,
            remote_data=remote_data,
        )
        async with AppContext(chosen, source=lambda _: source) as connection:
            server = create_server(connection)
            async with Client(server, raise_exceptions=True) as client:
                yield TrutoDesk(Desk(client, await connection.account(), truto.portal), truto, source)

    return opened


def comparable(text):
    """Leave out what a way may say of itself: the age, and what it cannot tell."""
    text = re.sub(r"As of [^,]+, ", "", text)
    text = re.sub(r"Excluded: [^.]+\. ?", "", text)
    return re.sub(r"Failed unknown for [^.]+\. ?", "", text)


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
CATALOGUE = {"courses": 1, "users": 1}
ROSTERS = {"courses/id": COURSES}
NARROWED = "course-enrollments+"
CALLS = {
    ("with payloads", "overview"): {"course-enrollments": 1, "courses/id": COURSES},
    ("with payloads", "a learner"): {"users/id": 1},
    ("with payloads", "a course"): {"courses/id": 1},
    ("with payloads", "both"): {"users/id": 1},
    ("by proxy", "overview"): {"course-enrollments": 1, "courses/id": 1, "proxy/courses/id": COURSES},
    ("by proxy", "a learner"): {NARROWED + "user": 1, "users/id": 1, "proxy/users/id": 1},
    ("by proxy", "a course"): {NARROWED + "course": 1, "courses/id": 1, "proxy/courses/id": 1},
    ("pairs only", "overview"): {
        "course-enrollments": 1,
        "courses/id": 1,
        "proxy/courses/id": 1,
        "users/id": 1,
        "proxy/users/id": 1,
        NARROWED + "user+course": PEOPLE * COURSES,
    },
    ("pairs only", "a course"): {
        NARROWED + "course": 1,
        "courses/id": 1,
        "proxy/courses/id": 1,
        NARROWED + "user+course": PEOPLE,
    },
    ("anything", "overview"): {"course-enrollments": 1},
    ("anything", "a course"): {"courses/id": 1},
    ("small pages", "overview"): {"course-enrollments": 5, "users": 4},
}


MAIN = ("with payloads", "by proxy", "pairs only", "anything")
ASKED = [(account, one) for account in ACCOUNTS for one in QUESTIONS if account in MAIN or one in ("overdue", "both")]


@pytest.mark.parametrize(("account", "question"), ASKED)
async def test_the_answer_is_that_of_talentlms_whatever_truto_allows(open_truto, open_desk, account, question):
    tool, arguments = QUESTIONS[question]
    async with open_desk(zone=ATHENS) as desk:
        expected = await desk.ask(tool, **arguments)
    async with open_truto(ACCOUNTS[account]) as over:
        assert comparable(await over.client.ask(tool, **arguments)) == comparable(expected)


@pytest.mark.parametrize(("account", "question"), CALLS)
async def test_a_first_question_takes_the_fewest_calls_that_find_out_and_read(open_truto, account, question):
    tool, arguments = QUESTIONS[question]
    async with open_truto(ACCOUNTS[account]) as over:
        await over.client.ask(tool, **arguments)
        assert over.asked() == CATALOGUE | CALLS[account, question]


@pytest.mark.parametrize(
    ("account", "calls"),
    [
        ("with payloads", ROSTERS),
        ("by proxy", {"proxy/courses/id": COURSES}),
        ("pairs only", {NARROWED + "user+course": PEOPLE * COURSES}),
        ("anything", {"course-enrollments": 1}),
    ],
)
async def test_once_an_account_is_known_nothing_is_found_out_again(open_truto, account, calls):
    async with open_truto(ACCOUNTS[account]) as over:
        await over.client.summarize()
        over.asked()
        await over.client.summarize(fresh=True)
        assert over.asked() == CATALOGUE | calls
        await over.client.summarize()
        assert over.asked() == {}


@pytest.mark.parametrize("account", ["with payloads", "by proxy", "anything", "pairs only"])
async def test_failures_are_found_where_a_way_tells_them(open_truto, open_desk, school, account):
    async with open_desk(of=school, zone=ATHENS) as desk:
        expected = await desk.list(state="failed")
    async with open_truto(ACCOUNTS[account], of=school) as over:
        assert comparable(await over.client.list(state="failed")) == comparable(expected)


@pytest.mark.parametrize("account", ["with payloads", "anything", "pairs only"])
async def test_somebody_named_by_id_is_found_whatever_truto_allows(open_truto, open_desk, account):
    async with open_desk(zone=ATHENS) as desk:
        expected = await desk.list(user="8", course="Code of Conduct")
    async with open_truto(ACCOUNTS[account]) as over:
        assert comparable(await over.client.list(user="8", course="Code of Conduct")) == comparable(expected)


FAULTS = {
    "an error that passes": [TrutoFault(status=500), TrutoFault(status=502), TrutoFault(status=504)],
    "a limit": [RATE_LIMITED, RATE_LIMITED_UNTOLD],
    "a cut connection": [CUT_CONNECTION],
    "no message": [EMPTY_MESSAGE],
    "another cursor": [TrutoFault(twists=frozenset({Twist.EMPTY_PAGE_WITH_CURSOR}))],
    "numbers as texts": [TrutoFault(twists=frozenset({Twist.NUMBERS_AS_STRINGS}))] * 9,
}


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("account", ["with payloads", "anything"])
async def test_what_passes_or_bends_does_not_change_the_answer(open_truto, account, faults):
    planned = Faults()
    async with open_truto(ACCOUNTS[account]) as over:
        expected = await over.client.summarize()
    async with open_truto(ACCOUNTS[account], faults=planned) as over:
        for fault in FAULTS[faults]:
            planned.add(fault)
        assert await over.client.summarize() == expected


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (REMOTE_UNAUTHORIZED, "reconnect the account"),
        (FORBIDDEN, "courses.read, users.read"),
        (BLOCKED_ACCOUNT, "blocked"),
        (NOT_JSON, "TRUTO_BASE_URL"),
    ],
)
async def test_what_does_not_pass_is_asked_once_and_explained(open_truto, fault, says):
    planned = Faults()
    async with open_truto(WITH_PAYLOADS, faults=planned) as over:
        planned.add(fault, times=None)
        assert says in await over.client.refused(SUMMARIZE)
        assert over.source.calls == 1


async def test_a_part_is_not_told_as_the_whole(open_truto):
    planned = Faults()
    async with open_truto(ANYTHING, faults=planned) as over:
        planned.add(TrutoFault(twists=frozenset({Twist.PARTIAL})), endpoint="course-enrollments")
        assert "at least" in (await over.client.summarize()).splitlines()[0]


@pytest.mark.parametrize("endpoint", ["course-enrollments", "users", "courses"])
async def test_a_list_that_breaks_off_at_a_repeated_cursor_is_not_told_as_the_whole(open_truto, endpoint):
    planned = Faults()
    small = replace(ANYTHING, max_page_size=5)
    async with open_truto(small, faults=planned) as over:
        planned.add(TrutoFault(twists=frozenset({Twist.REPEATED_CURSOR})), times=None, endpoint=endpoint)
        assert "at least" in (await over.client.summarize()).splitlines()[0]


async def test_unknown_words_and_missing_fields_cost_no_record(open_truto):
    planned = Faults()
    async with open_truto(ANYTHING, faults=planned) as over:
        twists = frozenset({Twist.UNKNOWN_VALUES, Twist.MISSING_FIELDS})
        planned.add(TrutoFault(twists=twists), times=None, endpoint="course-enrollments")
        assert re.search(r"By status: unknown \d+\.", await over.client.summarize())


async def test_pairs_tell_failures_without_asking_again(open_truto, school):
    async with open_truto(PAIRS_ONLY, of=school) as over:
        text = await over.client.summarize(group_by="status")
    assert "\nfailed,2," in text
    assert "Failed unknown" not in text


async def test_no_secret_of_the_provider_reaches_a_record_a_log_line_or_an_answer(open_truto, school, caplog):
    caplog.set_level(logging.DEBUG)
    said = []
    async with open_truto(WITH_PAYLOADS, of=school, remote_data=True) as over:
        for tool, arguments in QUESTIONS.values():
            said.append(await over.client.ask(tool, **{**arguments, "format": "json"} if tool == LIST else arguments))
        source = over.source
        courses = {one.id: one for one in await source.courses()}
        learners = {one.id: one for one in await source.learners()}
        said += [one.model_dump_json() for one in [*courses.values(), *learners.values()]]
        for scope in (Scope(user_id="8"), Scope(course_id="102"), Scope(user_id="8", course_id="102")):
            reading = await source.enrollments(scope, courses=courses, learners=learners)
            assert reading.records[0].enrollment.remote_data
            said.append(repr(reading))
        said += [repr(source), *caplog.messages]
    for text in said:
        assert not re.search(f"{LOGIN_KEY_MARK}|{SIGNATURE_MARK}|{SAMPLE_TRUTO_TOKEN}|login_key|autologin", text)


async def test_others_have_their_turn_while_a_roster_is_mapped(open_truto, organisation, monkeypatch):
    async def turns_meanwhile():
        turns = 0

        async def others():
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        async with open_truto(WITH_PAYLOADS) as desk, anyio.create_task_group() as group:
            await desk.source.enrollments(Scope(course_id="101"), courses={}, learners={})
            group.start_soon(others)
            before = turns
            reading = await desk.source.enrollments(Scope(course_id="101"), courses={}, learners={})
            group.cancel_scope.cancel()
        return turns - before, len(reading.records)

    fewer, number = await turns_meanwhile()
    monkeypatch.setattr("mcp_truto_lms.domain.source.PART_SIZE", 1)
    more, _ = await turns_meanwhile()
    assert more - fewer >= number - 1 >= 5
