"""The responses of the TalentLMS sandbox, endpoint by endpoint, compared with its organisation."""

import html
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from mcp_truto_lms.sandbox.portal import sample_app
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


def first_enrollment(organisation: Organisation, outcome: Outcome, **fields: Any) -> SampleEnrollment:
    return next(
        enrollment
        for enrollment in organisation.enrollments
        if enrollment.outcome is outcome
        and enrollment.role is CourseRole.LEARNER
        and all(getattr(enrollment, name) == value for name, value in fields.items())
    )


def row_by_id(items: list[dict[str, Any]], record_id: str) -> dict[str, Any]:
    return next(item for item in items if item["id"] == record_id)


async def test_users_are_paged_until_a_short_page(organisation: Organisation, ask):
    pages = [await ask(f"users/page_size:100,page_number:{number}") for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [100, 100, len(organisation.people) - 200, 0]
    assert [user["id"] for page in pages for user in page] == [person.id for person in organisation.people]


async def test_users_without_arguments_are_the_first_page_of_the_default_size(ask):
    assert len(await ask("users")) == 20


async def test_a_page_has_a_maximum_size(ask):
    assert len(await ask("users/page_size:100", Variations(max_page_size=50))) == 50


async def test_ignored_paging_returns_all_users_on_every_page(organisation: Organisation, ask):
    variations = Variations(paging_ignored=True)
    first_page, second_page = (
        await ask("users/page_size:10,page_number:1", variations),
        await ask("users/page_size:10,page_number:2", variations),
    )
    assert first_page == second_page
    assert len(first_page) == len(organisation.people)


async def test_a_user_has_the_vendors_fields_and_a_login_key(organisation: Organisation, ask):
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
    assert [html.unescape(user["last_name"]) for user in users] == [person.last_name for person in organisation.people]


async def test_inactive_people_have_a_deactivation_date(organisation: Organisation, ask):
    users = await ask("users/page_size:1000,page_number:1")
    assert [user["status"] == "active" for user in users] == [person.active for person in organisation.people]
    assert all(bool(user["deactivation_date"]) == (user["status"] == "inactive") for user in users)


async def test_a_person_is_looked_up_by_id_email_and_username(organisation: Organisation, ask):
    jane = next(person for person in organisation.people if person.last_name == "Doe")
    by_id = await ask(f"users/id:{jane.id}")
    assert await ask(f"users/email:{jane.email.upper()}") == by_id
    assert await ask(f"users/email:{jane.email.replace('@', '%40')}") == by_id
    assert await ask(f"Users/username:{jane.login}/") == by_id


async def test_a_transcript_has_machine_codes_and_timestamps(organisation: Organisation, ask):
    for outcome in Outcome:
        enrollment = first_enrollment(organisation, outcome)
        item = row_by_id((await ask(f"users/id:{enrollment.user_id}"))["courses"], enrollment.course_id)
        assert item["completion_status"] == outcome.value
        assert item["completion_percentage"] == str(enrollment.percent)
        assert item["enrolled_on_timestamp"] == str(enrollment.enrolled_on)
        assert item["completed_on_timestamp"] == (
            "" if enrollment.completed_on is None else str(enrollment.completed_on)
        )
        assert item["expired_on_timestamp"] == ("" if enrollment.expired_on is None else str(enrollment.expired_on))
        assert item["total_time_seconds"] == enrollment.seconds_spent
        assert item["last_accessed_unit_url"].endswith(f"course_id:{enrollment.course_id},user_id:{enrollment.user_id}")


async def test_a_person_without_courses_has_an_empty_transcript(organisation: Organisation, ask):
    enrolled = {record.user_id for record in organisation.enrollments}
    person = next(record for record in organisation.people if record.id not in enrolled)
    assert (await ask(f"users/id:{person.id}"))["courses"] == []


async def test_branches_and_groups_of_a_person_are_named(organisation: Organisation, ask):
    member = next(person for person in organisation.people if person.branch_ids and person.group_ids)
    user = await ask(f"users/id:{member.id}")
    assert tuple(branch["id"] for branch in user["branches"]) == member.branch_ids
    assert tuple(group["id"] for group in user["groups"]) == member.group_ids


async def test_certificates_have_signed_addresses(organisation: Organisation, ask):
    certified = {course.id for course in organisation.courses if course.certificate}
    enrollment = next(
        enrollment
        for enrollment in organisation.enrollments
        if enrollment.outcome is Outcome.COMPLETED and enrollment.course_id in certified
    )
    certificate = (await ask(f"users/id:{enrollment.user_id}"))["certifications"][0]
    assert "Signature=fakesignature" in certificate["download_url"]
    assert certificate["issued_date_timestamp"] == enrollment.completed_on


async def test_courses_are_listed_without_rosters(organisation: Organisation, ask):
    courses = await ask("courses")
    assert [html.unescape(raw_course["name"]) for raw_course in courses] == [
        course.name for course in organisation.courses
    ]
    assert row_by_id(courses, "103")["name"] == "GDPR &amp; Data Protection"
    assert [raw_course["status"] for raw_course in courses] == [course.status for course in organisation.courses]
    assert row_by_id(courses, "101")["time_limit"] == "30"
    assert row_by_id(courses, "105")["expiration_datetime"] == str(organisation.courses[4].expires_on)
    assert row_by_id(courses, "101")["expiration_datetime"] is None
    assert all("users" not in raw_course and "creation_date_timestamp" not in raw_course for raw_course in courses)


async def test_a_roster_has_short_names_and_no_status_or_email(organisation: Organisation, ask):
    people = {record.id: record for record in organisation.people}
    course = await ask("courses/id:101")
    enrollments = [record for record in organisation.enrollments if record.course_id == "101"]
    assert [item["id"] for item in course["users"]] == [record.user_id for record in enrollments]
    for item, record in zip(course["users"], enrollments, strict=True):
        person = people[item["id"]]
        assert html.unescape(item["name"]) == f"{person.first_name[:1]}. {person.last_name}".strip()
        assert item["role"] == record.role
        assert not {"completion_status", "completion_status_formatted", "email"} & set(item)
    assert [unit["type"] for unit in course["units"]][-1] == "Test"


async def test_a_roster_includes_the_creator_and_inactive_people(organisation: Organisation, ask):
    course = await ask("courses/id:101")
    assert row_by_id(course["users"], course["creator_id"])["role"] == "instructor"
    inactive = {person.id for person in organisation.people if not person.active}
    assert inactive & {item["id"] for item in course["users"]}


async def test_short_names_are_escaped_too(ask):
    names = [item["name"] for item in (await ask("courses/id:101"))["users"]]
    assert "S. O&#039;Brien" in names
    assert "&lt;. Tables" in names


async def test_a_course_without_enrollments_has_an_empty_roster(ask):
    assert (await ask("courses/id:118"))["users"] == []


async def test_a_pair_has_the_display_word_and_unit_scores_but_no_ids(organisation: Organisation, ask):
    enrollment = first_enrollment(organisation, Outcome.COMPLETED)
    pair = await ask(f"getuserstatusincourse/course_id:{enrollment.course_id},user_id:{enrollment.user_id}")
    assert not {"id", "name", "user_id", "course_id"} & set(pair)
    assert pair["completion_status"] == "Completed"
    assert pair["completed_on_timestamp"] == str(enrollment.completed_on)
    assert [unit["score"] for unit in pair["units"]] == ["", "", "", str(enrollment.score)]


async def test_a_failed_test_is_reported_in_its_unit(organisation: Organisation, ask):
    enrollment = first_enrollment(organisation, Outcome.FAILED)
    pair = await ask(f"GetUserStatusInCourse/user_id:{enrollment.user_id},course_id:{enrollment.course_id}")
    assert pair["completion_status"] == "Failed"
    assert pair["units"][-1]["completion_status"] == "Failed"
    assert pair["units"][-1]["score"] == str(enrollment.score)


@pytest.mark.parametrize(
    ("language", "word"), [("English", "In Progress"), ("Greek", "Σε εξέλιξη"), ("German", "In Bearbeitung")]
)
async def test_display_words_follow_the_language_and_codes_do_not(
    organisation: Organisation, ask, language: str, word: str
):
    enrollment = first_enrollment(organisation, Outcome.INCOMPLETE)
    variations = Variations(language=language)
    item = row_by_id((await ask(f"users/id:{enrollment.user_id}", variations))["courses"], enrollment.course_id)
    assert (item["completion_status"], item["completion_status_formatted"]) == ("incomplete", word)
    pair = await ask(f"getuserstatusincourse/course_id:{enrollment.course_id},user_id:{enrollment.user_id}", variations)
    assert pair["completion_status"] == word


async def test_empty_values_can_be_null(organisation: Organisation, ask):
    enrollment = first_enrollment(organisation, Outcome.INCOMPLETE, expired_on=None)
    variations = Variations(null_instead_of_empty=True)
    item = row_by_id((await ask(f"users/id:{enrollment.user_id}", variations))["courses"], enrollment.course_id)
    assert item["completed_on"] is item["completed_on_timestamp"] is item["expired_on"] is None
    assert row_by_id(await ask("courses", variations), "106")["code"] is None


async def test_numbers_can_be_numbers(ask):
    course = await ask("courses/id:101", Variations(numbers_as_numbers=True))
    assert course["id"] == 101
    assert isinstance(course["users"][1]["completion_percentage"], int)
    assert isinstance(course["users"][1]["enrolled_on_timestamp"], int)


async def test_seconds_can_be_missing(ask):
    item = (await ask("courses/id:101", Variations(without_total_time_seconds=True)))["users"][1]
    assert "total_time_seconds" not in item
    assert item["total_time"]


async def test_a_percentage_can_be_missing_for_a_course_that_was_not_attempted(organisation: Organisation, ask):
    enrollment = first_enrollment(organisation, Outcome.NOT_ATTEMPTED)
    course = await ask(f"courses/id:{enrollment.course_id}", Variations(percent_missing=True))
    assert row_by_id(course["users"], enrollment.user_id)["completion_percentage"] == ""


async def test_a_failed_course_can_have_a_completion_date(organisation: Organisation, ask):
    enrollment = first_enrollment(organisation, Outcome.FAILED)
    plain = await ask(f"courses/id:{enrollment.course_id}")
    assert row_by_id(plain["users"], enrollment.user_id)["completed_on_timestamp"] == ""
    dated = await ask(f"courses/id:{enrollment.course_id}", Variations(failed_sets_completed_on=True))
    assert row_by_id(dated["users"], enrollment.user_id)["completed_on_timestamp"] == str(enrollment.failed_on)


async def test_lists_can_be_objects_and_stay_lists_when_empty(ask):
    variations = Variations(lists_as_objects=True)
    plain, as_objects = await ask("courses"), await ask("courses", variations)
    assert isinstance(as_objects, dict)
    assert list(as_objects.values()) == plain
    assert isinstance((await ask("courses/id:101", variations))["users"], dict)
    assert (await ask("courses/id:118", variations))["users"] == []


async def test_siteinfo_has_the_date_format_and_the_zone(organisation: Organisation, ask):
    info = await ask("siteinfo/", Variations(date_format="MMDDYYYY"))
    assert info["date_format"] == "MMDDYYYY"
    assert info["timezone"] == organisation.portal.zone_label
    assert info["total_users"] == str(len(organisation.people))
    assert "timezone" not in await ask("siteinfo", Variations(zone_in_siteinfo=False))


async def test_branches_and_groups_list_their_people_and_courses(organisation: Organisation, ask):
    for kind, field in (("branches", "branch_ids"), ("groups", "group_ids")):
        items = await ask(kind)
        item = await ask(f"{kind}/id:{items[-1]['id']}")
        members = [record.id for record in organisation.people if items[-1]["id"] in getattr(record, field)]
        assert [user["id"] for user in item["users"]] == members
        assert item["courses"]
        assert "users" not in items[0]
    assert "R&amp;D Campus" in [record["name"] for record in await ask("branches")]


async def test_categories_and_registration_fields_are_listed(ask):
    assert "Health &amp; Safety" in [item["name"] for item in await ask("categories")]
    fields = await ask("getcustomregistrationfields")
    assert [(item["key"], item["name"]) for item in fields][:2] == [
        ("custom_field_1", "Job title"),
        ("custom_field_2", "Site"),
    ]
    assert fields[1]["type"] == "dropdown"


async def test_every_printed_date_and_its_timestamp_are_the_same_moment(organisation: Organisation, ask):
    person = organisation.people[10]
    user = await ask(f"users/id:{person.id}", Variations(date_format="YYYYMMDD"))
    for item in user["courses"]:
        printed = datetime.strptime(item["enrolled_on"], "%Y/%m/%d, %H:%M:%S").replace(tzinfo=UTC)
        zone_offset = printed.timestamp() - int(item["enrolled_on_timestamp"])
        assert zone_offset in (7_200, 10_800)
