"""No refusal of Truto or of the LMS behind it turns into a false "complete", and what no record tells is announced."""

import re
from dataclasses import replace

import pytest

from mcp_truto_lms.providers.truto.capabilities import DOUBT_SECONDS
from mcp_truto_lms.sandbox.truto_faults import REMOTE_UNAVAILABLE, Faults, ResponseChange, TrutoFault
from mcp_truto_lms.sandbox.truto_options import STRICT
from tests.conftest import LIST, SUMMARIZE
from tests.providers.truto.truto_desk import ALL_LISTS, BY_PROXY, PAIRS_ONLY, WITH_PAYLOADS

pytestmark = pytest.mark.anyio


def remote(status, message):
    return TrutoFault(status=status, remote=True, message=message)


async def ask(desk, tool, **arguments):
    """Return an answer, or the refusal of the question."""
    text, is_error = await desk.client.call(tool, arguments)
    return f"Refused: {text}" if is_error else text


PAIR_REFUSALS = {
    "422": remote(422, "Malformed response"),
    "400": remote(400, "Invalid arguments provided"),
    "404": remote(404, ""),
    "404 in words": remote(404, "Not Found"),
    "409": remote(409, "Conflict"),
    "a person who does not exist": remote(404, "The requested user does not exist"),
}


@pytest.mark.parametrize("refusal", PAIR_REFUSALS.values(), ids=PAIR_REFUSALS)
@pytest.mark.parametrize("original_in", ["raw_response", "details"])
async def test_pairs_that_are_all_refused_are_never_no_enrollments_and_complete(open_truto, refusal, original_in):
    async with open_truto(replace(PAIRS_ONLY, pair_refusal=refusal, original_in=original_in)) as desk:
        for tool, arguments in (
            (SUMMARIZE, {}),
            (SUMMARIZE, {"course": "Code of Conduct"}),
            (LIST, {"state": "overdue"}),
            (LIST, {"user": "Jane Doe", "course": "Code of Conduct"}),
        ):
            text = await ask(desk, tool, **arguments)
            first_line = text.splitlines()[0]
            assert "complete" not in first_line, text
            assert "Nobody is enrolled" not in text
            assert text.startswith("Refused: ") or "at least 0" in first_line or " read, " in first_line, text


NOT_ENROLLED = {
    "404": remote(404, "The requested user is not enrolled in this course"),
    "400": remote(400, "The requested user is not enrolled in this course"),
    "422": remote(422, "The user is not a learner of this course"),
}


@pytest.mark.parametrize("refusal", NOT_ENROLLED.values(), ids=NOT_ENROLLED)
@pytest.mark.parametrize("original_in", ["raw_response", "details"])
async def test_a_pair_that_is_said_not_to_be_enrolled_changes_no_number(open_truto, refusal, original_in):
    async with open_truto(PAIRS_ONLY) as desk:
        expected = await desk.client.summarize()
    options = replace(PAIRS_ONLY, not_enrolled="error", not_enrolled_error=refusal, original_in=original_in)
    async with open_truto(options) as desk:
        assert await desk.client.summarize() == expected


LIMIT_REFUSALS = {
    "422": remote(422, "per_page must not be greater than 100"),
    "bare 422": remote(422, ""),
    "400": remote(400, "page size too large"),
    "Truto's own": TrutoFault(status=400, message="limit must be less than or equal to 100"),
}


@pytest.mark.parametrize("refusal", LIMIT_REFUSALS.values(), ids=LIMIT_REFUSALS)
@pytest.mark.parametrize("largest", [100, 0])
@pytest.mark.parametrize("account", [ALL_LISTS, WITH_PAYLOADS], ids=["anything", "with payloads"])
async def test_a_refused_page_size_changes_no_answer_and_shuts_no_route(open_truto, account, largest, refusal):
    async with open_truto(account) as desk:
        expected = await desk.client.summarize()
        routes = set(desk.source.capabilities.calls_by_route)
    options = replace(account, largest_limit=largest, limit_refusal=refusal, conditionally_required=True)
    async with open_truto(options) as desk:
        assert await desk.client.summarize() == expected
        assert set(desk.source.capabilities.calls_by_route) == routes


PASSING = {str(status): TrutoFault(status=status) for status in (408, 425, 520, 522, 524, 527, 530)}
PASSING["503 of the LMS"] = REMOTE_UNAVAILABLE


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_a_failure_that_passes_after_three_tries_changes_no_answer(open_truto, fault):
    planned_faults = Faults()
    async with open_truto(WITH_PAYLOADS) as desk:
        expected = await desk.client.summarize()
    async with open_truto(WITH_PAYLOADS, faults=planned_faults) as desk:
        for endpoint in ("courses", "users", "courses/id"):
            planned_faults.add(fault, times=3, endpoint=endpoint)
        assert await desk.client.summarize() == expected


