"""The Truto sandbox: its requirements, its responses and its options."""

import json
from dataclasses import replace
from http import HTTPStatus

import anyio
import httpx
import pytest

from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.payloads import LOGIN_KEY_MARK, SIGNATURE_MARK
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, serve
from mcp_truto_lms.sandbox.records import CourseRole, Outcome
from mcp_truto_lms.sandbox.truto import SAMPLE_ACCOUNT_ID, SAMPLE_TRUTO_TOKEN, SAMPLE_TRUTO_URL, truto_app
from mcp_truto_lms.sandbox.truto_faults import TrutoFault
from mcp_truto_lms.sandbox.truto_options import PERMISSIVE, STRICT
from tests.sandbox.fake_clock import WAIT_SECONDS

pytestmark = pytest.mark.anyio
ENROLLMENTS = "/unified/lms/course-enrollments"
UNLIMITED = replace(PERMISSIVE, rate_limits=False)
MISSING = "missing_required_query_parameters"


def client_of(app, token=SAMPLE_TRUTO_TOKEN):
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url=SAMPLE_TRUTO_URL,
        headers={"Authorization": f"Bearer {token}"},
        params={"integrated_account_id": SAMPLE_ACCOUNT_ID},
    )


@pytest.fixture
def pairs(organisation):
    return [
        (enrollment.user_id, enrollment.course_id)
        for enrollment in organisation.enrollments
        if enrollment.role is CourseRole.LEARNER
    ]


def pair_parameters(pair):
    return {"user[id]": pair[0], "course[id]": pair[1]}


async def test_an_account_that_requires_pairs_names_the_missing_parameters(organisation, pairs):
    async with client_of(truto_app(organisation)) as client:
        for params, missing in (
            ({}, ["user[id]", "course[id]"]),
            ({"user[id]": "8"}, ["course[id]"]),
            ({"course[id]": "101", "user[email]": "x"}, ["user[id]"]),
            ({"course[id]": "101", "user[id]": ""}, ["user[id]"]),
        ):
            response = await client.get(ENROLLMENTS, params=params)
            assert response.status_code == 400
            body = response.json()
            assert body["truto_error_insight"][MISSING]["value"] == missing
            assert "truto_is_remote_error" not in body
        (enrollment,) = (await client.get(ENROLLMENTS, params=pair_parameters(pairs[0]))).json()["result"]
        assert (enrollment["user"]["id"], enrollment["course"]["id"]) == pairs[0]


async def test_a_permissive_account_lists_everything(organisation, pairs):
    app = truto_app(organisation, options=replace(UNLIMITED, max_page_size=500))
    listed_pairs, cursor = [], ""
    async with client_of(app) as client:
        while cursor is not None:
            body = (await client.get(ENROLLMENTS, params={"limit": 10_000, "next_cursor": cursor})).json()
            assert body["result_count"] <= 500
            listed_pairs += [(enrollment["user"]["id"], enrollment["course"]["id"]) for enrollment in body["result"]]
            cursor = body["next_cursor"]
        streamed = await client.get(ENROLLMENTS, params={"truto_response_format": "stream"})
    assert sorted(listed_pairs) == sorted(pairs)
    assert len(streamed.text.splitlines()) == len(pairs)


async def test_both_spellings_and_the_default_page_size(organisation):
    async with client_of(truto_app(organisation, options=PERMISSIVE)) as client:
        for path in (ENROLLMENTS, "/unified/lms/courseenrollments", "/unified/lms/users"):
            assert (await client.get(path)).json()["result_count"] == 50


async def test_the_token_and_the_account_must_be_right(organisation):
    app = truto_app(organisation, token="t", account_id="a")
    async with client_of(app, "t") as client:
        client.params = {}
        assert (await client.get("/unified/lms/users")).status_code == 400
        assert (await client.get("/unified/lms/users?integrated_account_id=b")).status_code == 404
        assert (await client.get("/unified/lms/users?integrated_account_id=a")).status_code == 200
    async with client_of(app, "wrong") as client:
        response = await client.get("/unified/lms/users")
        assert response.status_code == 401
        assert set(response.json()) == {"statusCode", "error", "message"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/unified/crm/users", 404),
        ("GET", "/unified/lms/course-enrollments/1_2", 404),
        ("POST", ENROLLMENTS, 405),
        ("DELETE", "/unified/lms/users/8", 405),
    ],
)
async def test_unknown_requests_are_refused_and_recorded(organisation, method, path, status):
    app = truto_app(organisation)
    async with client_of(app) as client:
        response = await client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"] == HTTPStatus(status).phrase
    assert len(app.log.refused()) == 1


