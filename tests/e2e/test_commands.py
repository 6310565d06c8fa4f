"""The scripts behind `make demo`, `make answers` and `make bench-start`, as processes."""

import sys

from processes import ROOT, environment, run, sample


def test_demo_answers_at_least_six_questions():
    few_calls = sample(MCP_TRUTO_LMS_CALL_BUDGET="50")  # below what the portal allows at once
    done = run(sys.executable, "examples/demo.py", env=few_calls)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n> ") >= 6


def test_the_page_of_answers_is_what_its_command_prints():
    done = run(sys.executable, "examples/demo.py", "--document", env=environment())
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "docs" / "answers.md").read_text("utf-8")
    assert done.stdout.count("\n## ") == 10
    assert "at least " not in done.stdout


def test_the_start_is_measured_against_an_empty_server():
    done = run(sys.executable, "bench/startup.py", "--pairs", "1", env=sample())
    assert done.stdout.splitlines()[1].startswith("mcp-truto-lms"), done.stderr
