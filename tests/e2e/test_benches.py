"""The benchmark that fills a store works from end to end, at a size that takes seconds; bars are for larger ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_a_full_store_is_asked_and_its_plans_are_told():
    command = [sys.executable, "-m", "bench.asking", "--sizes", "1000", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    for engine in ("SQLite", "PostgreSQL"):
        assert f"{engine}: default: complete: 200 courses, " in done.stdout
        figures, plans = done.stdout.split(f"{engine}: milliseconds")[1].split(f"{engine}: the plan of")
        assert "by team" in figures
        assert "one learner" in plans
    assert "SEARCH enrollments USING COVERING INDEX enrollments_by_course" in done.stdout
