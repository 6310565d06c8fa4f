"""Removal of secrets from payloads: nothing that opens an account or a file without a login reaches a record.

`login_key` is a live one-click login, certificate addresses are signed, a course's shared address needs no login, and
the `key` of a group lets anybody join it. Fields are removed by name. Texts are searched by pattern too, because
people paste such addresses into free text. The patterns are bounded, so that no text makes them slow.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, cast

REMOVED = "[removed]"
MAX_DEPTH = 12
MAX_INTEGER = 2**63 - 1
SHORTEST_SECRET = 20  # in characters; every pattern below needs at least that many

_SECRET_NAME = re.compile(
    r"^key$|groupkey|loginkey|autologin|passw|secret|token|apikey|signature|downloadurl|publicurl|sharedurl|sessionid"
)
_SECRET_TEXT = re.compile(
    r"""(?i:https?://(?:(?!https?://)\S){0,2000}?(?:autologin|login_?key|/key:)\S*)
    |   (?i:https?://(?:(?!https?://)\S){0,2000}?[?&;][\w.-]{0,40}?
            (?:signature|token|sig|credential|secret|passw\w*|api_?key|key-pair-id|access_?key\w*)=\S*)
    |   \b(?i:login_?key|key):[A-Za-z0-9]{16,}
    |   (?<![A-Za-z0-9])(?=[A-Za-z]*[0-9]|[A-Z]*[a-z]+[A-Z])[A-Za-z0-9]{30}(?![A-Za-z0-9])
    """,
    re.VERBOSE,
)
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def scrub(value: str) -> str:
    """Remove login addresses, signed addresses and keys from a text."""
    return value if len(value) < SHORTEST_SECRET else _SECRET_TEXT.sub(REMOVED, value)


def storable(value: str) -> str:
    """Remove the characters that databases and UTF-8 cannot store."""
    return value if value.isprintable() else _UNSTORABLE.sub("", value)


def without_secrets(raw: object, *, depth: int = 0) -> Any:
    """Copy a payload without its secrets, and without values that JSON and databases cannot store."""
    if isinstance(raw, str):
        return scrub(storable(raw))
    if isinstance(raw, dict):
        if depth >= MAX_DEPTH:
            return None
        entries = cast("dict[object, object]", raw)
        return {
            scrub(storable(str(name))): without_secrets(value, depth=depth + 1)
            for name, value in entries.items()
            if not _SECRET_NAME.search(_NOT_ALPHANUMERIC.sub("", str(name).lower()))
        }
    if isinstance(raw, list):
        items = cast("list[object]", raw)
        return None if depth >= MAX_DEPTH else [without_secrets(item, depth=depth + 1) for item in items]
    if isinstance(raw, float):
        return raw if isfinite(raw) else None
    if isinstance(raw, int):
        return raw if isinstance(raw, bool) or abs(raw) <= MAX_INTEGER else None
    return None
