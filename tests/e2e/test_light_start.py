"""What the server imports, and when: a client sees the tools before the store, HTTP or a provider is imported."""

import json
import sys

import pytest
from processes import COMMAND, LIST, StdioServer, run, sample

LATER = (
    "sqlalchemy",
    "httpx",
    "mcp_truto_lms.store",
    "mcp_truto_lms.sandbox",
    "mcp_truto_lms.providers",
    "mcp_truto_lms.http_serving",
    "mcp_truto_lms.server.asgi",
)
"""Packages that the list of tools does not need; the first question needs all but those for HTTP serving."""
SERVING = {"mcp_truto_lms.http_serving", "mcp_truto_lms.server.asgi"}

WATCHED_SERVER = """
import json, sys
from mcp_truto_lms.server.tools import QueryTool
from mcp_truto_lms.cli.main import main
call = QueryTool.call
stderr = sys.stderr

def print_modules():
    print(json.dumps(sorted(sys.modules)), file=stderr, flush=True)

async def watched_call(self, *arguments, **named):
    print_modules()
    try:
        return await call(self, *arguments, **named)
    finally:
        print_modules()

QueryTool.call = watched_call
main([])
"""


def later_packages(modules: list[str]) -> set[str]:
    return {name for name in LATER for module in modules if module == name or module.startswith(f"{name}.")}


@pytest.fixture(scope="module")
def imported() -> list[list[str]]:
    """The modules before the first call is answered, when the tools have been listed, and afterwards."""
    with StdioServer(sample(), [sys.executable, "-c", WATCHED_SERVER]) as server:
        server.request("tools/list")
        server.request("tools/call", name=LIST, arguments={"limit": 1})
        return [json.loads(line) for line in server.stderr.splitlines()]


def test_the_tools_are_listed_before_the_store_http_and_the_providers_are_imported(imported):
    assert later_packages(imported[0]) == set()


def test_the_first_question_imports_them(imported):
    assert later_packages(imported[1]) == {*LATER} - SERVING


def test_help_imports_none_of_them():
    done = run(COMMAND[0], "-X", "importtime", *COMMAND[1:], "--help", env=sample())
    assert done.returncode == 0
    assert later_packages([line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]) == set()
