"""Every parameter of the reference, over a port."""

import json
from datetime import datetime
from urllib.parse import quote

import pytest

from mcp_truto_lms.domain.model import CourseEnrollment, EnrollmentStatus
from mcp_truto_lms.sandbox.records import CourseRole

ENROLLMENTS = "/unified/lms/course-enrollments"
LISTS = [ENROLLMENTS, "/unified/lms/users", "/unified/lms/courses"]


@pytest.fixture
def learner_enrollments(small):
    """The enrollments of learners, by (user, course)."""
    return {
        (enrollment.user_id, enrollment.course_id): enrollment
        for enrollment in small.enrollments
        if enrollment.role is CourseRole.LEARNER
    }


@pytest.fixture
def pair(learner_enrollments):
    user_id, course_id = next(iter(learner_enrollments))
    return f"user[id]={user_id}&course[id]={course_id}"


def test_the_account_is_required_and_must_be_known(endpoint):
    response = endpoint.client.get(ENROLLMENTS)
    assert response.status_code == 400
    assert set(response.json()) == {"statusCode", "error", "message"}
    assert "integrated_account_id" in response.json()["message"]
    response = endpoint.client.get(ENROLLMENTS, params={"integrated_account_id": "another"})
    assert response.status_code == 404
    assert set(response.json()) == {"statusCode", "error", "message"}


@pytest.mark.parametrize("path", [ENROLLMENTS, "/unified/lms/courseenrollments"])
def test_both_spellings_list_everything_in_the_envelope(endpoint, learner_enrollments, path):
    body = endpoint.ask(path, "limit=1000")
    assert {record["id"] for record in body["result"]} == {f"{user}_{course}" for user, course in learner_enrollments}
    assert body["result_count"] == len(learner_enrollments)
    assert body["next_cursor"] is None
    assert body["prev_cursor"] is None
    assert "is_partial_response" not in body


def test_a_record_has_the_fields_of_the_reference_and_the_values_of_the_portal(endpoint, learner_enrollments, small):
    people = {record.id: record for record in small.people}
    courses = {record.id: record for record in small.courses}
    for record in endpoint.ask(query="limit=1000")["result"]:
        assert set(record) <= set(CourseEnrollment.model_fields)
        assert None not in record.values()
        user_id, course_id = record["user"]["id"], record["course"]["id"]
        expected, person = learner_enrollments[user_id, course_id], people[user_id]
        assert record["user"]["name"] == f"{person.first_name} {person.last_name}".strip()
        assert record["user"]["emails"] == [{"email": person.email, "is_primary": True}]
        assert record["course"]["title"] == courses[course_id].name
        assert record["progress_percent"] == expected.percent
        assert record["time_spent_seconds"] == expected.seconds_spent
        assert datetime.fromisoformat(record["enrolled_at"]).timestamp() == expected.enrolled_on
        assert record["status"] in set(EnrollmentStatus)


def test_unified_is_the_default_format(endpoint):
    assert (
        endpoint.ask(query="truto_response_format=unified")
        == endpoint.ask()
        == endpoint.ask(query="truto_response_format=")
    )


def test_normalized_has_every_field_and_null_for_unknown_values(endpoint):
    unified, normalized = endpoint.ask()["result"], endpoint.ask(query="truto_response_format=normalized")["result"]
    for before, after in zip(unified, normalized, strict=True):
        assert list(after) == list(CourseEnrollment.model_fields)
        assert after["assigned_by"] is None
        assert {name: after[name] for name in before if name not in ("user", "urls")} == {
            name: before[name] for name in before if name not in ("user", "urls")
        }


def test_raw_is_the_providers_record_without_its_secrets(endpoint, pair):
    unified, raw = endpoint.ask(query=pair)["result"], endpoint.ask(query=f"{pair}&truto_response_format=raw")["result"]
    assert raw == [unified[0]["remote_data"]]
    assert raw[0]["units"]
    assert "user" not in raw[0]
    for path in LISTS[1:]:
        assert "login_key" not in json.dumps(endpoint.ask(path, "truto_response_format=raw"))


@pytest.mark.parametrize("path", LISTS)
def test_a_stream_has_every_record_of_the_list_on_a_line_each(endpoint, path):
    response = endpoint.send(path, "truto_response_format=stream")
    assert "json" not in response.headers["content-type"]  # Truto's own SDKs parse such a body whole
    assert "content-length" not in response.headers
    streamed = [json.loads(line) for line in response.text.splitlines()]
    records = endpoint.ask(path, "limit=1000")["result"]
    assert sorted(streamed, key=lambda record: record["id"]) == sorted(records, key=lambda record: record["id"])


