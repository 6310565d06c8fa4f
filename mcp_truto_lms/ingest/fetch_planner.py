"""The fetch planner: what a question has to fetch next, by one look into the store.

A question needs scopes: learners, courses, or everything, which is every course or every learner, whichever takes
fewer calls. A scope that is fresh enough is not fetched. Each plan is tried once a question: what still is missing or
old after that is answered as it is, with its age.

A method returns a `FetchPlan` where something has to be fetched first. Otherwise it returns its result, which comes
from the same transaction as the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from sqlalchemy import Connection

from mcp_truto_lms.domain.source import Capabilities, FetchRoute, Portal, Scope, TeamKind
from mcp_truto_lms.ingest import freshness
from mcp_truto_lms.ingest.fetch_plan import PORTAL, FetchList, FetchPerson, FetchPlan, FetchPortalProfile, FetchScopes
from mcp_truto_lms.ingest.freshness import (
    COURSES_MAX_AGE_SECONDS,
    LEARNER_MAX_AGE_SECONDS,
    LEARNERS_MAX_AGE_SECONDS,
    PORTAL_MAX_AGE_SECONDS,
    TEAMS_MAX_AGE_SECONDS,
    BeganAt,
    good_for_seconds,
    newest,
)
from mcp_truto_lms.ingest.question_budget import Coverage, QuestionBudget, StillBeingRead, unit_of
from mcp_truto_lms.store import account_state, catalogue, unknown_outcomes
from mcp_truto_lms.store.account_state import COURSES, LEARNERS, TEAMS, AccountState, ScopeState
from mcp_truto_lms.store.selection import Selection

ENROLLMENTS, OUTCOMES = "enrollments", "outcomes"
"""The purposes of fetching scopes."""
NEED_DIRECTORY = (FetchRoute.COURSE, FetchRoute.LIST)
"""Routes whose records say too little of the people: they are joined with the directory."""
FEW_PEOPLE = 5
"""A question about so many people reads their transcripts."""
FEW = 500
"""The states of fewer scopes are looked up by key, those of more are loaded all at once."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One set of scopes that answers a question, with those of them that are stale."""

    scopes: Sequence[Scope]
    stale: Sequence[Scope]
    states: Mapping[str, ScopeState]
    max_age_seconds: float


