"""Fetch plans: what a question does before its next look into the store, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from mcp_truto_lms.domain.source import Scope

PORTAL = "portal"
"""The key of the plan that asks the LMS about itself."""


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """One thing to do before the next look into the store.

    Args:
        key: names the plan among the attempts of the question
        is_stored: whether the store has an older state, which answers the question where the fetch fails or takes long
    """

    key: str
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class FetchPortalProfile(FetchPlan):
    """Ask the LMS about itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchList(FetchPlan):
    """Fetch the course list, the people directory or the teams; the key is that of the list."""

    max_age_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPerson(FetchPlan):
    """Look up one person by an e-mail address."""

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchScopes(FetchPlan):
    """Fetch scopes of one route.

    Args:
        scopes: what is stale
        wanted: how many scopes the question needs, the fresh ones included
        max_age_seconds: the age from which a scope is stale
        own_state_only: whether a fetch of everything does not count as a fetch of a scope
    """

    scopes: tuple[Scope, ...]
    wanted: int
    max_age_seconds: float
    own_state_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUpdate(FetchPlan):
    """Write something of this process into the store."""

    write: Callable[[Connection], None]
