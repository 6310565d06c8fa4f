import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_portal import API_KEY, BASE_URL, NOW

from mcp_truto_lms.domain.errors import (
    AccessDenied,
    ConfigurationError,
    NotFound,
    RateLimited,
    SourceError,
    Unavailable,
    UnexpectedAnswer,
)
from mcp_truto_lms.domain.source import FetchRoute, Scope
from mcp_truto_lms.providers.rate_limiter import RateLimiter
from mcp_truto_lms.providers.talentlms.api import READABLE, TALENTLMS, NotEnrolled, path_of
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource

pytestmark = pytest.mark.anyio

HTML = "<!DOCTYPE html><html><body>Unlimited learning, sign in</body></html>"


def error(message, status=400, kind="invalid_request_error"):
    return httpx.Response(status, json={"error": {"type": kind, "message": message}})


def ratelimit(remaining, limit=2000):
    return {"limit": str(limit), "remaining": str(remaining), "reset": str(int(NOW) + 300), "formatted_reset": "x"}


@pytest.mark.parametrize(
    ("endpoint", "arguments"),
    [
        ("removeuserfromcourse", {"course_id": "1", "user_id": "2"}),
        ("addusertocourse", {"course_id": "1", "user_id": "2"}),
        ("usersetstatus", {"user_id": "1", "status": "inactive"}),
        ("resetuserprogress", {"course_id": "1", "user_id": "2"}),
        ("gotocourse", {"course_id": "1", "user_id": "2"}),
        ("userlogin", {}),
        ("userlogout", {}),
        ("forgotpassword", {"username": "x"}),
        ("deleteuser", {"id": "1"}),
        ("Users", {}),
        ("users/id:1/../../removeuserfromcourse", {}),
        ("users", {"page_size": "10"}),
        ("users", {"id": "1", "email": "x"}),
        ("courses", {"custom_field_1": "x"}),
        ("getuserstatusincourse", {"course_id": "1"}),
        ("", {}),
    ],
)
async def test_a_call_that_is_not_allow_listed_is_not_sent(source_over, endpoint, arguments):
    source, portal = source_over({})
    with pytest.raises(ValueError, match="only read"):
        await source._api.read(endpoint, arguments)
    assert portal.requests == []
    assert source.calls == 0


@given(st.sampled_from(sorted(READABLE)), st.text())
def test_the_value_of_an_argument_cannot_add_arguments_or_path_segments(endpoint, value):
    for names in READABLE[endpoint]:
        try:
            path = path_of(endpoint, dict.fromkeys(names, value))
        except UnicodeEncodeError:
            continue
        name, _, arguments = path.partition("/")
        assert name == endpoint
        assert len(arguments.split(",")) == max(len(names), 1)
        assert not set("/?#&+ ") & set(arguments)


async def test_all_special_characters_of_arguments_are_encoded(source_over):
    address = "zoë+a,b/c@x.example"
    source, portal = source_over({})
    await source.find_learner(email=address)
    assert portal.asked == ["users/email:zo%C3%AB%2Ba%2Cb%2Fc%40x.example"]


async def test_the_key_is_the_user_name_and_the_password_is_empty(source_over):
    source, portal = source_over({"courses": []})
    await source.courses()
    user_and_password = httpx.BasicAuth(API_KEY, "")._auth_header
    assert {request.headers["authorization"] for request in portal.requests} == {user_and_password}
    await source.aclose()


@pytest.mark.parametrize(
    ("answer", "expected", "says"),
    [
        (error("The requested user does not exist", 404), NotFound, "no person with the id 7"),
        (error("The requested user does not exist", 200), NotFound, "no person with the id 7"),
        (error("Invalid arguments provided", 400), NotFound, "no person"),
        (error("The requested API action does not exist", 404), UnexpectedAnswer, "`users`"),
        (error("The requested API action does not exist", 400), UnexpectedAnswer, "`users`"),
        (httpx.Response(200, json={"error": "The requested user does not exist"}), NotFound, "no person"),
        (httpx.Response(401, text="HTTP Basic: Access denied."), AccessDenied, "TALENTLMS_API_KEY"),
        (httpx.Response(401, html=HTML), AccessDenied, "TALENTLMS_API_KEY"),
        (error("Your API key is not valid", 400), AccessDenied, "TALENTLMS_DOMAIN"),
        (error("Nope", 403), AccessDenied, "TALENTLMS_API_KEY"),
        (httpx.Response(200, html=HTML), UnexpectedAnswer, "not JSON"),
        (httpx.Response(200, text='{"id":'), UnexpectedAnswer, "not JSON"),
        (httpx.Response(200, text="null"), UnexpectedAnswer, "not JSON"),
        (httpx.Response(404, html=HTML), Unavailable, "TALENTLMS_DOMAIN"),
        (httpx.Response(302, headers={"location": "https://www.other.example/"}), Unavailable, "TALENTLMS_DOMAIN"),
        (httpx.Response(418, text="teapot"), UnexpectedAnswer, "HTTP 418"),
        (httpx.Response(500, html=HTML), Unavailable, "on its side"),
        (httpx.Response(503, text="Service temporarily unavailable"), Unavailable, "on its side"),
        (httpx.Response(429, text="slow down"), RateLimited, "Ask again"),
        (error("You have reached your hourly API rate limit", 400), RateLimited, "in 5 s"),
        (error("API limit exceeded", 403), RateLimited, "Ask again"),
        (error("Too many requests", 200, "api_error"), RateLimited, "Ask again"),
        (httpx.Response(403, text="Rate limit exceeded"), RateLimited, "Ask again"),
        (httpx.ConnectError("x"), Unavailable, "TALENTLMS_DOMAIN"),
    ],
)
async def test_every_error_says_what_to_do_and_shows_no_secret(source_over, answer, expected, says):
    source, _ = source_over({"users/id:7": [answer]})
    with pytest.raises(SourceError, match=says) as caught:
        await source.enrollments(Scope(user_id="7"), courses={}, learners={})
    assert type(caught.value) is expected
    for secret in (API_KEY, "html", "teapot", "slow down"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "says"),
    [("The requested course does not exist", "no course with the id 9"), ("The requested user does not exist", "id 7")],
)
async def test_the_error_of_a_pair_names_what_does_not_exist(source_over, message, says):
    source, _ = source_over({"getuserstatusincourse/course_id:9,user_id:7": error(message, 404)})
    with pytest.raises(NotFound, match=says) as caught:
        await source.enrollments(Scope("7", "9"), courses={}, learners={})
    assert not isinstance(caught.value, NotEnrolled)


