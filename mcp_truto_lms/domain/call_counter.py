"""The number of calls to a provider that one question makes, however many questions run at once.

The HTTP client counts into the counter that is set where a question begins; the tasks of the question inherit it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class CallCounter:
    """Counts the calls of one question.

    Args:
        calls: made so far, retries included
        background: whether nobody waits for the answer any longer
    """

    calls: int = 0
    background: bool = False


CALL_COUNTER: ContextVar[CallCounter | None] = ContextVar("call_counter", default=None)
