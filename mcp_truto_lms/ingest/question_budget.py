"""The budget of one question: how long it may fetch, what it has tried so far, and what its answer rests on.

The budget is all that outlives one pass of a question over the store. Everything else is computed again in each pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from math import ceil, inf

from mcp_truto_lms.domain.errors import LmsError, RouteClosed, SourceError, Unavailable
from mcp_truto_lms.domain.source import FetchRoute, Scope
from mcp_truto_lms.ingest.joined_records import FetchedPeople

_UNITS = {
    FetchRoute.COURSE: "courses",
    FetchRoute.LEARNER: "people",
    FetchRoute.LIST: "lists",
    FetchRoute.PAIR: "pairs",
}


class StillBeingRead(Unavailable):
    """A list that a question needs is being fetched for the first time, and takes longer than the question may."""


@dataclass(frozen=True, slots=True)
class ProgressUpdate:
    """How far the fetching for a question is.

    Args:
        before: scopes that earlier fetches of the question brought
        done: scopes of the current fetch that are in the store
        whole: scopes that the current fetch covers
        unit: what a scope is here, such as `courses`
    """

    before: int
    done: int
    whole: int
    unit: str

    @property
    def done_overall(self) -> int:
        """Scopes of the question that are in the store."""
        return self.before + self.done

    @property
    def whole_overall(self) -> int:
        """Scopes that the question needs, as far as is known."""
        return self.before + self.whole

    def __str__(self) -> str:
        return f"{self.done} of {self.whole} {self.unit} read"


Progress = Callable[[ProgressUpdate], Awaitable[None]]
"""Is called after each scope that is fetched."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an answer rests on.

    Args:
        as_of: epoch seconds at which the oldest part of it was fetched
        read: how many scopes of the question are in the store
        wanted: how many scopes the question needs
        unit: what a scope is here, `courses` or `people`
        trouble: why something is missing or old, as one sentence
        partial: how many of the scopes in the store the LMS itself gave only in part
        seconds_left: how long the fetch that continues in the background will take
        unusable: how many rows of the scopes came without a usable id
        unreadable: the titles of courses that the LMS lists, but does not show
        unlisted: how many courses and people the lists lack that the answer rests on, by the word for them
        transcripts_missing: how many people's transcripts are missing, although columns are shown that only these fill
    """

    as_of: int
    read: int
    wanted: int
    unit: str
    trouble: str | None = None
    partial: int = 0
    seconds_left: int | None = None
    unusable: int = 0
    unreadable: tuple[str, ...] = ()
    unlisted: tuple[tuple[str, int], ...] = ()
    transcripts_missing: int = 0

    @property
    def again(self) -> str:
        """Say when to ask again."""
        return f"ask again in {self.seconds_left} s" if self.seconds_left else "ask again to continue"

    @property
    def complete(self) -> bool:
        """Whether everything that the question needs is in the store, whole."""
        return not (self.lacks_enrollments or self.unlisted or self.transcripts_missing)

    @property
    def lacks_enrollments(self) -> bool:
        """Whether enrollments are missing, so that a count of them is the least and one of missing ones the most."""
        lacks_courses = any(unit == "courses" for unit, _ in self.unlisted)
        return self.read != self.wanted or bool(self.partial or self.unusable or self.unreadable or lacks_courses)


@dataclass(slots=True)
class QuestionBudget:
    """What one question may fetch, and what it has tried.

    Args:
        fresh: whether everything is fetched again
        asked_at: epoch seconds at which the question began; the age of stored data is judged at this moment
        began_at: the same moment in the event loop's seconds
        ends_at: when the question stops waiting, in the event loop's seconds
        on_progress: is called after each scope
        done: scopes that finished fetches brought
        failure: the first failure that stored data or other scopes make up for
        seconds_left: how long the fetch that continues in the background will take
        attempts: what was fetched, by the keys of the plans, and the failure of each
        closed_routes: the routes that turned out to be closed
        fetched_people: the directory, where this question has fetched it
    """

    fresh: bool
    asked_at: int
    began_at: float
    ends_at: float
    on_progress: Progress | None = None
    done: int = 0
    failure: SourceError | None = None
    seconds_left: int | None = None
    attempts: dict[str, SourceError | None] = field(default_factory=dict[str, SourceError | None])
    closed_routes: dict[FetchRoute, RouteClosed] = field(default_factory=dict[FetchRoute, RouteClosed])
    fetched_people: FetchedPeople | None = None

    @property
    def unattended(self) -> bool:
        """Whether nobody waits for the answer, so that time and calls are unlimited."""
        return self.ends_at == inf

    def try_again(self) -> None:
        """Allow everything that failed to be tried once more."""
        self.done, self.failure = 0, None
        self.attempts.clear()
        self.closed_routes.clear()


@dataclass(slots=True)
class FetchProgress:
    """The scopes that one fetch covers, and how far it is.

    Args:
        budget: of the question
        before: scopes that earlier fetches of the question brought
        whole: how many scopes the answer rests on
        done: how many of them are in the store
        pending: the scopes that are still to be fetched
        failed_in_a_row: how often the LMS failed since it last answered
        stopped_by: the limit or the failure that ended the fetch early
    """

    budget: QuestionBudget
    before: int
    whole: int
    done: int
    pending: deque[Scope]
    failed_in_a_row: int = 0
    stopped_by: SourceError | None = None
    final: LmsError | None = None
    done_at_start: int = field(init=False)
    unit: str = field(init=False)

    def __post_init__(self) -> None:
        self.done_at_start = self.done
        self.unit = unit_of(self.pending)

    async def report(self, on_progress: Progress) -> None:
        """Report how far the fetch is."""
        await on_progress(ProgressUpdate(self.before, self.done, self.whole, self.unit))

    def seconds_left(self, spent_seconds: float) -> int:
        """Estimate how long the rest takes at the pace so far."""
        fetched, left = self.done - self.done_at_start, self.whole - self.done
        return ceil(spent_seconds / max(1, fetched) * left)


def unit_of(scopes: Iterable[Scope]) -> str:
    """Name the unit of scopes of one route, in the plural."""
    return _UNITS[next((scope.route for scope in scopes), FetchRoute.COURSE)]
