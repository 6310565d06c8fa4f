"""The commands for people: the tools' answers in a terminal, and a check of the set-up."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from processes import COMMAND, DEADLINE_SECONDS, LIST, ROOT, SUMMARIZE, StdioServer, environment, in_terminal, sample

from mcp_truto_lms import __version__
from mcp_truto_lms.cli.main import main

AT = re.compile(r"As of [\d-]+ [\d:]+ \S+?,")
CURSOR = re.compile(r'(?<=cursor=)\S+|(?<="next_cursor":")[^"]+')
ASCII_ONLY = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}


@pytest.fixture(scope="module")
def server(connected) -> Iterator[StdioServer]:
    """The server that the answers in the terminal are compared with."""
    with StdioServer(connected | ASCII_ONLY) as started:
        yield started


def without_time(text: str) -> list[str]:
    first, *rest = CURSOR.sub("c", text.rstrip("\n")).split("\n")
    return [AT.sub("As of then,", first), *rest]


@pytest.mark.parametrize(
    ("command", "tool", "arguments"),
    [
        (
            ["list", "--course", "Security Awareness", "--state", "overdue"],
            LIST,
            {"course": "Security Awareness", "state": "overdue"},
        ),
        (["list", "--course", "Forklift", "--format", "json"], LIST, {"course": "Forklift", "format": "json"}),
        (
            ["list", "--sort", "-due_at", "--due-from", "-3m", "--due-to=-1d"],
            LIST,
            {"sort": "-due_at", "due_from": "-3m", "due_to": "-1d"},
        ),
        (["summarize"], SUMMARIZE, {}),
    ],
    ids=["filter", "json", "values that begin with a dash", "overview"],
)
def test_a_command_prints_what_the_tool_answers(command, tool, arguments, connected, server):
    done = in_terminal(*command, env=connected)
    answer = server.request("tools/call", name=tool, arguments=arguments)
    assert not answer.get("isError")
    assert done.returncode == 0, done.stderr
    assert without_time(done.stdout) == without_time(answer["content"][0]["text"])


def test_a_repeated_flag_takes_both_values_and_a_longer_list_says_how_to_see_more():
    done = in_terminal("list", "--user", "Jane Doe", "--user", "Grace Lindholm", "--limit", "1")
    assert "Jane Doe" in done.stdout.splitlines()[0]
    assert "Grace Lindholm" in done.stdout.splitlines()[0]
    assert " more: cursor=" in done.stdout.splitlines()[-1]
    assert "raise --limit" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--user", "Jane Dough"], "No learner with this id, e-mail or name: 'Jane Dough'"),
        (["summarize", "--due-from", "soon"], "due_from: 'soon' is not a date"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_sentence_and_fails(arguments, message):
    done = in_terminal(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["enroll"],
        ["list", "--colour", "red"],
        ["sandbox", "--port", "99999"],
        ["sandbox", "--learners", "0"],
        ["--transport", "pigeon"],
    ],
)
def test_a_command_line_that_is_wrong_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_terminal_that_is_not_utf_8_reads_names_and_prints_them_in_ascii():
    done = in_terminal("list", "--user", "Søren", "--limit", "2", env=sample(**ASCII_ONLY))
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "\nS?ren" in done.stdout


def test_a_terminal_that_is_not_utf_8_does_not_change_what_a_client_gets(server):
    answer = server.request("tools/call", name=LIST, arguments={"course": "Code of Conduct", "limit": 200})
    assert "Ελένη" in answer["content"][0]["text"]


def test_help_explains_every_argument_with_its_values(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["list", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Id, e-mail or part of a name" in shown
    assert (
        "[finished, not_finished, not_started, overdue, due_soon, at_risk, failed, expired, not_enrolled, no_due_date]"
        in shown
    )
    assert "1 to 200 (default 25)" in shown
    assert "--cursor" not in shown


def test_version_is_that_of_the_package():
    assert in_terminal("--version").stdout == f"{__version__}\n"


def test_doctor_without_credentials_says_that_the_answers_are_sample_data():
    done = in_terminal("doctor", env=environment())
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("ok: No LMS is connected, answers come from the built-in sample portal")
    assert done.stdout.splitlines()[1:4] == [
        "ok: It answers and lists 18 courses.",
        "ok: It lists 245 people.",
        "ok: Enrollments can be read: the transcript of one learner has 11 enrollments.",
    ]


def test_doctor_names_the_portal_that_it_reaches_and_does_not_show_the_key(connected):
    done = in_terminal("doctor", env=connected)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"ok: Reading TalentLMS at {connected['TALENTLMS_BASE_URL']}; the API key is set.\n")
    assert connected["TALENTLMS_API_KEY"] not in done.stdout + done.stderr


def test_doctor_fails_with_what_to_do_about_a_wrong_key(connected):
    done = in_terminal("doctor", env=connected | {"TALENTLMS_API_KEY": "wrong" * 6})
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("FAILED: TalentLMS refused the API key: check TALENTLMS_API_KEY")


def test_doctor_shows_nothing_of_an_address_with_a_password_in_it():
    done = in_terminal(
        "doctor", env=environment(TALENTLMS_BASE_URL="http://me:hidden@127.0.0.1:9", TALENTLMS_API_KEY="k" * 30)
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "hidden" not in done.stderr


def test_a_setting_that_is_wrong_is_named():
    done = in_terminal("doctor", env=environment(MCP_TRUTO_LMS_TIMEZONE="Mars/Base"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "MCP_TRUTO_LMS_TIMEZONE is 'Mars/Base': it takes a zone such as Europe/Oslo.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is POSIX")
def test_a_person_who_starts_the_server_reads_what_it_waits_for():
    ours, theirs = os.openpty()
    with subprocess.Popen(
        COMMAND, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL, cwd=ROOT, env=sample()
    ) as server:
        shown = b""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while b"Ctrl-C ends it." not in shown and time.monotonic() < deadline:
            shown += os.read(ours, 1000)
        server.terminate()
        assert server.wait(DEADLINE_SECONDS) == 0
    os.close(ours)
    os.close(theirs)
    assert shown.startswith(b"Waiting for an MCP client on stdin. For people: mcp-truto-lms --help.")


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is POSIX")
def test_a_person_who_waits_for_an_answer_sees_the_progress():
    ours, theirs = os.openpty()
    done = subprocess.run(
        [*COMMAND, "list", "--limit", "1"],
        stderr=theirs,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=sample(),
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    shown = os.read(ours, 10_000)
    os.close(ours)
    os.close(theirs)
    assert re.search(rb"\r1 of (\d+) courses read.*\r\1 of \1 courses read", shown, re.DOTALL)
    assert b"courses read" not in done.stdout


def test_a_reader_that_closes_the_pipe_causes_no_error_message():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "summarize"],
            env=sample(),
            cwd=ROOT,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
