"""What the emulated API answers, endpoint by endpoint, against the organisation behind it."""

import html
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, sample_app
from mcp_truto_lms.sandbox.records import CourseRole, Organisation, Outcome, SampleEnrollment
from mcp_truto_lms.sandbox.variations import Variations

pytestmark = pytest.mark.anyio
ClientOf = Callable[..., httpx.AsyncClient]


@pytest.fixture
def ask(organisation: Organisation, client_of: ClientOf):
    async def get(path: str, variations: Variations | None = None) -> Any:
        async with client_of(sample_app(organisation, variations=variations)) as client:
            response = await client.get(path)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("application/json")
        return response.json()

    return get


def first(organisation: Organisation, outcome: Outcome, **fields: Any) -> SampleEnrollment:
    return next(
        one
        for one in organisation.enrollments
        if one.outcome is outcome
        and one.role is CourseRole.LEARNER
        and all(getattr(one, name) == value for name, value in fields.items())
    )


def row(items: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return next(item for item in items if item["id"] == key)


async def test_users_are_paged_from_one_until_a_short_page(organisation: Organisation, ask):
    pages = [await ask(f"users/page_size:100,page_number:{number}") for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [100, 100, len(organisation.people) - 200, 0]
    assert [user["id"] for page in pages for user in page] == [one.id for one in organisation.people]


async def test_users_without_arguments_are_the_first_page_of_the_default_size(ask):
    assert len(await ask("users")) == 20


async def test_a_page_is_never_larger_than_the_largest(ask):
    assert len(await ask("users/page_size:100", Variations(max_page_size=50))) == 50


async def test_ignored_paging_gives_everybody_on_every_page(organisation: Organisation, ask):
    variations = Variations(paging_ignored=True)
    one, two = (
        await ask("users/page_size:10,page_number:1", variations),
        await ask("users/page_size:10,page_number:2", variations),
    )
    assert one == two
    assert len(one) == len(organisation.people)


async def test_a_user_is_printed_with_the_vendors_fields_and_a_login_key(organisation: Organisation, ask):
    user = (await ask("users"))[0]
    assert list(user)[:6] == ["id", "login", "first_name", "last_name", "email", "restrict_email"]
    assert user["login_key"].startswith("https://northgate.talentlms.example/index/autologin/key:fakelogin")
    assert user["timezone"] == "(GMT +02:00) Athens, Istanbul, Minsk"
    assert user["custom_field_1"] == organisation.people[0].custom_fields[0]
    assert "created_on_timestamp" not in user
    assert "courses" not in user


async def test_names_are_escaped_for_html(organisation: Organisation, ask):
    users = await ask("users/page_size:1000,page_number:1")
    assert "O&#039;Brien" in [user["last_name"] for user in users]
    assert [html.unescape(user["last_name"]) for user in users] == [one.last_name for one in organisation.people]


async def test_inactive_people_have_a_deactivation_date(organisation: Organisation, ask):
    users = await ask("users/page_size:1000,page_number:1")
    assert [user["status"] == "active" for user in users] == [one.active for one in organisation.people]
    assert all(bool(user["deactivation_date"]) == (user["status"] == "inactive") for user in users)


async def test_a_person_is_found_by_id_email_and_username(organisation: Organisation, ask):
    jane = next(one for one in organisation.people if one.last_name == "Doe")
    by_id = await ask(f"users/id:{jane.id}")
    assert await ask(f"users/email:{jane.email.upper()}") == by_id
    assert await ask(f"users/email:{jane.email.replace('@', '%40')}") == by_id
    assert await ask(f"Users/username:{jane.login}/") == by_id


async def test_a_transcript_has_machine_codes_and_timestamps(organisation: Organisation, ask):
    for outcome in Outcome:
        one = first(organisation, outcome)
        item = row((await ask(f"users/id:{one.user_id}"))["courses"], one.course_id)
        assert item["completion_status"] == outcome.value
        assert item["completion_percentage"] == str(one.percent)
        assert item["enrolled_on_timestamp"] == str(one.enrolled_on)
        assert item["completed_on_timestamp"] == ("" if one.completed_on is None else str(one.completed_on))
        assert item["expired_on_timestamp"] == ("" if one.expired_on is None else str(one.expired_on))
        assert item["total_time_seconds"] == one.seconds_spent
        assert item["last_accessed_unit_url"].endswith(f"course_id:{one.course_id},user_id:{one.user_id}")


async def test_a_person_without_courses_has_an_empty_transcript(organisation: Organisation, ask):
    enrolled = {one.user_id for one in organisation.enrollments}
    person = next(one for one in organisation.people if one.id not in enrolled)
    assert (await ask(f"users/id:{person.id}"))["courses"] == []


async def test_branches_and_groups_of_a_person_are_named(organisation: Organisation, ask):
    person = next(one for one in organisation.people if one.branch_ids and one.group_ids)
    user = await ask(f"users/id:{person.id}")
    assert tuple(branch["id"] for branch in user["branches"]) == person.branch_ids
    assert tuple(group["id"] for group in user["groups"]) == person.group_ids


async def test_certificates_have_signed_addresses(organisation: Organisation, ask):
    certified = {course.id for course in organisation.courses if course.certificate}
    one = next(
        one for one in organisation.enrollments if one.outcome is Outcome.COMPLETED and one.course_id in certified
    )
    certificate = (await ask(f"users/id:{one.user_id}"))["certifications"][0]
    assert "Signature=fakesignature" in certificate["download_url"]
    assert certificate["issued_date_timestamp"] == one.completed_on


async def test_courses_are_listed_without_rosters(organisation: Organisation, ask):
    courses = await ask("courses")
    assert [html.unescape(course["name"]) for course in courses] == [one.name for one in organisation.courses]
    assert row(courses, "103")["name"] == "GDPR &amp; Data Protection"
    assert [course["status"] for course in courses] == [one.status for one in organisation.courses]
    assert row(courses, "101")["time_limit"] == "30"
    assert row(courses, "105")["expiration_datetime"] == str(organisation.courses[4].expires_on)
    assert row(courses, "101")["expiration_datetime"] is None
    assert all("users" not in course and "creation_date_timestamp" not in course for course in courses)


async def test_a_roster_has_short_names_and_no_status_or_email(organisation: Organisation, ask):
    people = {one.id: one for one in organisation.people}
    course = await ask("courses/id:101")
    truth = [one for one in organisation.enrollments if one.course_id == "101"]
    assert [item["id"] for item in course["users"]] == [one.user_id for one in truth]
    for item, one in zip(course["users"], truth, strict=True):
        person = people[item["id"]]
        assert html.unescape(item["name"]) == f"{person.first_name[:1]}. {person.last_name}".strip()
        assert item["role"] == one.role
        assert not {"completion_status", "completion_status_formatted", "email"} & set(item)
    assert [unit["type"] for unit in course["units"]][-1] == "Test"


async def test_a_roster_includes_the_creator_and_inactive_people(organisation: Organisation, ask):
    course = await ask("courses/id:101")
    assert row(course["users"], course["creator_id"])["role"] == "instructor"
    inactive = {one.id for one in organisation.people if not one.active}
    assert inactive & {item["id"] for item in course["users"]}


async def test_short_names_are_escaped_too(ask):
    names = [item["name"] for item in (await ask("courses/id:101"))["users"]]
    assert "S. O&#039;Brien" in names
    assert "&lt;. Tables" in names


async def test_a_course_nobody_is_in_has_an_empty_roster(ask):
    assert (await ask("courses/id:118"))["users"] == []


async def test_a_pair_has_the_display_word_and_unit_scores_but_no_ids(organisation: Organisation, ask):
    one = first(organisation, Outcome.COMPLETED)
    pair = await ask(f"getuserstatusincourse/course_id:{one.course_id},user_id:{one.user_id}")
    assert not {"id", "name", "user_id", "course_id"} & set(pair)
    assert pair["completion_status"] == "Completed"
    assert pair["completed_on_timestamp"] == str(one.completed_on)
    assert [unit["score"] for unit in pair["units"]] == ["", "", "", str(one.score)]


async def test_a_failed_test_says_so_in_the_unit(organisation: Organisation, ask):
    one = first(organisation, Outcome.FAILED)
    pair = await ask(f"GetUserStatusInCourse/user_id:{one.user_id},course_id:{one.course_id}")
    assert pair["completion_status"] == "Failed"
    assert pair["units"][-1]["completion_status"] == "Failed"
    assert pair["units"][-1]["score"] == str(one.score)


@pytest.mark.parametrize(
    ("language", "word"), [("English", "In Progress"), ("Greek", "Σε εξέλιξη"), ("German", "In Bearbeitung")]
)
async def test_display_words_follow_the_language_and_codes_do_not(
    organisation: Organisation, ask, language: str, word: str
):
    one = first(organisation, Outcome.INCOMPLETE)
    variations = Variations(language=language)
    item = row((await ask(f"users/id:{one.user_id}", variations))["courses"], one.course_id)
    assert (item["completion_status"], item["completion_status_formatted"]) == ("incomplete", word)
    pair = await ask(f"getuserstatusincourse/course_id:{one.course_id},user_id:{one.user_id}", variations)
    assert pair["completion_status"] == word


async def test_empty_values_can_be_null(organisation: Organisation, ask):
    one = first(organisation, Outcome.INCOMPLETE, expired_on=None)
    variations = Variations(null_instead_of_empty=True)
    item = row((await ask(f"users/id:{one.user_id}", variations))["courses"], one.course_id)
    assert item["completed_on"] is item["completed_on_timestamp"] is item["expired_on"] is None
    assert row(await ask("courses", variations), "106")["code"] is None


async def test_numbers_can_be_numbers(ask):
    course = await ask("courses/id:101", Variations(numbers_as_numbers=True))
    assert course["id"] == 101
    assert isinstance(course["users"][1]["completion_percentage"], int)
    assert isinstance(course["users"][1]["enrolled_on_timestamp"], int)


async def test_seconds_can_be_missing(ask):
    item = (await ask("courses/id:101", Variations(without_total_time_seconds=True)))["users"][1]
    assert "total_time_seconds" not in item
    assert item["total_time"]


async def test_a_percentage_can_be_missing_where_nothing_was_attempted(organisation: Organisation, ask):
    one = first(organisation, Outcome.NOT_ATTEMPTED)
    course = await ask(f"courses/id:{one.course_id}", Variations(percent_missing=True))
    assert row(course["users"], one.user_id)["completion_percentage"] == ""


async def test_a_failed_course_can_have_a_completion_date(organisation: Organisation, ask):
    one = first(organisation, Outcome.FAILED)
    plain = await ask(f"courses/id:{one.course_id}")
    assert row(plain["users"], one.user_id)["completed_on_timestamp"] == ""
    dated = await ask(f"courses/id:{one.course_id}", Variations(failed_sets_completed_on=True))
    assert row(dated["users"], one.user_id)["completed_on_timestamp"] == str(one.failed_on)


async def test_lists_can_be_objects_and_stay_lists_where_empty(ask):
    variations = Variations(lists_as_objects=True)
    plain, listed = await ask("courses"), await ask("courses", variations)
    assert isinstance(listed, dict)
    assert list(listed.values()) == plain
    assert isinstance((await ask("courses/id:101", variations))["users"], dict)
    assert (await ask("courses/id:118", variations))["users"] == []


async def test_siteinfo_tells_the_date_format_and_the_zone(organisation: Organisation, ask):
    info = await ask("siteinfo/", Variations(date_format="MMDDYYYY"))
    assert info["date_format"] == "MMDDYYYY"
    assert info["timezone"] == organisation.portal.zone_label
    assert info["total_users"] == str(len(organisation.people))
    assert "timezone" not in await ask("siteinfo", Variations(zone_in_siteinfo=False))


async def test_branches_and_groups_list_their_people_and_courses(organisation: Organisation, ask):
    for kind, field in (("branches", "branch_ids"), ("groups", "group_ids")):
        places = await ask(kind)
        place = await ask(f"{kind}/id:{places[-1]['id']}")
        members = [one.id for one in organisation.people if places[-1]["id"] in getattr(one, field)]
        assert [user["id"] for user in place["users"]] == members
        assert place["courses"]
        assert "users" not in places[0]
    assert "R&amp;D Campus" in [one["name"] for one in await ask("branches")]


async def test_categories_and_registration_fields_are_listed(ask):
    assert "Health &amp; Safety" in [one["name"] for one in await ask("categories")]
    fields = await ask("getcustomregistrationfields")
    assert [(one["key"], one["name"]) for one in fields][:2] == [
        ("custom_field_1", "Job title"),
        ("custom_field_2", "Site"),
    ]
    assert fields[1]["type"] == "dropdown"


async def test_every_printed_date_and_its_timestamp_are_the_same_moment(organisation: Organisation, ask):
    person = organisation.people[10]
    user = await ask(f"users/id:{person.id}", Variations(date_format="YYYYMMDD"))
    for item in user["courses"]:
        printed = datetime.strptime(item["enrolled_on"], "%Y/%m/%d, %H:%M:%S").replace(tzinfo=UTC)
        ahead = printed.timestamp() - int(item["enrolled_on_timestamp"])
        assert ahead in (7_200, 10_800)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("users/id:999999", 404, "The requested user does not exist"),
        ("users/email:nobody@nowhere.example", 404, "The requested user does not exist"),
        ("courses/id:1", 404, "The requested course does not exist"),
        ("branches/id:99", 404, "The requested branch does not exist"),
        ("groups/id:99", 404, "The requested group does not exist"),
        ("getuserstatusincourse/course_id:118,user_id:10", 404, "The requested user is not enrolled in this course"),
        ("getuserstatusincourse/course_id:101", 400, "Invalid arguments provided"),
        ("users/page_size:many", 400, "Invalid arguments provided"),
        ("users/page_size:0", 400, "Invalid arguments provided"),
        ("removeuserfromcourse/user_id:1,course_id:101", 404, "The requested API action does not exist"),
        ("courses/id:101/extra", 404, "The requested API action does not exist"),
        ("users/7", 404, "The requested API action does not exist"),
        ("", 404, "The requested API action does not exist"),
    ],
)
@pytest.mark.parametrize("with_200", [False, True])
async def test_errors_have_the_vendors_messages(
    organisation: Organisation, client_of: ClientOf, path: str, status: int, message: str, *, with_200: bool
):
    async with client_of(sample_app(organisation, variations=Variations(errors_with_200=with_200))) as client:
        response = await client.get(path)
    assert response.status_code == (200 if with_200 else status)
    assert response.json() == {"error": {"type": "invalid_request_error", "message": message}}