def test_a_stream_applies_the_other_parameters(endpoint, pair):
    query = "truto_response_format=stream&limit=3&truto_exclude_fields[]=user&truto_ignore_remote_data=true"
    lines = [json.loads(line) for line in endpoint.send(ENROLLMENTS, query).text.splitlines()]
    assert len(lines) == 3
    assert not any({"user", "remote_data"} & set(record) for record in lines)
    assert len(endpoint.send(ENROLLMENTS, f"truto_response_format=stream&{pair}").text.splitlines()) == 1
    cursor = endpoint.ask(query="limit=3")["next_cursor"]
    total = endpoint.ask(query="limit=1000")["result_count"]
    after = endpoint.send(ENROLLMENTS, f"truto_response_format=stream&next_cursor={cursor}").text.splitlines()
    assert len(after) == total - 3
    assert not {record["id"] for record in lines} & {json.loads(line)["id"] for line in after}


@pytest.mark.parametrize(
    ("path", "response_format"),
    [(path, name) for path in LISTS for name in ("unified", "normalized")] + [(path, "raw") for path in LISTS[1:]],
)
def test_a_list_can_be_keyed_by_a_field(endpoint, path, response_format):
    query = f"truto_response_format={response_format}"
    listed, keyed = endpoint.ask(path, query), endpoint.ask(path, f"{query}&truto_key_by=id")
    assert keyed["result"] == {record["id"]: record for record in listed["result"]}
    assert keyed["result_count"] == listed["result_count"]


def test_a_key_may_be_nested_and_is_read_before_fields_are_excluded(endpoint):
    courses = {record["course"]["title"] for record in endpoint.ask(query="limit=1000")["result"]}
    keyed = endpoint.ask(query="limit=1000&truto_key_by=course.title&truto_exclude_fields=course")
    assert set(keyed["result"]) == courses
    assert keyed["result_count"] > len(courses)
    assert not any("course" in record for record in keyed["result"].values())
    assert set(endpoint.ask(query="truto_key_by=progress_percent&limit=1")["result"]) <= {
        str(percent) for percent in range(101)
    }


@pytest.mark.parametrize("field", ["nothing", "user", "user.emails", "id.of"])
def test_a_key_that_records_lack_is_refused(endpoint, field):
    assert "truto_key_by" in endpoint.refused(query=f"truto_key_by={field}")["message"]


def test_limit_is_the_size_of_a_page_and_can_be_ignored(endpoint):
    assert endpoint.ask(query="limit=2")["result_count"] == 2
    whole = endpoint.ask()["result_count"]
    assert whole > 2
    assert endpoint.ask(query="limit=2&truto_ignore_limit=true")["result_count"] == whole
    assert endpoint.ask(query="limit=2&truto_ignore_limit=false")["result_count"] == 2


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", "\u0663", "9999999999"])
def test_an_invalid_limit_is_refused(endpoint, limit):
    assert "limit" in endpoint.refused(query=f"limit={quote(limit)}")["message"]


@pytest.mark.parametrize("path", [*LISTS, "/unified/lms/users/5", "/unified/lms/courses/101"])
def test_remote_data_is_present_unless_it_is_ignored(endpoint, path):
    for query, expected in (
        ("", True),
        ("truto_ignore_remote_data=false", True),
        ("truto_ignore_remote_data=1", False),
    ):
        body = endpoint.ask(path, query)
        records = body.get("result", [body])
        assert all(("remote_data" in record) is expected for record in records)


def test_a_get_has_the_roster_or_the_transcript_of_the_provider(endpoint, learner_enrollments):
    course = endpoint.ask("/unified/lms/courses/101")
    assert {row["id"] for row in course["remote_data"]["users"]} >= {
        learner_id for learner_id, enrolled_course in learner_enrollments if enrolled_course == "101"
    }
    user_id = next(learner_id for learner_id, _ in learner_enrollments)
    raw_user = endpoint.ask(f"/unified/lms/users/{user_id}")
    assert {row["id"] for row in raw_user["remote_data"]["courses"]} >= {
        enrolled_course for learner_id, enrolled_course in learner_enrollments if learner_id == user_id
    }
    assert endpoint.ask("/unified/lms/courses/101", "truto_response_format=raw") == course["remote_data"]


@pytest.mark.parametrize(
    "query",
    [
        "truto_exclude_fields[]=status&truto_exclude_fields[]=user.emails",
        "truto_exclude_fields[0]=status&truto_exclude_fields[1]=user.emails",
        "truto_exclude_fields=status&truto_exclude_fields=user.emails",
        "truto_exclude_fields=status,user.emails",
        "truto_exclude_fields%5B%5D=status%2C%20user.emails",
    ],
)
def test_fields_are_excluded_in_every_notation_of_the_array(endpoint, query):
    for record in endpoint.ask(query=query)["result"]:
        assert "status" not in record
        assert set(record["user"]) == {"id", "name"}
        assert "progress_percent" in record