async def test_the_log_counts_requests_and_holds_no_credentials(organisation, pairs):
    app = truto_app(organisation)
    async with client_of(app) as client:
        for path in (ENROLLMENTS, "/unified/lms/courses", "/unified/lms/courses/101", "/unified/lms/users/8"):
            await client.get(path, params=pair_parameters(pairs[0]))
        await client.get("/proxy/courses/101")
    counts = {"course-enrollments": 1, "courses": 1, "courses/id": 1, "users/id": 1, "proxy/courses/id": 1}
    assert app.log.counts() == counts
    assert [request.arguments.get("id") for request in app.log] == [None, None, "101", "8", "101"]
    assert next(iter(app.log)).arguments["user[id]"] == pairs[0][0]
    assert SAMPLE_TRUTO_TOKEN not in repr(list(app.log))


async def test_remote_data_has_rosters_and_transcripts_with_the_providers_secrets(organisation, pairs):
    certified = {record.id for record in organisation.courses if record.certificate}
    completed = [record for record in organisation.enrollments if record.outcome is Outcome.COMPLETED]
    user_id = next(record.user_id for record in completed if record.course_id in certified)
    async with client_of(truto_app(organisation)) as client:
        course = (await client.get("/unified/lms/courses/101")).json()
        assert {record["id"] for record in course["remote_data"]["users"]} >= {
            learner_id for learner_id, course_id in pairs if course_id == "101"
        }
        user = (await client.get(f"/unified/lms/users/{user_id}")).json()
        assert {record["id"] for record in user["remote_data"]["courses"]} >= {
            course_id for learner_id, course_id in pairs if learner_id == user_id
        }
        assert LOGIN_KEY_MARK in user["remote_data"]["login_key"]
        assert SIGNATURE_MARK in json.dumps(user["remote_data"]["certifications"])
        listed = await client.get("/unified/lms/users", params={"truto_key_by": "id", "limit": 3})
        assert listed.text.count(LOGIN_KEY_MARK) == 3
        raw = await client.get(f"/unified/lms/users/{user_id}", params={"truto_response_format": "raw"})
        assert LOGIN_KEY_MARK in raw.text


async def test_secrets_can_be_switched_off(organisation):
    async with client_of(truto_app(organisation, options=replace(STRICT, remote_secrets=False))) as client:
        assert LOGIN_KEY_MARK not in (await client.get("/unified/lms/users/8")).text


async def test_without_remote_data_no_response_has_any(organisation, pairs):
    async with client_of(truto_app(organisation, options=replace(UNLIMITED, remote_data=False))) as client:
        for path in (ENROLLMENTS, "/unified/lms/users", "/unified/lms/users/8", "/unified/lms/courses/101"):
            for params in ({}, {"truto_ignore_remote_data": "false"}, pair_parameters(pairs[0])):
                assert "remote_data" not in (await client.get(path, params=params)).text
        assert (await client.get("/unified/lms/users/8", params={"truto_response_format": "raw"})).status_code == 400


async def test_the_proxy_returns_the_providers_body_unchanged(organisation):
    app = truto_app(organisation)
    async with client_of(app) as client:
        portal_auth = {"auth": (SAMPLE_API_KEY, "")}
        for path, portal_path in (
            ("/proxy/users/8", "users/id:8"),
            ("/proxy/courses/101", "courses/id:101"),
        ):
            proxied = await client.get(path)
            assert proxied.content == (await client.get(f"/api/v1/{portal_path}", **portal_auth)).content
        for path, portal_path in (
            ("/proxy/courses", "courses"),
            ("/proxy/users?page_size=2&page_number=3", "users/page_size:2,page_number:3"),
        ):
            proxied = await client.get(path, params={**httpx.URL(path).params, **client.params})
            assert proxied.json()["result"] == (await client.get(f"/api/v1/{portal_path}", **portal_auth)).json()
        not_found = await client.get("/proxy/users/999999")
        assert not_found.status_code == 404
        assert not_found.json()["truto_is_remote_error"] is True
        assert not_found.json()["raw_response"]["error"]["message"] == "The requested user does not exist"


