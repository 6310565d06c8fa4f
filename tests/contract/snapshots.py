"""Texts that clients see, kept beside the tests: `UPDATE_SNAPSHOTS=1` writes them anew, for a reader to judge."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent


def check(name: str, text: str) -> None:
    """Compare a text with the file of that name."""
    file = HERE / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8", newline="\n")
    assert file.exists(), f"{name} is not there: UPDATE_SNAPSHOTS=1 writes it"
    assert text == file.read_text("utf-8"), f"{name} is not what it was: UPDATE_SNAPSHOTS=1 writes it anew"