def test_an_excluded_field_may_be_inside_a_list_or_absent(endpoint):
    query = "truto_exclude_fields=user.emails.is_primary,remote_data.role,no.such.field,status.of"
    for record in endpoint.ask(query=query)["result"]:
        assert all(set(email) == {"email"} for email in record["user"]["emails"])
        assert "role" not in record["remote_data"]
        assert record["status"]


@pytest.mark.parametrize(
    "query",
    [
        "truto_exclude_fields[a]=id",
        "truto_exclude_fields[][a]=id",
        "truto_exclude_fields[0][a]=id",
        'truto_exclude_fields=["score"]',
        'truto_exclude_fields[]={"field":"score"}',
        "truto_exclude_fields={",
        "truto_exclude_fields=user[emails]",
    ],
)
def test_exclusions_in_another_form_are_refused(endpoint, query):
    assert "truto_exclude_fields[]=" in endpoint.refused(query=query)["message"]


OTHER_NOTATIONS = [
    "user[id][]=5",
    "user[id][0]=5",
    "user[id][eq]=5",
    "user[][id]=5",
    "user[0][id]=5",
    "user[]=5",
    "user[ids]=5",
    "user[ID]=5",
    "user[user_id]=5",
    "user.id=5",
    "user_id=5",
    "userId=5",
    "user_ids[]=5",
    "user[id=5",
    "user[id]]=5",
    "users[id]=5",
    "User[id]=5",
    "learner_id=5",
    "user={",
    'user={"id":"5"}',
    "course[id][]=101",
    "course.id=101",
    "course_id=101",
    "courseId=101",
    "user[id]=5&course_id=101",
    "next_cursor[]=x",
    "next_cursor[0]=x",
    "limit[]=5",
    "limit[max]=5",
    "truto_key_by[]=id",
    "truto_response_format[]=raw",
    "truto_ignore_limit[]=true",
]


@pytest.mark.parametrize("query", OTHER_NOTATIONS)
@pytest.mark.parametrize("response_format", ["unified", "stream"])
def test_another_notation_of_a_parameter_is_refused_and_lists_nobody(endpoint, query, response_format):
    if "truto_response_format" not in query:
        query = f"{query}&truto_response_format={response_format}"
    body = endpoint.refused(query=quote(query, safe="=&"))
    assert set(body) == {"statusCode", "error", "message"}


def test_an_account_id_is_one_value(endpoint):
    response = endpoint.client.get(ENROLLMENTS, params={"integrated_account_id[]": "acme"})
    assert response.status_code == 400


def test_a_remote_query_is_an_object_and_never_reaches_the_provider(endpoint):
    query = "remote_query[id]=5&remote_query[user_id]=5&remote_query[nested][deep]=x&remote_query[]=y"
    assert endpoint.ask(query=query) == endpoint.ask()
    assert endpoint.refused(query="remote_query=usersetstatus")["message"].startswith("remote_query is an object")


def test_user_and_course_filter_the_list(endpoint, learner_enrollments):
    user_id, course_id = next(iter(learner_enrollments))
    records = endpoint.ask(query=f"user[id]={user_id}&limit=1000")["result"]
    assert {record["id"] for record in records} == {
        f"{user_id}_{enrolled_course}" for learner_id, enrolled_course in learner_enrollments if learner_id == user_id
    }
    records = endpoint.ask(query=f"course%5Bid%5D={course_id}&limit=1000")["result"]
    assert {record["id"] for record in records} == {
        f"{learner_id}_{course_id}"
        for learner_id, enrolled_course in learner_enrollments
        if enrolled_course == course_id
    }
    (record,) = endpoint.ask(query=f"user[id]={user_id}&course[id]={course_id}")["result"]
    assert record["user"]["name"]
    assert record["course"]["title"]


def test_a_pair_that_is_not_enrolled_is_an_empty_list(endpoint, learner_enrollments, small):
    learners = {user for user, _ in learner_enrollments}
    user_id, course_id = next(
        (user, course.id)
        for course in small.courses
        for user in learners
        if (user, course.id) not in learner_enrollments
    )
    body = endpoint.ask(query=f"user[id]={user_id}&course[id]={course_id}")
    assert body == {"result": [], "next_cursor": None, "prev_cursor": None, "result_count": 0}


