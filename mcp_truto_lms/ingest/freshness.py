"""Freshness: for how long what was read is good.

That is 60 seconds for a learner, 15 minutes for courses or ten times what the last read took, an hour for the course
list, a day for the people directory. A question that wants everything fresh takes what was read since it began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.ingest.question_budget import QuestionBudget
from mcp_truto_lms.store.account_state import EVERYTHING, LISTS, ScopeState

COURSES_MAX_AGE_SECONDS = 3600
LEARNERS_MAX_AGE_SECONDS = 24 * 3600
LEARNER_MAX_AGE_SECONDS = 60
TAKES_TIMES = 10
READERS = 8
"""Scopes that are read side by side."""


def stale(
    call: QuestionBudget,
    keys: Sequence[str],
    states: Mapping[str, ScopeState],
    max_age: float,
    *,
    now: int,
    began_at: Callable[[str], float],
    alone: bool = False,
) -> set[str]:
    """Tell which scopes are to be read.

    Args:
        call: for which question
        keys: of the scopes
        states: what is known of them, and of everything
        max_age: in seconds
        now: epoch seconds
        began_at: tells when the last reading of a scope that ended well began, in the event loop's seconds
        alone: whether a scope that was read as part of everything still is to be read by itself
    """

    def is_stale(key: str, state: ScopeState | None) -> bool:
        if call.fresh:
            if any(began_at(one) >= call.began_at for one in covering_scopes(key, alone=alone)):
                return False
            return state is None or state.fetched_at - state.took_seconds <= call.asked_at
        if call.unattended and state is not None and state.complete and state.fetched_at >= call.asked_at:
            return False  # however long limits were waited for since: reading it again would never end
        return state is None or not state.complete or now - state.fetched_at >= max_age

    found = newest(states, keys, alone=alone)
    return {key for key, state in zip(keys, found, strict=True) if is_stale(key, state)}


def covering_scopes(key: str, *, alone: bool = False) -> tuple[str, ...]:
    """Name the scopes that a scope is read with: itself, and everything."""
    return (key,) if alone or key in LISTS else (key, EVERYTHING)


def newest(states: Mapping[str, ScopeState], keys: Sequence[str], *, alone: bool = False) -> list[ScopeState | None]:
    """Find when scopes were read last, each by itself or as part of everything."""
    own, whole = [states.get(key) for key in keys], None if alone else states.get(EVERYTHING)
    if whole is None:
        return own
    return [
        one if key in LISTS or (one is not None and one.fetched_at >= whole.fetched_at) else whole
        for key, one in zip(keys, own, strict=True)
    ]


def good_for_seconds(ways: Sequence[Sequence[Scope]], states: Mapping[str, ScopeState], *, at_least: float) -> float:
    """Tell for how long what was read of courses or everything is fresh: longer where reading it takes long.

    Scopes are read side by side, so that all of them take as long as the longest, or as long as their readers.
    """
    longest = 0.0
    for way in ways:
        took = [states[one.key].took_seconds for one in way if one.key in states]
        longest = max(longest, sum(took) / READERS, *took)
    return max(at_least, TAKES_TIMES * longest)