async def test_what_would_change_the_portal_is_refused_and_recorded(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    async with client_of(app) as client:
        await client.get("usersetstatus/user_id:7,status:inactive")
        await client.post("users", content=b"{}")
        await client.get("courses")
    assert [(one.method, one.endpoint) for one in app.log.refused()] == [("GET", "usersetstatus"), ("POST", "users")]
    assert len(app.log) == 3


async def test_the_log_has_endpoints_and_arguments_but_no_credentials(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    async with client_of(app) as client:
        await client.get("Courses/id:101")
        await client.get("users/email:a%2Cb%3Ac%40x.example")
        await client.get("courses%2Fodd/id%3A7")
    assert [(one.endpoint, one.arguments) for one in app.log] == [
        ("courses/id", {"id": "101"}),
        ("users/email", {"email": "a,b:c@x.example"}),
        ("courses/odd", {"id": "7"}),
    ]
    assert SAMPLE_API_KEY not in repr(list(app.log))
    assert app.log.counts()["courses/id"] == 1
    app.log.clear()
    assert not len(app.log)


@pytest.mark.parametrize(("key", "password"), [("x" * 30, ""), ("", ""), (SAMPLE_API_KEY, "password")])
async def test_a_wrong_key_is_a_401_in_plain_text(
    organisation: Organisation, client_of: ClientOf, key: str, password: str
):
    async with client_of(sample_app(organisation), key=key, password=password) as client:
        response = await client.get("courses")
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("text/plain")
    assert response.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("header", [None, "Bearer abc", "Basic !!!", "Basic /w==", "Basic c2FtcGxl"])
async def test_no_or_unreadable_credentials_are_a_401(organisation: Organisation, header: str | None):
    transport = httpx.ASGITransport(app=sample_app(organisation))
    headers = {} if header is None else {"authorization": header}
    async with httpx.AsyncClient(transport=transport, base_url="http://x/api/v1", headers=headers) as client:
        assert (await client.get("courses")).status_code == 401


async def test_outside_of_the_api_there_is_only_a_page(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    async with client_of(app) as client:
        response = await client.get("http://sample.talentlms.example/index")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert not len(app.log)


async def test_a_server_that_does_not_pass_the_raw_path_is_understood(organisation: Organisation):
    sent = await call(organisation, {"type": "http", "method": "GET", "path": "/api/v1/courses", "headers": []})
    assert sent[0]["status"] == 401


async def test_start_up_and_shut_down_are_acknowledged(organisation: Organisation):
    sent = await call(organisation, {"type": "lifespan"})
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_other_protocols_are_refused(organisation: Organisation):
    with pytest.raises(ValueError, match="websocket"):
        await call(organisation, {"type": "websocket"})


async def call(organisation: Organisation, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    await sample_app(organisation)(scope, receive, send)
    return sent