@dataclass(frozen=True, slots=True)
class FetchPlanner:
    """Plans the fetches of one question in one transaction.

    Args:
        connection: of the transaction
        account: the key of its rows
        state: what the store knows of the account
        budget: of the question
        now: epoch seconds
        capabilities: what the provider can do now, and what it costs
        began_at: tells when the last successful fetch of a scope began
        max_age_seconds: the age from which courses are stale
        has_teams: whether the provider tells people's teams
    """

    connection: Connection
    account: str
    state: AccountState
    budget: QuestionBudget
    now: int
    capabilities: Capabilities
    began_at: BeganAt
    max_age_seconds: float
    has_teams: bool
    _fresh_lists: dict[str, float] = field(default_factory=dict[str, float])

    def portal(self) -> FetchPlan | Portal:
        """Return what the LMS says of itself, which is asked once a day.

        Raises:
            SourceError: the LMS could not be asked, now or before.
        """
        stored, budget = self.state.portal, self.budget
        if stored is not None and budget.asked_at - self.state.asked_at < PORTAL_MAX_AGE_SECONDS:
            return stored
        if PORTAL not in budget.attempts:
            return FetchPortalProfile(PORTAL, is_stored=stored is not None)
        if stored is None and (error := budget.attempts[PORTAL]) is not None:
            raise error
        return stored or Portal()

    def course_list(self, max_age_seconds: float = COURSES_MAX_AGE_SECONDS) -> FetchPlan | None:
        """Plan the fetch of the course list, if it is stale.

        Raises:
            SourceError: there is none in the store, and the fetch failed.
        """
        return self._list(COURSES, max_age_seconds)

    def directory(self, max_age_seconds: float = LEARNERS_MAX_AGE_SECONDS) -> FetchPlan | None:
        """Plan the fetch of the people directory, if it is stale.

        Raises:
            SourceError: there is none in the store, and the fetch failed.
        """
        return self._list(LEARNERS, max_age_seconds)

    def teams(self, kind: TeamKind) -> FetchPlan | None:
        """Plan the fetch of people's branches or groups, if they are stale and the LMS has such.

        Raises:
            SourceError: there are none in the store, and the fetch failed.
        """
        return self._list(TEAMS[kind], TEAMS_MAX_AGE_SECONDS) if self.has_teams else None

    def person(self, term: str) -> FetchPlan | None:
        """Plan the lookup of one person; by an id, the transcript comes with it.

        Raises:
            SourceError: the e-mail address could not be looked up.
        """
        key, attempts = f"person {term}", self.budget.attempts
        if "@" in term:
            if key not in attempts:
                return FetchPerson(key, email=term)
            if (error := attempts[key]) is not None:
                raise error
            return None
        if key in attempts or FetchRoute.LEARNER in self.budget.closed_routes:  # the directory tells who it is
            return None
        scopes, max_age_seconds = [Scope(user_id=term)], LEARNER_MAX_AGE_SECONDS
        states = self._states_of(scopes)
        stale = self._stale(scopes, states, max_age_seconds)
        return self._fetch_scopes(key, _Candidate(scopes, stale, states, max_age_seconds)) if stale else None

    def enrollments(self, user_ids: Sequence[str] | None, course_ids: Sequence[str] | None) -> FetchPlan | Coverage:
        """Plan the fetch of what a question needs by the fewest calls, or return what is in the store.

        Raises:
            SourceError: nothing of it is in the store, and the fetch failed.
        """
        candidate: _Candidate | None = None
        try:
            choice = self._cheapest(user_ids, course_ids)
            if isinstance(choice, FetchPlan):
                return choice
            candidate = choice
            coverage = self._of(ENROLLMENTS, candidate)
        except StillBeingRead:  # the directory is; what the people do is not begun
            scopes = candidate.scopes if candidate is not None else self._courses(course_ids)
            return self._coverage(scopes, self._states_of(scopes))
        if isinstance(coverage, FetchPlan) or coverage.read:
            return coverage
        failure = self.budget.attempts.get(_scopes_key(ENROLLMENTS, candidate.scopes), self.budget.failure)
        if failure is not None:
            raise failure
        return coverage

    def scopes(
        self,
        purpose: str,
        scopes: Sequence[Scope],
        *,
        max_age_seconds: float,
        most: int | None = None,
        own_state_only: bool = False,
    ) -> FetchPlan | Coverage:
        """Plan the fetch of the stale ones of some scopes, or return what is in the store.

        Args:
            purpose: what the scopes are for; for each purpose, the scopes of a route are fetched once a question
            scopes: all of one route
            max_age_seconds: the age from which a scope is stale
            most: how many scopes may be fetched; the others stay as they are
            own_state_only: whether a fetch of everything does not count as a fetch of a scope

        Raises:
            RouteClosed: the provider does not allow this route.
        """
        states = self._states_of(scopes)
        stale = self._stale(scopes, states, max_age_seconds, own_state_only=own_state_only)[:most]
        candidate = _Candidate(scopes, stale, states, max_age_seconds)
        return self._of(purpose, candidate, own_state_only=own_state_only)

    def outcomes(self, selection: Selection, *, most: int | None = None) -> FetchPlan | Coverage | None:
        """Plan the fetch of the outcomes that a selection rests on, by transcripts where the provider has them.

        Args:
            selection: the match
            most: nothing is fetched where it takes more scopes than this

        Returns:
            A plan, what is left of it once it was carried out, or None where nothing is to be fetched now, or no route
            to it is open.
        """
        has_transcripts = self.is_open(FetchRoute.LEARNER)
        unknown = unknown_outcomes.pairs(self.connection, selection, has_transcripts=has_transcripts, most=most)
        scopes = unknown_outcomes.scopes_of(unknown, has_transcripts=has_transcripts)
        if not scopes or (most is not None and len(scopes) > most) or not self.is_open(scopes[0].route):
            return None
        return self.scopes(OUTCOMES, scopes, max_age_seconds=0, own_state_only=True)

    def _of(self, purpose: str, candidate: _Candidate, *, own_state_only: bool = False) -> FetchPlan | Coverage:
        """Plan the fetch of what is stale in a set of scopes, or return what of it is in the store."""
        scopes, stale = candidate.scopes, candidate.stale
        key = _scopes_key(purpose, scopes)
        if stale:
            if (closed := self.budget.closed_routes.get(stale[0].route)) is not None:
                raise closed
            if key not in self.budget.attempts:
                if stale[0].route in NEED_DIRECTORY and (plan := self.directory()) is not None:
                    return plan
                return self._fetch_scopes(key, candidate, own_state_only=own_state_only)
        return self._coverage(scopes, candidate.states, own_state_only=own_state_only)

    def _fetch_scopes(self, key: str, candidate: _Candidate, *, own_state_only: bool = False) -> FetchScopes:
        keys = [scope.key for scope in candidate.scopes]
        return FetchScopes(
            key,
            is_stored=not key.startswith(OUTCOMES)  # no older state answers for an unknown outcome
            and None not in newest(candidate.states, keys, own_state_only=own_state_only),
            scopes=tuple(candidate.stale),
            wanted=len(candidate.scopes),
            max_age_seconds=candidate.max_age_seconds,
            own_state_only=own_state_only,
        )

    def _cheapest(self, user_ids: Sequence[str] | None, course_ids: Sequence[str] | None) -> FetchPlan | _Candidate:
        """Choose the set of scopes that takes the fewest calls now; once it was fetched, it stays chosen.

        Everybody's transcripts are considered only where they are fewer than the courses, or where there are no
        rosters. Everybody's pairs are thousands of calls, so they are fetched only where no other route is open.
        """
        has_rosters = self.capabilities.calls(FetchRoute.COURSE) is not None
        of_everybody = user_ids is None and (course_ids is None or (len(course_ids) > 1 and not has_rosters))
        if of_everybody and (plan := self.directory()) is not None:
            return plan
        max_age_seconds = float(self.max_age_seconds if user_ids is None else LEARNER_MAX_AGE_SECONDS)
        learners = [Scope(user_id=user) for user in user_ids or ()]
        courses = [Scope(course_id=course) for course in course_ids or ()]
        pairs = [Scope(user, course) for user in user_ids or () for course in course_ids or ()]
        states = self._states_of([*learners, *courses, *pairs])
        stale_learners = self._stale(learners, states, max_age_seconds)
        is_about_few = len(learners) <= FEW_PEOPLE  # whose transcripts are read whatever rosters report
        if learners and (is_about_few or not stale_learners) and self._calls_each(learners) is not None:
            return _Candidate(learners, stale_learners, states, max_age_seconds)
        if course_ids is None:
            rosters = account_state.rosters(self.connection, self.account)
            courses = [Scope(course_id=course) for course in rosters]
            states |= {scope.key: state for scope in courses if (state := rosters[scope.course_id]) is not None}
        if not courses:
            return _Candidate((), (), states, max_age_seconds)
        everybody = self._everybody(len(courses), has_rosters=has_rosters) if of_everybody else []
        states |= self._states_of(everybody)
        candidates = [learners, courses, [Scope()], everybody, pairs]
        if user_ids is None:
            max_age_seconds = good_for_seconds(candidates, states, at_least=max_age_seconds)
        if (scopes := self._fetched(candidates)) is not None:
            return _Candidate(scopes, (), states, max_age_seconds)
        best: _Candidate | None = None
        fewest_calls = inf
        for scopes in candidates:
            if (calls_each := self._calls_each(scopes)) is None:
                continue
            stale = stale_learners if scopes is learners else self._stale(scopes, states, max_age_seconds)
            calls = calls_each * len(stale) + (self._directory_calls(scopes[0].route) if stale else 0)
            if calls < fewest_calls:
                best, fewest_calls = _Candidate(scopes, stale, states, max_age_seconds), calls
            if not calls:
                break
        return best or self._pair_by_pair(user_ids, courses, max_age_seconds)

    def _pair_by_pair(
        self, user_ids: Sequence[str] | None, courses: Sequence[Scope], max_age_seconds: float
    ) -> FetchPlan | _Candidate:
        """Choose every pair, the last resort."""
        if (plan := self.directory()) is not None:
            return plan
        people = user_ids if user_ids is not None else catalogue.learner_ids(self.connection, self.account)
        pairs = [Scope(user, course.course_id) for user in people for course in courses]
        states = self._states_of(pairs)
        return _Candidate(pairs, self._stale(pairs, states, max_age_seconds), states, max_age_seconds)

    def _everybody(self, course_number: int, *, has_rosters: bool) -> list[Scope]:
        """List everybody's transcripts, where they are fewer than the rosters or there are no rosters."""
        most = course_number if has_rosters else None
        people = catalogue.learner_ids(self.connection, self.account, most=most)
        return [Scope(user_id=user) for user in people] if len(people) < course_number or not has_rosters else []

    def _fetched(self, candidates: Sequence[Sequence[Scope]]) -> Sequence[Scope] | None:
        """Return the set of scopes that this question has fetched already."""
        for scopes in candidates:
            if self._calls_each(scopes) is not None and _scopes_key(ENROLLMENTS, scopes) in self.budget.attempts:
                return scopes
        return None

    def is_open(self, route: FetchRoute) -> bool:
        """Return whether the provider has a route, and did not refuse it to this question."""
        return route not in self.budget.closed_routes and self.capabilities.calls(route) is not None

    def _calls_each(self, scopes: Sequence[Scope]) -> int | None:
        """Return how many calls a scope takes; None where there are no scopes, or their route is closed."""
        if not scopes or scopes[0].route in self.budget.closed_routes:
            return None
        return self.capabilities.calls(scopes[0].route)

    def _directory_calls(self, route: FetchRoute) -> int:
        """Count the calls for the directory, which some routes need in addition to their scopes."""
        directory = self.state.lists.get(LEARNERS)
        is_old = directory is None or self.budget.asked_at - directory.fetched_at >= LEARNERS_MAX_AGE_SECONDS
        return int(route in NEED_DIRECTORY and is_old)

    def _courses(self, course_ids: Sequence[str] | None) -> list[Scope]:
        courses = course_ids or account_state.rosters(self.connection, self.account)
        return [Scope(course_id=course) for course in courses]

    def _list(self, key: str, max_age_seconds: float) -> FetchPlan | None:
        is_stored = key in self.state.lists
        if key in self.budget.attempts:
            if not is_stored and (error := self.budget.attempts[key]) is not None:
                raise error
            return None
        if self._fresh_lists.get(key, max_age_seconds + 1) <= max_age_seconds:  # judged once a pass
            return None
        if not self._stale_keys([key], self.state.lists, max_age_seconds):
            self._fresh_lists[key] = max_age_seconds
            return None
        return FetchList(key, is_stored=is_stored, max_age_seconds=max_age_seconds)

    def _stale(
        self,
        scopes: Sequence[Scope],
        states: Mapping[str, ScopeState],
        max_age_seconds: float,
        *,
        own_state_only: bool = False,
    ) -> list[Scope]:
        if not scopes:
            return []
        keys = self._stale_keys([scope.key for scope in scopes], states, max_age_seconds, own_state_only)
        return [scope for scope in scopes if scope.key in keys] if keys else []

    def _stale_keys(
        self,
        keys: Sequence[str],
        states: Mapping[str, ScopeState],
        max_age_seconds: float,
        own_state_only: bool = False,
    ) -> set[str]:
        return freshness.stale(
            self.budget, keys, states, max_age_seconds, began_at=self.began_at, own_state_only=own_state_only
        )

    def _states_of(self, scopes: Sequence[Scope]) -> dict[str, ScopeState]:
        """Load what is known of some scopes, and of the lists."""
        keys = {scope.key for scope in scopes} if len(scopes) < FEW else None
        states = account_state.scope_states(self.connection, self.account, keys) if scopes else {}
        return {**self.state.lists, **states}

    def _coverage(
        self, scopes: Sequence[Scope], states: Mapping[str, ScopeState], *, own_state_only: bool = False
    ) -> Coverage:
        """Say what of some scopes is in the store."""
        budget, keys = self.budget, [scope.key for scope in scopes]
        stored = [state for state in newest(states, keys, own_state_only=own_state_only) if state is not None]
        trouble = str(budget.failure) if budget.failure is not None else None
        if budget.seconds_left is not None and len(stored) == len(scopes):
            trouble = f"the LMS is being read again; ask again in {budget.seconds_left} s"
        unreadable = [scope.course_id or "" for scope in scopes if _is_unreadable(states.get(scope.key))]
        return Coverage(
            as_of=min((state.fetched_at for state in stored), default=self.now),
            read=len(stored),
            wanted=len(scopes),
            partial=sum(not state.complete for state in stored),
            unit=unit_of(scopes),
            trouble=trouble,
            seconds_left=budget.seconds_left,
            unusable=sum({id(state): state.unusable for state in stored}.values()),  # one state may be of all scopes
            unreadable=catalogue.course_titles(self.connection, self.account, unreadable),
        )


def _is_unreadable(state: ScopeState | None) -> bool:
    return state is not None and state.unreadable


def _scopes_key(purpose: str, scopes: Sequence[Scope]) -> str:
    """Name the fetch of scopes among the attempts of a question."""
    return f"{purpose} {scopes[0].route}" if scopes else purpose