@pytest.mark.parametrize(
    "path", ["usersetstatus", "usersetstatus/8", "removeuserfromcourse", "ratelimit/1", "users/8/9"]
)
async def test_the_proxy_reaches_nothing_that_changes_the_portal(organisation, path):
    app = truto_app(organisation)
    async with client_of(app) as client:
        params = {"user_id": "8", "course_id": "101", "status": "inactive"}
        response = await client.get(f"/proxy/{path}", params=params)
    assert response.status_code in (200, 404)
    assert app.unlimited_portal.log.refused() == []
    assert not {"usersetstatus", "removeuserfromcourse"} & set(app.unlimited_portal.log.counts())


async def test_the_proxy_can_be_switched_off(organisation):
    async with client_of(truto_app(organisation, options=replace(STRICT, proxy=False))) as client:
        response = await client.get("/proxy/courses/101")
    assert response.status_code == 403
    assert "truto_is_remote_error" not in response.json()


async def test_a_provider_that_answers_the_proxy_with_no_json_is_a_remote_error(organisation):
    app = truto_app(organisation)
    app.unlimited_portal.faults.add(Fault(status=500, body="html"))
    async with client_of(app) as client:
        response = await client.get("/proxy/courses/101")
    assert response.status_code == 500
    assert response.json()["message"] == "The provider failed"


async def test_an_account_reports_its_capabilities_and_its_required_parameters(organisation):
    app = truto_app(organisation)
    async with client_of(app) as client:
        body = (await client.get(f"/integrated-account/{SAMPLE_ACCOUNT_ID}/capabilities?type=unified")).json()
        assert {"model": "lms", "resource": "course-enrollments", "methods": ["list"]} in body["unified"]
        assert [entry["resource"] for entry in body["proxy"]] == ["users", "courses"]
        assert (body["account"]["status"], body["account"]["is_blocked"]) == ("active", False)
        assert (await client.get("/integrated-account/other/capabilities?type=unified")).status_code == 404
        for options, required in ((STRICT, True), (PERMISSIVE, False)):
            app.options = options
            schema = (await client.get(f"{ENROLLMENTS}/meta/list")).json()["query_schema"]
            assert schema["user"]["required"] is required
            assert schema["course"]["properties"]["id"]["required"] is required


async def test_a_pair_that_is_not_enrolled_is_empty_or_a_404_of_the_provider(organisation, pairs):
    missing_pair = next(("8", course.id) for course in organisation.courses if ("8", course.id) not in pairs)
    app = truto_app(organisation)
    async with client_of(app) as client:
        assert (await client.get(ENROLLMENTS, params=pair_parameters(missing_pair))).json()["result"] == []
        app.options = replace(STRICT, not_enrolled="error")
        response = await client.get(ENROLLMENTS, params=pair_parameters(missing_pair))
        assert response.status_code == 404
        assert response.json()["truto_is_remote_error"] is True
        assert (await client.get(ENROLLMENTS, params=pair_parameters(pairs[0]))).json()["result_count"] == 1


@pytest.mark.parametrize(("largest", "limits"), [(100, [1000, 101]), (0, [1000, 100, 1])])
async def test_a_limit_can_be_refused_in_the_words_of_the_provider(organisation, largest, limits):
    refusal = TrutoFault(status=400, remote=True, message="page size too large")
    options = replace(UNLIMITED, largest_limit=largest, limit_refusal=refusal)
    async with client_of(truto_app(organisation, options=options)) as client:
        for path in (ENROLLMENTS, "/unified/lms/users", "/unified/lms/courses"):
            for limit in limits:
                response = await client.get(path, params={"limit": limit})
                assert (response.status_code, response.json()["message"]) == (400, "page size too large")
            assert (await client.get(path, params={"limit": largest} if largest else {})).status_code == 200


