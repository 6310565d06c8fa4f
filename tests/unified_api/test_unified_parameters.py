"""Every parameter of the reference, over a real port."""

import json
from datetime import datetime
from urllib.parse import quote

import pytest

from mcp_truto_lms.domain.model import CourseEnrollment, EnrollmentStatus
from mcp_truto_lms.sandbox.records import CourseRole

ENROLLMENTS = "/unified/lms/course-enrollments"
LISTS = [ENROLLMENTS, "/unified/lms/users", "/unified/lms/courses"]


@pytest.fixture
def truth(small):
    """The enrollments of learners, by (user, course)."""
    return {(one.user_id, one.course_id): one for one in small.enrollments if one.role is CourseRole.LEARNER}


@pytest.fixture
def pair(truth):
    user_id, course_id = next(iter(truth))
    return f"user[id]={user_id}&course[id]={course_id}"


def test_the_account_is_required_and_must_be_known(caller):
    response = caller.client.get(ENROLLMENTS)
    assert response.status_code == 400
    assert set(response.json()) == {"statusCode", "error", "message"}
    assert "integrated_account_id" in response.json()["message"]
    response = caller.client.get(ENROLLMENTS, params={"integrated_account_id": "another"})
    assert response.status_code == 404
    assert set(response.json()) == {"statusCode", "error", "message"}


@pytest.mark.parametrize("path", [ENROLLMENTS, "/unified/lms/courseenrollments"])
def test_both_spellings_list_everything_in_the_envelope(caller, truth, path):
    body = caller.ask(path, "limit=1000")
    assert {one["id"] for one in body["result"]} == {f"{user}_{course}" for user, course in truth}
    assert body["result_count"] == len(truth)
    assert body["next_cursor"] is None
    assert body["prev_cursor"] is None
    assert "is_partial_response" not in body


def test_a_record_has_the_fields_of_the_reference_and_tells_what_the_portal_knows(caller, truth, small):
    people = {one.id: one for one in small.people}
    courses = {one.id: one for one in small.courses}
    for one in caller.ask(query="limit=1000")["result"]:
        assert set(one) <= set(CourseEnrollment.model_fields)
        assert None not in one.values()
        user_id, course_id = one["user"]["id"], one["course"]["id"]
        fact, person = truth[user_id, course_id], people[user_id]
        assert one["user"]["name"] == f"{person.first_name} {person.last_name}".strip()
        assert one["user"]["emails"] == [{"email": person.email, "is_primary": True}]
        assert one["course"]["title"] == courses[course_id].name
        assert one["progress_percent"] == fact.percent
        assert one["time_spent_seconds"] == fact.seconds_spent
        assert datetime.fromisoformat(one["enrolled_at"]).timestamp() == fact.enrolled_on
        assert one["status"] in set(EnrollmentStatus)


def test_unified_is_the_default_format(caller):
    assert (
        caller.ask(query="truto_response_format=unified") == caller.ask() == caller.ask(query="truto_response_format=")
    )


def test_normalized_has_every_field_and_null_where_nothing_is_known(caller):
    unified, normalized = caller.ask()["result"], caller.ask(query="truto_response_format=normalized")["result"]
    for before, after in zip(unified, normalized, strict=True):
        assert list(after) == list(CourseEnrollment.model_fields)
        assert after["assigned_by"] is None
        assert {name: after[name] for name in before if name not in ("user", "urls")} == {
            name: before[name] for name in before if name not in ("user", "urls")
        }


def test_raw_is_what_the_provider_sent_without_its_secrets(caller, pair):
    unified, raw = caller.ask(query=pair)["result"], caller.ask(query=f"{pair}&truto_response_format=raw")["result"]
    assert raw == [unified[0]["remote_data"]]
    assert raw[0]["units"]
    assert "user" not in raw[0]
    for path in LISTS[1:]:
        assert "login_key" not in json.dumps(caller.ask(path, "truto_response_format=raw"))


@pytest.mark.parametrize("path", LISTS)
def test_a_stream_is_every_record_of_the_list_one_a_line(caller, path):
    response = caller.send(path, "truto_response_format=stream")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert "content-length" not in response.headers
    lines = [json.loads(line) for line in response.text.splitlines()]
    listed = caller.ask(path, "limit=1000")["result"]
    assert sorted(lines, key=lambda one: one["id"]) == sorted(listed, key=lambda one: one["id"])


def test_a_stream_takes_the_other_parameters(caller, pair):
    query = "truto_response_format=stream&limit=3&truto_exclude_fields[]=user&truto_ignore_remote_data=true"
    lines = [json.loads(line) for line in caller.send(ENROLLMENTS, query).text.splitlines()]
    assert len(lines) == 3
    assert not any({"user", "remote_data"} & set(one) for one in lines)
    assert len(caller.send(ENROLLMENTS, f"truto_response_format=stream&{pair}").text.splitlines()) == 1
    cursor = caller.ask(query="limit=3")["next_cursor"]
    total = caller.ask(query="limit=1000")["result_count"]
    after = caller.send(ENROLLMENTS, f"truto_response_format=stream&next_cursor={cursor}").text.splitlines()
    assert len(after) == total - 3
    assert not {one["id"] for one in lines} & {json.loads(line)["id"] for line in after}


