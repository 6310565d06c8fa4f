"""Freshness: how long stored data counts as new.

Data of a learner is fresh for 60 seconds, data of courses for 15 minutes or ten times the duration of the last fetch,
the course list and the people directory for an hour, teams and the portal's settings for a day. The age is judged at
the moment at which the question began, so that a slow fetch makes nothing stale that was fresh. A question with `fresh`
accepts only what was fetched since it began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mcp_truto_lms.domain.source import Scope
from mcp_truto_lms.ingest.question_budget import QuestionBudget
from mcp_truto_lms.store.account_state import EVERYTHING, LISTS, ScopeState

COURSES_MAX_AGE_SECONDS = 3600
LEARNERS_MAX_AGE_SECONDS = 3600
TEAMS_MAX_AGE_SECONDS = PORTAL_MAX_AGE_SECONDS = 24 * 3600
LEARNER_MAX_AGE_SECONDS = 60
MAX_AGE_PER_FETCH_SECOND = 10
"""Courses stay fresh for so many times the duration of their fetch."""
READERS = 8
"""Scopes that are fetched side by side."""

BeganAt = Callable[[str], float]
"""Tells when the last successful fetch of a scope began, in the event loop's seconds."""


def stale(
    budget: QuestionBudget,
    keys: Sequence[str],
    states: Mapping[str, ScopeState],
    max_age_seconds: float,
    *,
    began_at: BeganAt,
    own_state_only: bool = False,
) -> set[str]:
    """Tell which scopes have to be fetched.

    Args:
        budget: of the question
        keys: of the scopes
        states: what is known of them, and of the scope of everything
        max_age_seconds: the age from which a scope is stale
        began_at: tells when the last successful fetch of a scope began
        own_state_only: whether a fetch of everything does not count as a fetch of the scope
    """

    def is_stale(key: str, state: ScopeState | None) -> bool:
        if budget.fresh:
            if any(began_at(covering) >= budget.began_at for covering in covering_scopes(key, own_state_only)):
                return False
            return state is None or state.fetched_at - state.took_seconds <= budget.asked_at
        return state is None or not state.complete or budget.asked_at - state.fetched_at >= max_age_seconds

    newest_states = newest(states, keys, own_state_only=own_state_only)
    return {key for key, state in zip(keys, newest_states, strict=True) if is_stale(key, state)}


def covering_scopes(key: str, own_state_only: bool = False) -> tuple[str, ...]:
    """Name the scopes whose fetch brings a scope: itself, and everything."""
    return (key,) if own_state_only or key in LISTS else (key, EVERYTHING)


def newest(
    states: Mapping[str, ScopeState], keys: Sequence[str], *, own_state_only: bool = False
) -> list[ScopeState | None]:
    """Return the last fetch of each scope, by itself or as part of everything."""
    own_states, everything = [states.get(key) for key in keys], None if own_state_only else states.get(EVERYTHING)
    if everything is None:
        return own_states
    return [
        state if key in LISTS or (state is not None and state.fetched_at >= everything.fetched_at) else everything
        for key, state in zip(keys, own_states, strict=True)
    ]


def good_for_seconds(
    candidates: Sequence[Sequence[Scope]], states: Mapping[str, ScopeState], *, at_least: float
) -> float:
    """Return for how long courses stay fresh: longer where their fetch takes long.

    Scopes are fetched side by side. So a fetch takes as long as its longest scope, or as long as all its scopes need
    with `READERS` at once.
    """
    longest = 0.0
    for scopes in candidates:
        took = [states[scope.key].took_seconds for scope in scopes if scope.key in states]
        longest = max(longest, sum(took) / READERS, *took)
    return max(at_least, MAX_AGE_PER_FETCH_SECOND * longest)
