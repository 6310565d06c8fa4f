"""No process shows the API key, whatever fails and however much is logged."""

import base64
import json

import pytest
from processes import DEADLINE_SECONDS, LIST, SUMMARIZE, StdioServer, ask, in_terminal, serving

from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY

RIGHT, WRONG = SAMPLE_API_KEY, "0123456789abcdefghijklmnopqrst"


def forms(key: str) -> list[str]:
    """Return the key, and its form in Basic authentication."""
    return [key, base64.b64encode(f"{key}:".encode()).decode()[:-4]]


@pytest.mark.parametrize("key", [RIGHT, WRONG], ids=["right", "wrong"])
def test_a_server_that_logs_everything_shows_neither_the_key_nor_the_name_in_the_question(key, connected):
    env = connected | {"TALENTLMS_API_KEY": key, "MCP_TRUTO_LMS_LOG_LEVEL": "debug", "PYTHONASYNCIODEBUG": "1"}
    with StdioServer(env) as server:
        server.request("tools/call", name=SUMMARIZE, arguments={})
        server.request("tools/call", name=LIST, arguments={"user": "grace.lindholm@northgate.example"})
        server.stdin.close()
        server.popen.wait(DEADLINE_SECONDS)
        shown = json.dumps(server.messages) + server.rest().decode() + server.stderr
        assert "lindholm" not in server.stderr.lower()
    assert "DEBUG" in shown
    assert [form for form in forms(key) if form in shown] == []


def test_a_server_over_http_does_not_show_the_key(connected):
    with serving("streamable-http", env=connected | {"MCP_TRUTO_LMS_LOG_LEVEL": "debug"}) as (url, process):
        answer, _ = ask(url, LIST, {"limit": 1})
        shown = answer + process.stdout + process.stderr
    assert "DEBUG" in shown
    assert [form for form in forms(RIGHT) if form in shown] == []


def test_the_doctor_does_not_show_the_key(connected):
    done = in_terminal("doctor", env=connected | {"TALENTLMS_API_KEY": WRONG, "MCP_TRUTO_LMS_LOG_LEVEL": "debug"})
    shown = done.stdout + done.stderr
    assert "DEBUG" in shown
    assert [form for form in forms(WRONG) if form in shown] == []
