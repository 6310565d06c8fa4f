"""Snapshots of the texts that clients see, stored next to the tests; `UPDATE_SNAPSHOTS=1` rewrites them for review."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent


def check(name: str, text: str) -> None:
    """Compare a text with its snapshot."""
    file = HERE / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8", newline="\n")
    assert file.exists(), f"{name} does not exist; UPDATE_SNAPSHOTS=1 writes it"
    assert text == file.read_text("utf-8"), f"{name} differs; UPDATE_SNAPSHOTS=1 rewrites it"
