"""`serve` and the Truto sandbox as processes, and clients of them."""

import httpx
import pytest
from processes import (
    DEADLINE_SECONDS,
    FEW_PEOPLE,
    LIST,
    SUMMARIZE,
    ask,
    by_stdio,
    environment,
    in_terminal,
    running,
    sandbox,
    serving,
)

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
    return httpx.get(url, params=params, headers=headers, timeout=DEADLINE_SECONDS)


def test_the_unified_endpoint_answers_over_a_portal_in_another_process(endpoint):
    params = {"integrated_account_id": "acme", "user[id]": "8", "course[id]": "102"}
    answer = get(f"{endpoint}/unified/lms/course-enrollments", **params).json()
    assert [record["id"] for record in answer["result"]] == ["8_102"]


@pytest.mark.parametrize("path", ["/unified/lms/courses", "/mcp"])
@pytest.mark.parametrize("token", [None, "another-token-altogether"])
def test_without_the_token_there_is_no_answer(endpoint, path, token):
    assert get(f"{endpoint}{path}", token).status_code == 401


def test_the_health_check_needs_no_token(endpoint):
    assert get(f"{endpoint}/healthz", None).json() == {"status": "ok"}


def test_another_address_than_loopback_needs_a_token():
    done = in_terminal("serve", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "MCP_TRUTO_LMS_HTTP_TOKENS" in done.stderr


def test_an_allowed_host_needs_a_token_too():
    done = in_terminal("serve", "--allowed-host", "lms.example.com")
    assert done.returncode == 1
    assert "MCP_TRUTO_LMS_HTTP_TOKENS" in done.stderr


@pytest.mark.parametrize("transport", ["streamable-http", "sse"])
def test_the_other_transports_need_the_token_too(connected, transport):
    with serving(transport, env=connected | {"MCP_TRUTO_LMS_HTTP_TOKENS": TOKEN}) as (url, _):
        assert get(url, None).status_code == 401


def test_nothing_shows_a_token_whatever_fails_and_however_much_is_logged():
    with sandbox("TRUTO", "--fault", "remote-401") as (env, _):
        settings = env | {"MCP_TRUTO_LMS_HTTP_TOKENS": TOKEN, "MCP_TRUTO_LMS_LOG_LEVEL": "debug"}
        with running("serve", "--port", "0", env=settings) as process:
            address = process.wait_for(r"^Serving (http://127\.0\.0\.1:\d+)/mcp")[1]
            params = {"integrated_account_id": "default"}
            paths = ("unified/lms/courses", "unified/lms/course-enrollments")
            answers = [get(f"{address}/{path}", **params) for path in paths]
            answers.append(get(f"{address}/unified/lms/courses", TOKEN[:-1], **params))
            shown = "".join(answer.text for answer in answers) + process.stdout + process.stderr
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert "reconnect the account" in shown
    assert "DEBUG" in shown
    assert [secret for secret in (TOKEN, TOKEN[:-1], env["TRUTO_API_TOKEN"]) if secret in shown] == []


def test_a_fault_of_the_sandbox_is_what_the_tools_explain():
    with sandbox("TRUTO", "--fault", "blocked") as (env, _):
        text, is_error = ask(by_stdio(env), SUMMARIZE)
    assert is_error
    assert "blocked" in text


def test_an_unknown_fault_lists_the_known_ones():
    done = in_terminal("sandbox", "--port", "0", "--fault", "boredom")
    assert done.returncode == 1
    assert "there are remote-401, " in done.stderr


def test_a_token_that_is_too_short_is_refused_without_being_shown():
    done = in_terminal("serve", env=environment(MCP_TRUTO_LMS_HTTP_TOKENS="sesame"))
    assert done.returncode == 1
    assert done.stderr.startswith("MCP_TRUTO_LMS_HTTP_TOKENS takes one token of at least 16")
    assert "sesame" not in done.stderr


@pytest.mark.parametrize("options", [[], ["--permissive"]])
def test_the_tools_answer_the_same_through_truto_and_from_the_portal(connected, options):
    question = {"course": COURSE, "state": "overdue", "fields": ["user.name", "progress_percent"]}
    expected, _ = ask(by_stdio(connected), LIST, question)
    with sandbox("TRUTO", "--learners", str(FEW_PEOPLE), *options) as (env, _):
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
