"""CSV exports from real processes: a file on the same machine, an address over HTTP."""

import csv
import io
import re
import stat
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from processes import DEADLINE_SECONDS, LIST, TOOLS, ask, by_stdio, in_terminal, running, sample

TOKEN = "a-token-of-this-test-alone"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
QUESTION = {"format": "csv", "course": "Forklift Safety", "limit": 1}
TOTAL = 69


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def check(content: bytes) -> None:
    assert rows(content)[0] == ["learner", "course", "status", "progress", "due"]
    assert len(rows(content)) == TOTAL + 1


def test_over_stdio_the_answer_names_a_file_that_only_its_owner_can_read(tmp_path):
    folder = tmp_path / "exports"
    text, is_error = ask(by_stdio(sample(MCP_TRUTO_LMS_EXPORT_DIR=str(folder))), LIST, QUESTION)
    assert not is_error
    assert f"{TOTAL} rows, 5 columns: " in text
    (file,) = folder.iterdir()
    assert f"\nCSV file, readable by its owner only: {file}\n" in text
    check(file.read_bytes())
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_in_a_terminal_the_default_folder_is_in_the_temporary_directory(tmp_path):
    env = sample(TMPDIR=str(tmp_path), TEMP=str(tmp_path), TMP=str(tmp_path))
    done = in_terminal("list", "--course", "Forklift Safety", "--format", "csv", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    path = Path(re.search(r"owner only: (.+)$", done.stdout, re.MULTILINE)[1])
    assert path.parent == tmp_path / "mcp-truto-lms"
    check(path.read_bytes())


def test_a_folder_that_cannot_be_used_is_an_error_that_names_the_setting(tmp_path):
    env = sample(MCP_TRUTO_LMS_EXPORT_DIR=str(tmp_path / "not" / "there"))
    done = in_terminal("list", "--format", "csv", env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("MCP_TRUTO_LMS_EXPORT_DIR: ")


@pytest.mark.parametrize("command", ["--transport sse", "--transport streamable-http", "serve"])
def test_over_http_the_answer_names_an_address_that_needs_the_token(command):
    settings = {"MCP_TRUTO_LMS_HTTP_TOKENS": TOKEN, "MCP_TRUTO_LMS_STRUCTURED": "1", "MCP_TRUTO_LMS_LOG_LEVEL": "debug"}

    async def use(address: str) -> str:
        with anyio.fail_after(2 * DEADLINE_SECONDS):
            async with httpx.AsyncClient(headers=HEADERS, timeout=DEADLINE_SECONDS) as http:
                if "sse" in command:
                    target = sse_client(f"{address}/sse", headers=HEADERS)
                else:
                    target = streamable_http_client(f"{address}/mcp", http_client=http)
                async with Client(target) as client:
                    assert [tool.name for tool in (await client.list_tools()).tools if tool.output_schema] == TOOLS
                    result = await client.call_tool(LIST, QUESTION)
                assert not result.is_error
                link = result.structured_content["csv"]["address"]
                assert f": {link}\n" in result.content[0].text
                assert link.startswith(f"{address}/exports/")
                check((await http.get(link)).content)
                assert (await http.head(link)).status_code == 200
                assert (await http.post(link)).status_code == 405
                assert (await http.get(f"{link}x")).status_code == 404
                http.headers["Authorization"] = "Bearer another-token"
                assert (await http.get(link)).status_code == 401
                del http.headers["Authorization"]
                assert (await http.get(link)).status_code == 401
        return link

    with running(*command.split(), "--port", "0", env=sample(**settings)) as process:
        link = anyio.run(use, process.wait_for(r"^Serving (http://127\.0\.0\.1:\d+)/")[1])
        logged = process.stderr
    assert f"csv: {TOTAL} rows of 5 columns, to an address" in logged
    assert [secret for secret in (TOKEN, link.rpartition("/")[2], "Forklift") if secret in logged] == []