async def test_conditionally_required_parameters_shut_no_route(open_truto):
    planned_faults = Faults()
    async with open_truto(ALL_LISTS) as desk:
        expected = await desk.client.summarize()
    options = replace(ALL_LISTS, conditionally_required=True)
    async with open_truto(options, faults=planned_faults) as desk:
        planned_faults.add(remote(429, "Too many requests"), endpoint="course-enrollments")
        assert await desk.client.summarize() == expected
        assert desk.calls_since_last_check()["course-enrollments"] == 2


async def test_a_list_that_is_refused_for_a_while_is_read_again_after_minutes(open_truto):
    planned_faults = Faults()
    planned_faults.add(remote(400, "Malformed response"), times=3, endpoint="course-enrollments")
    async with open_truto(replace(ALL_LISTS, remote_data=False), faults=planned_faults) as desk:
        await desk.client.summarize()
        assert "course-enrollments+course" in desk.calls_since_last_check()
        desk.time.seconds += DOUBT_SECONDS
        await desk.client.summarize(fresh=True)
        assert desk.calls_since_last_check()["course-enrollments"] == 1


WRONG_RECORDS = {
    "with payloads": (WITH_PAYLOADS, {"courses:101": "102"}),
    "by proxy": (BY_PROXY, {"courses:101": "102"}),
    "pairs only": (PAIRS_ONLY, {"courses:101": "102"}),
    "people by pairs": (PAIRS_ONLY, {"users:8": "9"}),
}


@pytest.mark.parametrize("wrong", WRONG_RECORDS)
async def test_a_record_answered_in_place_of_another_leaves_its_scope_unread(open_truto, wrong):
    account, wrong_records = WRONG_RECORDS[wrong]
    async with open_truto(replace(account, wrong_records=wrong_records)) as desk:
        first_line = (await desk.client.summarize()).splitlines()[0]
        assert "at least" in first_line
        assert "complete" not in first_line
        assert re.search(r"\d+ of \d+ \w+ read", first_line)


async def test_a_transcript_answered_in_place_of_another_is_an_error(open_truto):
    async with open_truto(replace(STRICT, rate_limits=False, wrong_records={"users:8": "9"})) as desk:
        text = await ask(desk, LIST, user="8")
        assert "complete" not in text.splitlines()[0]
        assert "another record" in text


NEITHER = "This account's records report neither instructors nor when access ends."
NO_END = "This account's records do not report when access ends."
ACCOUNTS_AND_NOTES = {
    "with payloads": (WITH_PAYLOADS, ""),
    "by proxy": (BY_PROXY, ""),
    "pairs with payloads": (replace(PAIRS_ONLY, remote_data=True), ""),
    "pairs only": (PAIRS_ONLY, NO_END),
    "pairs without roles": (replace(PAIRS_ONLY, roles=False), NEITHER),
    "a list without roles": (replace(ALL_LISTS, remote_data=False, proxy=False, roles=False), NEITHER),
}


@pytest.mark.parametrize("account", ACCOUNTS_AND_NOTES)
async def test_what_the_records_of_an_account_cannot_tell_is_announced(open_truto, account):
    options, note = ACCOUNTS_AND_NOTES[account]
    async with open_truto(options) as desk:
        for _ in range(2):
            for text in (
                await desk.client.summarize(),
                await desk.client.list(state="overdue"),
                await desk.client.list(user="Jane Doe", format="json"),
            ):
                assert note in text
                assert text.count("This account's records") == bool(note)


def changed(change, endpoint):
    faults = Faults()
    faults.add(TrutoFault(changes=frozenset({change})), times=None, endpoint=endpoint)
    return faults


async def test_a_row_without_an_id_is_a_number_on_the_first_line(open_truto):
    faults = changed(ResponseChange.MISSING_IDS, "course-enrollments")
    async with open_truto(ALL_LISTS, faults=faults) as desk:
        first_line = (await desk.client.summarize()).splitlines()[0]
        assert "without a usable id" in first_line
        assert "complete" not in first_line
    async with open_truto(PAIRS_ONLY, faults=faults) as desk:
        first_line = (await desk.client.list(user="Jane Doe", course="Code of Conduct")).splitlines()[0]
        assert "1 row without a usable id" in first_line
        assert "complete" not in first_line


@pytest.mark.parametrize(("endpoint", "words"), [("courses", "1 course not listed"), ("users", "1 person not listed")])
async def test_a_course_or_a_person_without_an_id_is_a_number_on_the_first_line(open_truto, endpoint, words):
    async with open_truto(WITH_PAYLOADS, faults=changed(ResponseChange.MISSING_IDS, endpoint)) as desk:
        first_line = (await desk.client.summarize()).splitlines()[0]
    assert words in first_line
    assert "complete" not in first_line


@pytest.mark.parametrize("account", [ALL_LISTS, PAIRS_ONLY], ids=["a list", "pairs"])
async def test_rows_that_come_twice_count_once(open_truto, account):
    async with open_truto(account) as desk:
        expected = await desk.client.summarize()
    async with open_truto(account, faults=changed(ResponseChange.REPEATED_RECORDS, "course-enrollments")) as desk:
        assert await desk.client.summarize() == expected
