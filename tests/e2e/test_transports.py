"""The server on each of its transports, through the official client, over a sample portal in another process."""

import json
import re
import socket
import urllib.error
import urllib.request

import anyio
import pytest
from mcp import Client
from processes import (
    DEADLINE_SECONDS,
    LIST,
    SUMMARIZE,
    TOOLS,
    StdioServer,
    ask,
    by_stdio,
    client_target,
    environment,
    in_terminal,
    sandbox,
    serving,
)
from truth import facts, number

COURSE = "GDPR & Data Protection"


@pytest.mark.parametrize("transport", ["stdio", "sse", "streamable-http"])
def test_a_client_of_either_protocol_lists_two_tools_and_gets_right_answers(transport, connected, organisation):
    in_course = [fact for fact in facts(organisation) if fact.course == COURSE]
    overdue = number(in_course, lambda fact: fact.overdue)
    finished = number(in_course, lambda fact: fact.finished)

    async def use(target, mode: str) -> None:
        with anyio.fail_after(DEADLINE_SECONDS):
            async with Client(target, mode=mode) as client:
                assert [tool.name for tool in (await client.list_tools()).tools] == TOOLS
                rows = await client.call_tool(LIST, {"course": COURSE, "state": "overdue", "limit": 200})
                counts = await client.call_tool(SUMMARIZE, {"course": COURSE, "group_by": "course"})
        assert not rows.is_error
        assert rows.content[0].text.startswith(f"{overdue} of {overdue} enrollments: overdue, {COURSE}")
        assert not counts.is_error
        assert f"\n{COURSE},{len(in_course)},{finished}," in counts.content[0].text

    with client_target(transport, connected) as target:
        for mode in ("auto", "legacy"):
            anyio.run(use, target(), mode)


def test_nothing_but_protocol_is_on_stdout_and_nothing_at_all_on_stderr(connected):
    with StdioServer(connected) as server:
        for tool in TOOLS:
            server.request("tools/call", name=tool, arguments={})
        server.stdin.close()
        assert server.popen.wait(DEADLINE_SECONDS) == 0
        assert server.rest() == b""
        assert server.stderr == ""
        assert {message["jsonrpc"] for message in server.messages} == {"2.0"}


@pytest.mark.parametrize(
    ("transport", "host"), [("sse", "0.0.0.0"), ("sse", "lms.example.com"), ("streamable-http", "::")]
)
def test_an_address_that_others_can_reach_is_refused_with_the_reason(transport, host):
    done = in_terminal("--transport", transport, "--host", host)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"--host {host} can be reached from other machines, and the server does not ask who calls: "
    )


def test_the_sample_portal_too_refuses_an_address_that_others_can_reach():
    done = in_terminal("sandbox", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "can be reached from other machines" in done.stderr


@pytest.mark.parametrize("command", [["--transport", "sse"], ["sandbox"]])
def test_a_port_in_use_is_named(command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = in_terminal(*command, "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Port {port} of 127.0.0.1 cannot be used: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("TALENTLMS_DOMAIN", "TALENTLMS_API_KEY"),
        ("TRUTO_API_TOKEN", "TRUTO_INTEGRATED_ACCOUNT_ID"),
        ("TRUTO_INTEGRATED_ACCOUNT_ID", "TRUTO_API_TOKEN"),
    ],
)
def test_on_stdio_the_tools_say_which_credential_is_missing(given, missing):
    text, is_error = ask(by_stdio(environment(**{given: "half-of-it"})), LIST)
    assert is_error
    assert text.startswith(f"{missing} is missing: ")


def test_a_web_page_cannot_reach_the_server_through_the_browser(connected):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    with serving("streamable-http", env=connected) as (url, _):
        with urllib.request.urlopen(urllib.request.Request(url, body, usual), timeout=DEADLINE_SECONDS) as answer:
            assert answer.status == 200
        for header in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            with pytest.raises(urllib.error.HTTPError, match=r"421|403") as refused:
                urllib.request.urlopen(urllib.request.Request(url, body, usual | header), timeout=DEADLINE_SECONDS)
            refused.value.close()


def test_a_wrong_key_is_a_tool_error_that_names_the_setting(connected):
    text, is_error = ask(by_stdio(connected | {"TALENTLMS_API_KEY": "wrong" * 6}), LIST)
    assert is_error
    assert text.startswith("TalentLMS refused the API key: check TALENTLMS_API_KEY")


def test_a_portal_that_has_died_is_a_tool_error_that_says_so():
    with sandbox() as (env, portal), StdioServer(env) as server:
        answered = server.request("tools/call", name=LIST, arguments={"user": "jane.doe@northgate.example"})
        assert not answered.get("isError")
        portal.popen.kill()
        portal.popen.wait()
        failed = server.request("tools/call", name=LIST, arguments={"user": "grace.lindholm@northgate.example"})
        assert failed["isError"]
        assert re.match(r"TalentLMS at 127\.0\.0\.1 (cannot be reached|broke off)", failed["content"][0]["text"])


@pytest.mark.parametrize(
    ("given", "missing", "command"),
    [
        ("TALENTLMS_API_KEY", "TALENTLMS_DOMAIN", ["serve"]),
        ("TALENTLMS_DOMAIN", "TALENTLMS_API_KEY", ["--transport", "sse"]),
        ("TALENTLMS_BASE_URL", "TALENTLMS_API_KEY", ["doctor"]),
    ],
)
def test_half_set_credentials_are_an_error_that_names_the_other_half(given, missing, command):
    done = in_terminal(*command, env=environment(**{given: "http://127.0.0.1:9"}))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{missing} is missing: ")
    assert done.stderr.count("\n") == 1
