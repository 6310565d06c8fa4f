"""The scripts behind `make demo` and `make bench-tokens`, as processes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / script],
        env=os.environ | {"MCP_TRUTO_LMS_SOURCE": "sample", "PYTHONUTF8": "1"},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_demo_answers_at_least_six_questions():
    done = run("examples/demo.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n> ") >= 6


def test_tools_and_answers_stay_within_their_token_bars():
    done = run("bench/tokens.py")
    assert done.returncode == 0, done.stdout + done.stderr
