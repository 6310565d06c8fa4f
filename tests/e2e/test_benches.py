"""The benchmark that fills a store runs from start to end, at a size that takes seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(700)
def test_the_benchmark_prints_times_and_query_plans():
    command = [sys.executable, "-m", "bench.asking", "--sizes", "1000", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=True)
    for engine in ("SQLite", "PostgreSQL"):
        assert f"{engine}: default: complete: 200 courses, " in done.stdout
        figures, plans = done.stdout.split(f"{engine}: milliseconds")[1].split(f"{engine}: the plan of")
        assert "by team" in figures
        assert "one learner" in plans
    assert "SEARCH enrollments USING COVERING INDEX enrollments_by_course" in done.stdout
