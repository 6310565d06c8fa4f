"""How many calls to a provider one question takes, however many are asked at once.

The HTTP client counts into whatever tally is set where a question begins; tasks that the question starts inherit it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class CallCounter:
    """The calls made for one question, further tries included, and whether nobody waits for the answer any longer."""

    calls: int = 0
    background: bool = False


CALL_COUNTER: ContextVar[CallCounter | None] = ContextVar("tally", default=None)