@pytest.mark.parametrize("query", ["user[id]=999999", "course[id]=999999", "user[id]=999999&course[id]=101"])
def test_an_unknown_learner_or_course_is_a_404_of_the_provider(endpoint, query):
    body = endpoint.refused(query=query, status=404)
    assert body["truto_is_remote_error"] is True
    assert set(body["truto_error_insight"]["remote_error"]) == {"description", "value"}
    stream = endpoint.send(ENROLLMENTS, f"{query}&truto_response_format=stream")
    assert stream.status_code == 404


@pytest.mark.parametrize("path", ["/unified/lms/users/999999", "/unified/lms/courses/999999"])
def test_a_get_of_an_unknown_id_is_a_404_of_the_provider(endpoint, path):
    assert endpoint.refused(path, status=404)["truto_is_remote_error"] is True


@pytest.mark.parametrize(("name", "value"), [("user", "5"), ("course", "101")])
def test_user_and_course_are_objects(endpoint, name, value):
    assert endpoint.refused(query=f"{name}={value}")["message"].startswith(f"{name} is an object")


@pytest.mark.parametrize("query", ["created_at[gte]=2030-01-01", "user[name]=nobody", "foo=1", "a[=1", "x]=2", "[]=3"])
def test_filters_that_the_provider_lacks_are_ignored(endpoint, query):
    assert endpoint.ask(query=query) == endpoint.ask()


def test_an_empty_cursor_is_the_first_page_and_cursors_lead_to_the_end(endpoint, learner_enrollments):
    body = endpoint.ask(query="limit=7&next_cursor=")
    assert body == endpoint.ask(query="limit=7")
    ids = [record["id"] for record in body["result"]]
    while body["next_cursor"]:
        body = endpoint.ask(query=f"limit=7&next_cursor={body['next_cursor']}")
        assert body["result"]
        ids += [record["id"] for record in body["result"]]
    assert len(ids) == len(set(ids)) == len(learner_enrollments)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "!!!", "%00", "\u00e9"])
def test_an_invalid_cursor_is_refused(endpoint, cursor):
    assert "next_cursor" in endpoint.refused(query=f"next_cursor={quote(cursor)}")["message"]


def test_a_cursor_belongs_to_its_own_listing(endpoint):
    cursor = endpoint.ask(query="limit=1")["next_cursor"]
    for path, query in [("/unified/lms/users", ""), (ENROLLMENTS, "course[id]=101&")]:
        assert "next_cursor" in endpoint.refused(path, f"{query}next_cursor={cursor}")["message"]
    altered = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    endpoint.refused(query=f"next_cursor={altered}")


@pytest.mark.parametrize("name", ["truto_ignore_limit", "truto_ignore_remote_data"])
def test_a_boolean_parameter_takes_true_or_false(endpoint, name):
    assert name in endpoint.refused(query=f"{name}=perhaps")["message"]


def test_an_unknown_format_is_refused_with_the_valid_formats(endpoint):
    assert "unified, raw, normalized, stream" in endpoint.refused(query="truto_response_format=debug")["message"]


def test_two_different_values_are_refused_and_a_repeated_value_is_not(endpoint):
    assert "user[id]" in endpoint.refused(query="user[id]=5&user[id]=6")["message"]
    assert endpoint.ask(query="limit=2&limit=2")["result_count"] == 2


def test_a_query_string_has_a_maximum_length(endpoint):
    endpoint.refused(query="a=" + "b" * 40_000, status=414)
    endpoint.refused(query="&".join(["a=1"] * 1_500))


def test_a_get_ignores_the_parameters_of_lists(endpoint):
    user = endpoint.ask("/unified/lms/users/5", "truto_exclude_fields=emails,remote_data&truto_key_by=id&limit=none")
    assert user["id"] == "5"
    assert not {"emails", "remote_data", "result"} & set(user)
    assert endpoint.ask("/unified/lms/courses/101", "truto_response_format=normalized")["level"] is None
    assert endpoint.ask("/unified/lms/courses/101", "truto_response_format=stream")["id"] == "101"


@pytest.mark.parametrize(
    "path",
    ["/", "/unified/lms", "/unified/lms/groups", "/unified/lms/users/", "/unified/crm/users", f"{ENROLLMENTS}/1_2"],
)
def test_an_unknown_path_is_a_404_in_the_form_of_every_error(endpoint, path):
    assert "/unified/lms/course-enrollments" in endpoint.refused(path, status=404)["message"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT", "HEAD"])
def test_only_get_is_supported(endpoint, method):
    response = endpoint.client.request(method, ENROLLMENTS, params={"integrated_account_id": "acme"})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET"
    assert method == "HEAD" or response.json()["error"] == "Method Not Allowed"
