"""The README: its commands print what it shows, its configurations start, and its table lists the settings."""

import json
import re
import shlex
import sys

import pytest
from processes import COMMAND, ROOT, StdioServer, environment, run, sample

from mcp_truto_lms.settings import Settings

README = (ROOT / "README.md").read_text("utf-8")
SHOWN = re.findall(r"^```console\n\$ (.+)\n((?:.*\n)*?)```$", README, re.MULTILINE)
CONFIGURATIONS = [json.loads(block) for block in re.findall(r"^```json\n((?:.*\n)*?)```$", README, re.MULTILINE)]
PROGRAMS = {"mcp-truto-lms": COMMAND, "make bench-tokens": [sys.executable, "-m", "bench.tokens"]}
CURSOR = re.compile(r"(?<=cursor=)\S+")
OMITTED = re.escape("...\n")


def command_of(line: str) -> list[str]:
    program = next(name for name in PROGRAMS if line.startswith(name))
    return [*PROGRAMS[program], *shlex.split(line.removeprefix(program))]


@pytest.mark.parametrize(("line", "output"), SHOWN, ids=[line for line, _ in SHOWN])
def test_a_command_prints_what_the_readme_shows(line, output):
    done = run(*command_of(line), env=sample())
    assert done.returncode == 0, done.stdout + done.stderr
    printed = re.escape(CURSOR.sub("c", output)).replace(OMITTED, r"(.*\n)+")
    assert re.fullmatch(printed, CURSOR.sub("c", done.stdout)), done.stdout


def test_both_tools_have_an_example():
    assert [line.split()[1] for line, _ in SHOWN if line.startswith("mcp-truto-lms")] == ["list", "summarize"]


def test_every_setting_is_in_the_table_once():
    read: list[str] = []

    class Recorder(dict[str, str]):
        def get(self, name, default=None):
            read.append(name)
            return super().get(name, default)

    Settings.from_env(Recorder())
    assert sorted(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)) == sorted(set(read))


def test_every_default_in_the_table_is_that_of_the_code():
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(\w+)` \|", README, re.MULTILINE)
    assert len(rows) == 6
    assert Settings.from_env(dict(rows)) == Settings.from_env({})


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=["Claude Desktop", "Cursor", "VS Code"])
def test_a_configuration_starts_the_server(configuration):
    (servers,) = configuration.values()
    (server,) = servers.values()
    assert server["command"] == "mcp-truto-lms"
    with StdioServer(environment(**server["env"])) as started:
        assert len(started.request("tools/list")["tools"]) == 2


def test_the_targets_of_make_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"(?:^|`|\$ )make ([a-z-]+)", README, re.MULTILINE))
    assert targets <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
