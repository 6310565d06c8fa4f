"""Requests to the TalentLMS sandbox: errors, the log, authentication and protocols."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, sample_app
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.variations import Variations

pytestmark = pytest.mark.anyio
ClientOf = Callable[..., httpx.AsyncClient]


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


async def test_requests_that_would_change_the_portal_are_refused_and_recorded(
    organisation: Organisation, client_of: ClientOf
):
    app = sample_app(organisation)
    async with client_of(app) as client:
        await client.get("usersetstatus/user_id:7,status:inactive")
        await client.post("users", content=b"{}")
        await client.get("courses")
    assert [(request.method, request.endpoint) for request in app.log.refused()] == [
        ("GET", "usersetstatus"),
        ("POST", "users"),
    ]
    assert len(app.log) == 3


async def test_the_log_has_endpoints_and_arguments_but_no_credentials(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    async with client_of(app) as client:
        await client.get("Courses/id:101")
        await client.get("users/email:a%2Cb%3Ac%40x.example")
        await client.get("courses%2Fodd/id%3A7")
    assert [(request.endpoint, request.arguments) for request in app.log] == [
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
async def test_missing_or_unreadable_credentials_are_a_401(organisation: Organisation, header: str | None):
    transport = httpx.ASGITransport(app=sample_app(organisation))
    headers = {} if header is None else {"authorization": header}
    async with httpx.AsyncClient(transport=transport, base_url="http://x/api/v1", headers=headers) as client:
        assert (await client.get("courses")).status_code == 401


async def test_a_path_outside_of_the_api_is_an_html_page(organisation: Organisation, client_of: ClientOf):
    app = sample_app(organisation)
    async with client_of(app) as client:
        response = await client.get("http://sample.talentlms.example/index")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert not len(app.log)


async def test_the_path_is_used_if_a_server_passes_no_raw_path(organisation: Organisation):
    messages = await call_app(organisation, {"type": "http", "method": "GET", "path": "/api/v1/courses", "headers": []})
    assert messages[0]["status"] == 401


async def test_start_up_and_shut_down_are_acknowledged(organisation: Organisation):
    messages = await call_app(organisation, {"type": "lifespan"})
    assert [message["type"] for message in messages] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_other_protocols_are_refused(organisation: Organisation):
    with pytest.raises(ValueError, match="websocket"):
        await call_app(organisation, {"type": "websocket"})


async def call_app(organisation: Organisation, scope: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: Any) -> None:
        messages.append(message)

    await sample_app(organisation)(scope, receive, send)
    return messages
