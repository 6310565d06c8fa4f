"""One question's call: how long it may read, how far that is, and what its answer rests on."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from math import ceil, inf

from mcp_truto_lms.domain.errors import LmsError, SourceError, Unavailable
from mcp_truto_lms.domain.source import FetchRoute, Scope

Progress = Callable[[int, int, str], Awaitable[None]]
"""Called with scopes read, scopes to read, and what is being done."""


class StillBeingRead(Unavailable):
    """A list that a question needs is being read for the first time, and takes longer than the question may."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an answer rests on.

    Args:
        as_of: epoch seconds at which the oldest part of it was read
        read: how many scopes of the question are in the store
        wanted: how many it takes
        unit: what a scope is here, `courses` or `people`
        trouble: why something is missing or old, as one sentence
        partial: how many of those read the LMS itself gave only in part
        seconds_left: how long the reading that goes on in the background will take, where it does
    """

    as_of: int
    read: int
    wanted: int
    unit: str
    trouble: str | None = None
    partial: int = 0
    seconds_left: int | None = None

    @property
    def again(self) -> str:
        """Say when to ask again."""
        return f"ask again in {self.seconds_left} s" if self.seconds_left else "ask again to go on"

    @property
    def complete(self) -> bool:
        """Whether everything that the question touches was read, whole."""
        return self.read == self.wanted and not self.partial


@dataclass(slots=True)
class QuestionBudget:
    """What one question may read, and how that went so far.

    Args:
        fresh: whether everything is read again
        asked_at: epoch seconds
        began_at, ends_at: in the event loop's seconds
        done: scopes, over all that is read one after the other
        failure: what the LMS failed with first
        seconds_left: how long what goes on in the background will take, once the time was over
    """

    fresh: bool
    asked_at: int
    began_at: float
    ends_at: float
    on_progress: Progress | None = None
    done: int = 0
    failure: SourceError | None = None
    seconds_left: int | None = None

    @property
    def unattended(self) -> bool:
        """Whether nobody waits for the answer, so that it may take as long as it takes."""
        return self.ends_at == inf


@dataclass(slots=True)
class FetchProgress:
    """The scopes that a call reads side by side.

    Args:
        before: scopes of the call that were read before these
        whole: how many scopes the answer rests on
        done: how many of them are in the store
    """

    call: QuestionBudget
    before: int
    whole: int
    done: int
    pending: deque[Scope]
    failed_in_a_row: int = 0
    final: LmsError | None = None
    at_first: int = field(init=False)
    unit: str = field(init=False)

    def __post_init__(self) -> None:
        self.at_first = self.done
        self.unit = unit_of(self.pending)

    async def report(self, on_progress: Progress) -> None:
        """Tell how far it is."""
        what = f"{self.done} of {self.whole} {self.unit} read"
        await on_progress(self.before + self.done, self.before + self.whole, what)

    def seconds_left(self, spent_seconds: float) -> int:
        """Estimate how long the rest takes, by what was read so far."""
        read_now, left = self.done - self.at_first, self.whole - self.done
        return ceil(spent_seconds / max(1, read_now) * left)


def unit_of(scopes: Iterable[Scope]) -> str:
    """Say what scopes are, in the plural."""
    routes = {one.route for one in scopes}
    words = {FetchRoute.COURSE: "courses", FetchRoute.LEARNER: "people", FetchRoute.LIST: "lists"}
    return words.get(next(iter(routes), FetchRoute.COURSE), "pairs")