@pytest.mark.parametrize(("original_in", "names"), [("details", {"details"}), ("both", {"details", "raw_response"})])
async def test_an_error_can_have_the_providers_answer_as_details(organisation, pairs, original_in, names):
    options = replace(STRICT, original_in=original_in, pair_refusal=TrutoFault(status=409, remote=True, message="odd"))
    async with client_of(truto_app(organisation, options=options)) as client:
        for response in (
            await client.get(ENROLLMENTS, params=pair_parameters(pairs[0])),
            await client.get("/proxy/users/999999"),
        ):
            assert {"details", "raw_response"} & set(response.json()) == names
            assert all(response.json()[name]["error"]["message"] for name in names)


async def test_every_error_can_tell_conditionally_required_parameters(organisation):
    app = truto_app(organisation, options=replace(STRICT, conditionally_required=True))
    app.faults.add(TrutoFault(status=429, remote=True, retry_after="7"), endpoint="users")
    async with client_of(app) as client:
        for path, status in (("/unified/lms/users", 429), ("/nothing", 404), ("/unified/lms/courses/999999", 404)):
            response = await client.get(path)
            assert response.status_code == status
            assert "conditionally_required_query_parameters" in response.json()["truto_error_insight"]
            assert response.headers.get("retry-after") == ("7" if status == 429 else None)
        assert "truto_error_insight" not in (await client.get("/unified/lms/users")).json()


async def test_a_record_can_be_answered_in_place_of_another(organisation, pairs):
    wrong_records = {"courses:101": "102", "users:8": "9"}
    app = truto_app(organisation, options=replace(UNLIMITED, wrong_records=wrong_records))
    async with client_of(app) as client:
        for path in ("/unified/lms/courses/101", "/proxy/courses/101"):
            assert (await client.get(path)).json()["id"] == "102"
        assert (await client.get("/unified/lms/users/8")).json()["id"] == "9"
        listed = (await client.get(ENROLLMENTS, params={"user[id]": "8", "limit": 100})).json()["result"]
        assert {item["course"]["id"] for item in listed} == {
            course_id for user_id, course_id in pairs if user_id == "9"
        }
        assert {item["user"]["id"] for item in listed} == {"9"}


async def test_enrollments_can_have_ids_alone(organisation, pairs):
    async with client_of(truto_app(organisation, options=replace(STRICT, names=False))) as client:
        (enrollment,) = (await client.get(ENROLLMENTS, params=pair_parameters(pairs[0]))).json()["result"]
        assert enrollment["user"] == {"id": pairs[0][0]}
        assert enrollment["course"] == {"id": pairs[0][1]}
        query = {**pair_parameters(pairs[0]), "truto_exclude_fields": "user"}
        assert "user" not in (await client.get(ENROLLMENTS, params=query)).json()["result"][0]


@pytest.mark.parametrize(("last_cursor", "expected"), [("null", None), ("empty", ""), ("absent", "nothing")])
async def test_a_last_page_has_a_null_empty_or_absent_cursor(organisation, last_cursor, expected):
    app = truto_app(organisation, options=replace(UNLIMITED, last_cursor=last_cursor))
    async with client_of(app) as client:
        body = (await client.get("/unified/lms/courses")).json()
        assert body.get("next_cursor", "nothing") == expected
        assert (await client.get("/unified/lms/courses", params={"limit": 2})).json()["next_cursor"]


async def test_truto_and_the_portals_own_api_are_served_on_one_port(organisation, pairs):
    app = truto_app(organisation)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            port = await group.start(serve, app, "127.0.0.1", 0)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                response = await client.get("/api/v1/siteinfo", auth=(SAMPLE_API_KEY, ""))
                assert response.json()["total_courses"]
                headers = {"Authorization": f"Bearer {SAMPLE_TRUTO_TOKEN}"}
                query = f"integrated_account_id={SAMPLE_ACCOUNT_ID}&user[id]={pairs[0][0]}&course[id]={pairs[0][1]}"
                response = await client.get(f"{ENROLLMENTS}?{query}", headers=headers)
                assert response.json()["result_count"] == 1
            group.cancel_scope.cancel()


async def test_lifespan_events_are_acknowledged(organisation):
    message_types = []
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(events)

    async def send(message):
        message_types.append(message["type"])

    await truto_app(organisation)({"type": "lifespan"}, receive, send)
    assert message_types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
