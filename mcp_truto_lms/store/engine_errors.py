"""Database errors as sentences for the person who runs the server.

What SQLAlchemy and the drivers raise may show SQL, values, addresses and passwords: only an error's code or class name
is repeated.
"""

from __future__ import annotations

OTHER_TABLES = (
    "{place} does not have the tables of this version of mcp-truto-lms: another version may have rebuilt it. Run one "
    "version on it, or give each its own store, and restart."
)
_UNEXPECTED = "{place} failed with {code}. Ask again; if it happens again, report it as a fault of mcp-truto-lms."


def unexpected_error(place: str, error: BaseException, code: str | None) -> str:
    """Describe an error that no known sentence explains, by its code or else its class."""
    return _UNEXPECTED.format(place=place, code=code or type(error).__name__)
