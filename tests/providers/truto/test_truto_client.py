import httpx
import pytest

from mcp_truto_lms.domain.errors import ConfigurationError, UnexpectedAnswer
from mcp_truto_lms.provider_registry import TRUTO
from mcp_truto_lms.providers.truto.client import MAX_EMPTY_PAGES, TrutoClient
from mcp_truto_lms.providers.truto.errors import MissingParameters, RequestRefused
from mcp_truto_lms.settings import Settings
from tests.providers.truto.scripted_truto import ACCOUNT, TOKEN, URL, envelope, missing_parameters

pytestmark = pytest.mark.anyio

EVERY_PARAMETER = {
    "truto_response_format": "normalized",
    "truto_key_by": "id",
    "truto_ignore_limit": True,
    "truto_ignore_remote_data": True,
    "truto_exclude_fields": ["score", "urls"],
    "remote_query": {"page_size": 5, "filter": {"on": ["a", "b"]}},
    "user": {"id": "7"},
    "course": {"id": "12"},
    "limit": 10,
    "next_cursor": "c=1&d",
}


async def test_every_parameter_is_sent_under_its_own_name(client_over):
    client, truto = client_over({"/course-enrollments": {"result": {"7_12": {"id": "7_12"}}}})
    page = await client.list_course_enrollments(ACCOUNT, **EVERY_PARAMETER)
    (request,) = truto.requests
    assert request.method == "GET"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.url.params.multi_items() == [
        ("integrated_account_id", ACCOUNT),
        ("truto_response_format", "normalized"),
        ("truto_key_by", "id"),
        ("truto_ignore_limit", "true"),
        ("truto_ignore_remote_data", "true"),
        ("truto_exclude_fields[]", "score"),
        ("truto_exclude_fields[]", "urls"),
        ("remote_query[page_size]", "5"),
        ("remote_query[filter][on][]", "a"),
        ("remote_query[filter][on][]", "b"),
        ("user[id]", "7"),
        ("course[id]", "12"),
        ("limit", "10"),
        ("next_cursor", "c=1&d"),
    ]
    assert page.result == {"7_12": {"id": "7_12"}}
    assert page.items == [{"id": "7_12"}]
    await client.aclose()


async def test_a_page_holds_the_members_of_the_envelope(client_over):
    body = {
        "result": [{"id": "1"}],
        "next_cursor": "n",
        "prev_cursor": "p",
        "result_count": "1",
        "is_partial_response": True,
    }
    client, _ = client_over({"/users": body})
    page = await client.list_users(ACCOUNT)
    assert (page.result, page.next_cursor, page.prev_cursor) == ([{"id": "1"}], "n", "p")
    assert (page.result_count, page.is_partial_response) == (1, True)
    assert "'1'" not in repr(page)


@pytest.mark.parametrize(
    ("body", "items"),
    [
        ([{"id": 1}, "odd"], [{"id": 1}]),
        ({"courses": []}, [{"courses": []}]),
        ({}, []),
        ({"result": None}, []),
        ({"result": {"a": {"id": 1}, "b": 2}, "next_cursor": 5, "result_count": True}, [{"id": 1}]),
    ],
)
async def test_a_raw_body_of_any_shape_is_a_page(client_over, body, items):
    client, _ = client_over({"/courses": lambda _: body})
    assert (await client.list_courses(ACCOUNT, truto_response_format="raw")).items == items


@pytest.mark.parametrize("body", ["text", 5, None, {"result": "text"}])
async def test_a_body_that_is_not_a_list_is_an_error(client_over, body):
    client, _ = client_over({"/courses": body})
    with pytest.raises(UnexpectedAnswer, match="not a list"):
        await client.list_courses(ACCOUNT)


async def test_a_get_returns_one_record(client_over):
    client, truto = client_over({"/users/a/b": {"id": "a/b"}, "/courses/12": {"id": "12"}, "/courses/13": [[]]})
    assert await client.get_user(ACCOUNT, "a/b", truto_exclude_fields=["urls"]) == {"id": "a/b"}
    assert await client.get_course(ACCOUNT, "12") == {"id": "12"}
    assert truto.requests[0].url.raw_path.startswith(b"/unified/lms/users/a%2Fb?")
    with pytest.raises(UnexpectedAnswer, match="not a record"):
        await client.get_course(ACCOUNT, "13")


@pytest.mark.parametrize("record_id", ["", ".", ".."])
async def test_an_id_that_changes_the_path_is_refused(client_over, record_id):
    client, truto = client_over({})
    with pytest.raises(ValueError, match="not an id"):
        await client.get_user(ACCOUNT, record_id)
    assert truto.requests == []


async def test_the_proxy_returns_the_providers_own_body(client_over):
    client, truto = client_over({"/proxy/users/7": [[1]]})
    assert await client.get_proxied(ACCOUNT, "users", "7") == [1]
    assert truto.requests[0].url.params["integrated_account_id"] == ACCOUNT


async def test_a_list_is_read_page_by_page(client_over):
    pages = [envelope({"id": "1"}, cursor="a"), envelope(cursor="b"), envelope({"id": "2"}, cursor=None)]
    client, truto = client_over({"/course-enrollments": list(pages), "/users": list(pages), "/courses": list(pages)})
    for read in (client.course_enrollments, client.users, client.courses):
        truto.requests.clear()
        assert [item["id"] async for item in read(ACCOUNT, truto_exclude_fields=["urls"])] == ["1", "2"]
        assert [request.url.params.get("next_cursor") for request in truto.requests] == [None, "a", "b"]
        assert {request.url.params.get("truto_exclude_fields[]") for request in truto.requests} == {"urls"}