async def test_the_error_of_an_unknown_email_address_does_not_repeat_it(source_over):
    source, _ = source_over({"users/email:zoe%40x.example": error("The requested user does not exist", 404)})
    with pytest.raises(NotFound, match="with this email"):
        await source._api.read("users", {"email": "zoe@x.example"})
    assert await source.find_learner(email="zoe@x.example") is None


async def test_an_exhausted_hourly_limit_is_reported_with_its_reset_time(source_over):
    for status in (400, 403, 429):
        source, _ = source_over(
            {
                "courses": error("You have reached your hourly API rate limit", status, "api_error"),
                "siteinfo": {},
                "ratelimit": [httpx.Response(200, json=ratelimit(1500)), httpx.Response(200, json=ratelimit(0))],
            }
        )
        with pytest.raises(RateLimited, match=r"hourly limit of 2,000 calls.*opens again at \d\d:\d\d UTC") as caught:
            await source.courses()
        assert caught.value.retry_after_seconds is not None


async def test_the_last_tenth_of_the_hourly_limit_is_reserved(source_over):
    source, portal = source_over({"courses": [], "ratelimit": ratelimit(200)})
    with pytest.raises(RateLimited) as caught:
        await source.courses()
    assert caught.value.retry_after_seconds == 300
    assert portal.asked == []


async def test_a_wrong_key_is_refused_before_the_first_call(source_over):
    source, portal = source_over({"ratelimit": httpx.Response(401, text="no")})
    with pytest.raises(AccessDenied):
        await source.portal()
    assert portal.asked == []
    source, _ = source_over({"ratelimit": error("The API key is wrong")})
    with pytest.raises(AccessDenied):
        await source.portal()


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.ReadError("cut"), httpx.Response(200, text="<p>")])
async def test_a_portal_that_does_not_report_its_hourly_limit_is_read(source_over, answer):
    source, portal = source_over({"ratelimit": [answer], "courses": [], "siteinfo": {}})
    assert await source.courses() == ()
    assert portal.asked == ["siteinfo", "courses"]
    assert source.calls == 3


async def test_a_call_is_retried_after_a_temporary_failure(source_over, fake_time):
    source, _ = source_over(
        {"siteinfo": {}, "courses": [httpx.Response(503), httpx.ReadError("x"), httpx.Response(200, json=[])]}
    )
    assert await source.courses() == ()
    assert fake_time.slept == [0.5, 1.0]


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_an_error_that_names_its_setting(key):
    with pytest.raises(ConfigurationError, match="TALENTLMS_API_KEY"):
        TalentLmsSource.connect(BASE_URL, key)


def test_an_invalid_address_is_an_error_that_names_its_setting():
    with pytest.raises(ConfigurationError, match="TALENTLMS_DOMAIN"):
        TalentLmsSource.connect("acme", API_KEY)


def test_each_route_costs_one_call_and_the_list_route_is_not_available(source_over):
    source, _ = source_over({})
    assert {route: source.capabilities.calls(route) for route in FetchRoute} == {
        FetchRoute.LIST: None,
        FetchRoute.COURSE: 1,
        FetchRoute.LEARNER: 1,
        FetchRoute.PAIR: 1,
    }


async def test_no_window_of_the_portal_has_too_many_calls_where_they_arrive_late_by_up_to_half_a_second(fake_time):
    limiter = RateLimiter(TALENTLMS.limits, clock=fake_time.clock, sleep=fake_time.sleep)
    arrivals = []
    for number in range(450):
        await limiter.acquire()
        arrivals.append(fake_time.seconds + (0.0 if number % 200 >= 150 else 0.49))
    arrivals.sort()
    assert all(later - earlier > 5 for earlier, later in zip(arrivals, arrivals[200:], strict=False))
