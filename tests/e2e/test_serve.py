"""`serve` and the Truto sandbox as processes: what a person would start, and clients of it."""

import httpx
import pytest
from processes import LIST, SUMMARIZE, ask, by_stdio, environment, in_terminal, running, sandbox

TOKEN = "a-token-of-this-test-alone"
COURSE = "Forklift Safety"


@pytest.fixture(scope="module")
def endpoint(connected):
    """The address of `serve` over a sample portal in another process, with a token."""
    env = connected | {"MCP_TRUTO_LMS_HTTP_TOKENS": TOKEN}
    with running("serve", "--port", "0", "--account-id", "acme", env=env) as process:
        yield process.wait_for(r"^Serving (http://127\.0\.0\.1:\d+)/mcp and /unified/lms$")[1]


def get(url: str, token: str | None = TOKEN, **params: str) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.get(url, params=params, headers=headers, timeout=60)


def test_the_unified_endpoint_answers_over_a_portal_in_another_process(endpoint):
    params = {"integrated_account_id": "acme", "user[id]": "8", "course[id]": "102"}
    answer = get(f"{endpoint}/unified/lms/course-enrollments", **params).json()
    assert [one["id"] for one in answer["result"]] == ["8_102"]


@pytest.mark.parametrize("path", ["/unified/lms/courses", "/mcp"])
@pytest.mark.parametrize("token", [None, "another-token-altogether"])
def test_without_the_token_there_is_no_answer(endpoint, path, token):
    assert get(f"{endpoint}{path}", token).status_code == 401


def test_its_health_is_told_to_everyone(endpoint):
    assert get(f"{endpoint}/healthz", None).json() == {"status": "ok"}


def test_another_address_than_loopback_needs_a_token():
    done = in_terminal("serve", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "MCP_TRUTO_LMS_HTTP_TOKENS" in done.stderr


def test_a_token_that_is_too_short_is_refused_without_being_shown():
    done = in_terminal("serve", env=environment(MCP_TRUTO_LMS_HTTP_TOKENS="sesame"))
    assert done.returncode == 1
    assert done.stderr.startswith("MCP_TRUTO_LMS_HTTP_TOKENS takes one token of at least 16")
    assert "sesame" not in done.stderr


@pytest.mark.parametrize("options", [[], ["--permissive"]])
def test_the_tools_answer_through_truto_what_they_answer_of_the_portal(connected, options):
    question = {"course": COURSE, "state": "overdue", "fields": ["user.name", "progress_percent"]}
    expected, _ = ask(by_stdio(connected), LIST, question)
    with sandbox("TRUTO", *options) as (env, _):
        answered, is_error = ask(by_stdio(env), LIST, question)
        assert not is_error
        assert answered.splitlines()[1:-1] == expected.splitlines()[1:-1]
        assert not ask(by_stdio(env), SUMMARIZE)[1]


def test_the_doctor_reads_through_truto_and_shows_no_token():
    with sandbox("TRUTO") as (env, _):
        done = in_terminal("doctor", env=env)
    assert done.returncode == 0
    assert "through Truto at http://127.0.0.1" in done.stdout
    assert env["TRUTO_API_TOKEN"] not in done.stdout + done.stderr