@pytest.mark.parametrize("last_envelope", [{"next_cursor": None}, {"next_cursor": ""}, {}, {"next_cursor": "a"}])
async def test_a_list_ends_without_a_new_cursor(client_over, last_envelope):
    client, truto = client_over(
        {"/users": [envelope({"id": "1"}, cursor="a"), {"result": [{"id": "2"}], **last_envelope}]}
    )
    assert [item["id"] async for item in client.users(ACCOUNT)] == ["1", "2"]
    assert len(truto.requests) == 2


async def test_a_list_ends_after_many_empty_pages(client_over):
    client, truto = client_over({"/users": lambda _: envelope(cursor=f"c{len(truto.requests)}")})
    assert [item async for item in client.users(ACCOUNT)] == []
    assert len(truto.requests) == MAX_EMPTY_PAGES + 1


async def test_an_unknown_parameter_is_refused_before_any_call(client_over):
    client, truto = client_over({})
    with pytest.raises(TypeError, match="no parameter 'users'"):
        await client.list_course_enrollments(ACCOUNT, users={"id": "7"})
    with pytest.raises(TypeError, match="no parameter 'limit'"):
        await client.get_user(ACCOUNT, "7", limit=1)
    with pytest.raises(ValueError, match="no response format 'debug'"):
        await client.list_users(ACCOUNT, truto_response_format="debug")
    with pytest.raises(ValueError, match="stream_course_enrollments"):
        await client.list_course_enrollments(ACCOUNT, truto_response_format="stream")
    assert truto.requests == []


async def test_an_error_body_with_status_200_is_an_error(client_over):
    client, _ = client_over({"/users": {"statusCode": 422, "message": "no"}})
    with pytest.raises(RequestRefused):
        await client.list_users(ACCOUNT)


async def test_a_stream_is_requested_and_read_item_by_item(client_over):
    client, truto = client_over({"/course-enrollments": httpx.Response(200, content=b'{"id":"1"}\n{"id":"2"}\n')})
    ids = [item["id"] async for item in client.stream_course_enrollments(ACCOUNT, user={"id": "7"})]
    assert ids == ["1", "2"]
    assert truto.asked == ["/course-enrollments?user[id]=7&truto_response_format=stream"]


async def test_a_streamed_envelope_continues_at_its_cursor(client_over):
    pages = [envelope({"id": "1"}, cursor="a"), envelope({"id": "2"}, cursor="a")]
    client, truto = client_over({"/course-enrollments": pages})
    assert [item["id"] async for item in client.stream_course_enrollments(ACCOUNT)] == ["1", "2"]
    assert [request.url.params.get("next_cursor") for request in truto.requests] == [None, "a"]


async def test_a_refused_stream_raises_the_same_error_as_a_page(client_over):
    client, truto = client_over({"/course-enrollments": [httpx.Response(502), missing_parameters("user", "course")]})
    with pytest.raises(MissingParameters) as caught:
        await anext(client.stream_course_enrollments(ACCOUNT))
    assert caught.value.parameters == {"user", "course"}
    assert len(truto.requests) == 2


async def test_an_error_in_the_middle_of_a_stream_is_raised(client_over):
    body = b'{"id":"1"}\n{"statusCode":502,"message":"cut","truto_is_remote_error":true}\n'
    client, _ = client_over({"/course-enrollments": httpx.Response(200, content=body)})
    items = client.stream_course_enrollments(ACCOUNT)
    assert await anext(items) == {"id": "1"}
    with pytest.raises(Exception, match="LMS behind Truto failed"):
        await anext(items)


async def test_a_stream_is_read_in_chunks(injected):
    chunks_sent = []

    async def endless():
        while True:
            chunks_sent.append(1)
            yield b'{"id":"%d"}\n' % len(chunks_sent) * 10

    def handler(request):
        return httpx.Response(200, content=endless())

    async with TrutoClient(TOKEN, base_url=URL, transport=httpx.MockTransport(handler), **injected) as client:
        items = client.stream_course_enrollments(ACCOUNT)
        for _ in range(25):
            await anext(items)
        assert len(chunks_sent) == 3
        await items.aclose()


@pytest.mark.parametrize("token", ["", "  ", "two words", "b\u00e4d", "line\nbreak"])
def test_an_invalid_token_names_its_setting(token):
    with pytest.raises(ConfigurationError, match="TRUTO_API_TOKEN"):
        TrutoClient(token)


def test_an_invalid_address_names_its_setting():
    with pytest.raises(ConfigurationError, match="TRUTO_BASE_URL"):
        TrutoClient(TOKEN, base_url="truto")


def test_the_repr_does_not_show_the_token(client_over):
    client, _ = client_over({})
    assert repr(client) == "<TrutoClient at truto.example, 0 calls>"


@pytest.mark.parametrize("address", ["http://api.truto.example", "http://10.0.0.7:8765"])
def test_the_token_is_not_sent_unencrypted_to_another_machine(address):
    settings = Settings.from_env(
        {"TRUTO_API_TOKEN": TOKEN, "TRUTO_INTEGRATED_ACCOUNT_ID": ACCOUNT, "TRUTO_BASE_URL": address}
    )
    with pytest.raises(ConfigurationError, match="would send TRUTO_API_TOKEN unencrypted") as caught:
        TRUTO.connect(settings, None)
    assert TOKEN not in str(caught.value)
    with pytest.raises(ConfigurationError):
        TrutoClient(TOKEN, base_url=address)
    TrutoClient(TOKEN, base_url="http://127.0.0.1:8765")
