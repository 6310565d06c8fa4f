"""What the server loads, and when: a client sees the tools before anything of the store, of HTTP or of the portal."""

import json
import subprocess
import sys

import pytest
from processes import COMMAND, LIST, ROOT, run, sample

LATER = (
    "sqlalchemy",
    "httpx",
    "mcp_truto_lms.store",
    "mcp_truto_lms.sandbox",
    "mcp_truto_lms.providers",
    "mcp_truto_lms.server.asgi",
)
"""Packages that the first question needs, and the list of tools does not."""

WATCHED = """
import json, sys
from mcp_truto_lms.server.tools import QueryTool
from mcp_truto_lms.cli.main import main
call = QueryTool.call
shown = sys.stderr

def loaded():
    print(json.dumps(sorted(sys.modules)), file=shown, flush=True)

async def watched(self, *arguments, **named):
    loaded()
    try:
        return await call(self, *arguments, **named)
    finally:
        loaded()

QueryTool.call = watched
main([])
"""


def of_later(modules: list[str]) -> set[str]:
    return {name for name in LATER for module in modules if module == name or module.startswith(f"{name}.")}


@pytest.fixture(scope="module")
def loaded() -> list[list[str]]:
    """The modules when the first call comes, after the tools were listed, and when it is answered."""
    client = {"name": "test", "version": "0"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    with subprocess.Popen(
        [sys.executable, "-c", WATCHED],
        env=sample(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as server:
        for number, (method, params) in enumerate(
            [("initialize", hello), ("tools/list", {}), ("tools/call", {"name": LIST, "arguments": {"limit": 1}})]
        ):
            message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            server.stdin.write(json.dumps(message).encode() + b"\n")
            server.stdin.flush()
            assert "result" in json.loads(server.stdout.readline())
        _, err = server.communicate(timeout=30)
    return [json.loads(line) for line in err.splitlines()]


def test_the_tools_are_listed_before_the_store_the_http_client_and_the_sample_portal_are_loaded(loaded):
    assert of_later(loaded[0]) == set()


def test_the_first_question_loads_them(loaded):
    assert of_later(loaded[1]) == {*LATER} - {"mcp_truto_lms.server.asgi"}


def test_help_loads_none_of_them():
    done = run(COMMAND[0], "-X", "importtime", *COMMAND[1:], "--help", env=sample())
    assert done.returncode == 0
    assert of_later([line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]) == set()