@pytest.mark.parametrize(
    ("path", "response_format"),
    [(path, one) for path in LISTS for one in ("unified", "normalized")] + [(path, "raw") for path in LISTS[1:]],
)
def test_a_list_can_be_keyed_by_a_field(caller, path, response_format):
    query = f"truto_response_format={response_format}"
    listed, keyed = caller.ask(path, query), caller.ask(path, f"{query}&truto_key_by=id")
    assert keyed["result"] == {one["id"]: one for one in listed["result"]}
    assert keyed["result_count"] == listed["result_count"]


def test_a_key_may_be_nested_and_is_read_before_fields_are_excluded(caller):
    courses = {one["course"]["title"] for one in caller.ask(query="limit=1000")["result"]}
    keyed = caller.ask(query="limit=1000&truto_key_by=course.title&truto_exclude_fields=course")
    assert set(keyed["result"]) == courses
    assert keyed["result_count"] > len(courses)
    assert not any("course" in one for one in keyed["result"].values())
    assert set(caller.ask(query="truto_key_by=progress_percent&limit=1")["result"]) <= {str(n) for n in range(101)}


@pytest.mark.parametrize("field", ["nothing", "user", "user.emails", "id.of"])
def test_a_key_that_records_do_not_have_is_refused(caller, field):
    assert "truto_key_by" in caller.refused(query=f"truto_key_by={field}")["message"]


def test_limit_is_the_size_of_a_page_and_can_be_ignored(caller):
    assert caller.ask(query="limit=2")["result_count"] == 2
    whole = caller.ask()["result_count"]
    assert whole > 2
    assert caller.ask(query="limit=2&truto_ignore_limit=true")["result_count"] == whole
    assert caller.ask(query="limit=2&truto_ignore_limit=false")["result_count"] == 2


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", "\u0663", "9999999999"])
def test_a_limit_that_is_no_number_of_records_is_refused(caller, limit):
    assert "limit" in caller.refused(query=f"limit={quote(limit)}")["message"]


@pytest.mark.parametrize("path", [*LISTS, "/unified/lms/users/5", "/unified/lms/courses/101"])
def test_remote_data_is_there_unless_it_is_ignored(caller, path):
    for query, expected in (
        ("", True),
        ("truto_ignore_remote_data=false", True),
        ("truto_ignore_remote_data=1", False),
    ):
        body = caller.ask(path, query)
        records = body.get("result", [body])
        assert all(("remote_data" in one) is expected for one in records)


def test_a_record_alone_carries_the_roster_or_the_transcript_of_the_provider(caller, truth):
    course = caller.ask("/unified/lms/courses/101")
    assert {one["id"] for one in course["remote_data"]["users"]} >= {user for user, at in truth if at == "101"}
    user_id = next(user for user, _ in truth)
    user = caller.ask(f"/unified/lms/users/{user_id}")
    assert {one["id"] for one in user["remote_data"]["courses"]} >= {at for who, at in truth if who == user_id}
    assert caller.ask("/unified/lms/courses/101", "truto_response_format=raw") == course["remote_data"]


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
def test_fields_are_excluded_however_the_array_is_written(caller, query):
    for one in caller.ask(query=query)["result"]:
        assert "status" not in one
        assert set(one["user"]) == {"id", "name"}
        assert "progress_percent" in one


def test_an_excluded_field_may_be_in_a_list_or_nowhere(caller):
    query = "truto_exclude_fields=user.emails.is_primary,remote_data.role,no.such.field,status.of"
    for one in caller.ask(query=query)["result"]:
        assert all(set(email) == {"email"} for email in one["user"]["emails"])
        assert "role" not in one["remote_data"]
        assert one["status"]


def test_an_array_cannot_be_an_object(caller):
    assert "truto_exclude_fields[]=" in caller.refused(query="truto_exclude_fields[a]=id")["message"]


def test_a_remote_query_is_an_object_and_never_reaches_the_provider(caller):
    query = "remote_query[id]=5&remote_query[user_id]=5&remote_query[nested][deep]=x&remote_query[]=y"
    assert caller.ask(query=query) == caller.ask()
    assert caller.refused(query="remote_query=usersetstatus")["message"].startswith("remote_query is an object")


def test_user_and_course_narrow_the_list(caller, truth):
    user_id, course_id = next(iter(truth))
    found = caller.ask(query=f"user[id]={user_id}&limit=1000")["result"]
    assert {one["id"] for one in found} == {f"{user_id}_{at}" for who, at in truth if who == user_id}
    found = caller.ask(query=f"course%5Bid%5D={course_id}&limit=1000")["result"]
    assert {one["id"] for one in found} == {f"{who}_{course_id}" for who, at in truth if at == course_id}
    (found,) = caller.ask(query=f"user[id]={user_id}&course[id]={course_id}")["result"]
    assert found["user"]["name"]
    assert found["course"]["title"]


def test_a_pair_that_is_not_enrolled_is_an_empty_list(caller, truth, small):
    learners = {user for user, _ in truth}
    user_id, course_id = next(
        (user, course.id) for course in small.courses for user in learners if (user, course.id) not in truth
    )
    body = caller.ask(query=f"user[id]={user_id}&course[id]={course_id}")
    assert body == {"result": [], "next_cursor": None, "prev_cursor": None, "result_count": 0}


@pytest.mark.parametrize("query", ["user[id]=999999", "course[id]=999999", "user[id]=999999&course[id]=101"])
def test_somebody_who_is_not_there_is_a_404_of_the_provider(caller, query):
    body = caller.refused(query=query, status=404)
    assert body["truto_is_remote_error"] is True
    assert set(body["truto_error_insight"]["remote_error"]) == {"description", "value"}
    stream = caller.send(ENROLLMENTS, f"{query}&truto_response_format=stream")
    assert stream.status_code == 404


@pytest.mark.parametrize("path", ["/unified/lms/users/999999", "/unified/lms/courses/999999"])
def test_a_record_that_is_not_there_is_a_404_of_the_provider(caller, path):
    assert caller.refused(path, status=404)["truto_is_remote_error"] is True


@pytest.mark.parametrize(("name", "value"), [("user", "5"), ("course", "101")])
def test_user_and_course_are_objects(caller, name, value):
    assert caller.refused(query=f"{name}={value}")["message"].startswith(f"{name} is an object")


@pytest.mark.parametrize("query", ["created_at[gte]=2030-01-01", "user[name]=nobody", "foo=1", "a[=1", "x]=2", "[]=3"])
def test_filters_that_the_provider_lacks_are_ignored(caller, query):
    assert caller.ask(query=query) == caller.ask()


def test_an_empty_cursor_is_the_first_page_and_cursors_lead_to_the_end(caller, truth):
    body = caller.ask(query="limit=7&next_cursor=")
    assert body == caller.ask(query="limit=7")
    ids = [one["id"] for one in body["result"]]
    while body["next_cursor"]:
        body = caller.ask(query=f"limit=7&next_cursor={body['next_cursor']}")
        assert body["result"]
        ids += [one["id"] for one in body["result"]]
    assert len(ids) == len(set(ids)) == len(truth)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "!!!", "%00", "\u00e9"])
def test_a_cursor_that_nobody_gave_is_refused(caller, cursor):
    assert "next_cursor" in caller.refused(query=f"next_cursor={quote(cursor)}")["message"]


def test_a_cursor_belongs_to_its_own_listing(caller):
    cursor = caller.ask(query="limit=1")["next_cursor"]
    for path, query in [("/unified/lms/users", ""), (ENROLLMENTS, "course[id]=101&")]:
        assert "next_cursor" in caller.refused(path, f"{query}next_cursor={cursor}")["message"]
    altered = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    caller.refused(query=f"next_cursor={altered}")


@pytest.mark.parametrize("name", ["truto_ignore_limit", "truto_ignore_remote_data"])
def test_a_switch_takes_true_or_false(caller, name):
    assert name in caller.refused(query=f"{name}=perhaps")["message"]


def test_a_format_that_does_not_exist_is_refused_with_those_that_do(caller):
    assert "unified, raw, normalized, stream" in caller.refused(query="truto_response_format=debug")["message"]


def test_one_value_given_twice_is_refused_and_the_same_value_is_not(caller):
    assert "user[id]" in caller.refused(query="user[id]=5&user[id]=6")["message"]
    assert caller.ask(query="limit=2&limit=2")["result_count"] == 2


def test_a_query_string_has_an_end(caller):
    caller.refused(query="a=" + "b" * 40_000, status=414)
    caller.refused(query="&".join(["a=1"] * 1_500))


def test_a_get_takes_the_parameters_but_for_those_of_lists(caller):
    user = caller.ask("/unified/lms/users/5", "truto_exclude_fields=emails,remote_data&truto_key_by=id&limit=none")
    assert user["id"] == "5"
    assert not {"emails", "remote_data", "result"} & set(user)
    assert caller.ask("/unified/lms/courses/101", "truto_response_format=normalized")["level"] is None
    assert caller.ask("/unified/lms/courses/101", "truto_response_format=stream")["id"] == "101"


@pytest.mark.parametrize(
    "path",
    ["/", "/unified/lms", "/unified/lms/groups", "/unified/lms/users/", "/unified/crm/users", f"{ENROLLMENTS}/1_2"],
)
def test_an_unknown_path_is_a_404_in_the_shape_of_all_errors(caller, path):
    assert "/unified/lms/course-enrollments" in caller.refused(path, status=404)["message"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT", "HEAD"])
def test_only_get_is_answered(caller, method):
    response = caller.client.request(method, ENROLLMENTS, params={"integrated_account_id": "acme"})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET"
    assert method == "HEAD" or response.json()["error"] == "Method Not Allowed"
