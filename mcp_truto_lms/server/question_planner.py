"""One pass of a question over the store: resolve what it names, and check that what it needs is fetched.

A pass runs in one transaction and may be repeated. It computes everything from the store again, so that names, counts
and coverage of an answer are of one state; only the question's budget remembers what was tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from math import inf

from sqlalchemy import Connection

from mcp_truto_lms.domain.columns import CERTIFICATE_COLUMNS
from mcp_truto_lms.domain.errors import AccessDenied, SourceError
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer
from mcp_truto_lms.domain.source import FetchRoute, Portal, Scope, TeamKind
from mcp_truto_lms.ingest.fetch_plan import FetchPlan, StoreUpdate
from mcp_truto_lms.ingest.fetch_planner import FetchPlanner
from mcp_truto_lms.ingest.freshness import LEARNER_MAX_AGE_SECONDS
from mcp_truto_lms.ingest.question_budget import Coverage
from mcp_truto_lms.people.people_file import People
from mcp_truto_lms.people.redacted_people_file import redact_people, seal_emails
from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.reports import name_resolution
from mcp_truto_lms.reports.column_choice import choose_columns
from mcp_truto_lms.reports.dimension_resolution import with_singulars
from mcp_truto_lms.reports.name_resolution import ResolvedTerm
from mcp_truto_lms.reports.query_resolution import resolve_against_store
from mcp_truto_lms.reports.results import ResolvedQuery
from mcp_truto_lms.settings import Settings
from mcp_truto_lms.store import dimensions, pairs_to_refine
from mcp_truto_lms.store.account_state import COURSES, LEARNERS, TEAMS
from mcp_truto_lms.store.name_search import Match
from mcp_truto_lms.store.selection import Selection

PAIRS, CERTIFICATES = "pairs", "certificates"
"""The purposes of fetching pairs and transcripts after the scopes of the question."""


@dataclass(frozen=True, slots=True)
class LoadedPeople:
    """The people file as it was loaded for a question.

    Args:
        people: its content; None where no file is set
        note: what a reader must know of it
    """

    people: People | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ReadyQuestion:
    """A question with everything that it needs in the store."""

    resolved: ResolvedQuery
    coverage: Coverage
    portal: Portal


class QuestionPlanner:
    """Plans the questions about one account.

    Args:
        account: the key of its rows
        settings: of the process
        pseudonymizer: makes aliases, and seals addresses of the people file, where columns are excluded
        now: tells the time in epoch seconds
    """

    def __init__(
        self, account: str, settings: Settings, pseudonymizer: Pseudonymizer | None, *, now: Callable[[], int]
    ) -> None:
        self._account = account
        self._settings = settings
        self._columns = settings.columns
        self._pseudonymizer = pseudonymizer
        self._now = now

    def zone(self, portal: Portal) -> tzinfo:
        """Return the time zone of the answers."""
        return self._settings.zone or portal.zone or UTC

    def plan(
        self, planner: FetchPlanner, query: EnrollmentFilter, loaded_people: LoadedPeople
    ) -> FetchPlan | ReadyQuestion:
        """Return what has to be fetched first, or the question with everything that it needs in the store.

        Raises:
            QueryError: a name stands for nobody or nothing, or the query contradicts itself.
            SourceError: nothing could be fetched, and nothing is stored.
        """
        connection, account = planner.connection, self._account
        portal = planner.portal()
        if isinstance(portal, FetchPlan):
            return portal
        if (plan := planner.course_list()) is not None:
            return plan
        courses = (
            name_resolution.resolve_terms(connection, account, GroupBy.COURSE, query.course) if query.course else None
        )
        users = self._resolve_users(planner, query.user) if query.user else None
        if isinstance(users, FetchPlan):
            return users
        now, zone = self._now(), self.zone(portal)
        fetched_since = planner.budget.asked_at if query.fresh else None
        named = ResolvedQuery(
            query, account, now, zone, users, courses, columns=self._columns, fetched_since=fetched_since
        )
        named.selection().check()
        notes: tuple[str, ...] | FetchPlan = ()
        if query.needs_directory:
            notes = planner.directory() or self._join_people(planner, query, loaded_people)
            if isinstance(notes, FetchPlan):
                return notes
        coverage = planner.enrollments(named.user_ids, named.course_ids)
        if isinstance(coverage, FetchPlan):
            return coverage
        resolved = resolve_against_store(connection, replace(named, notes=notes), portal, self._settings)
        if planner.capabilities.outcome_unknown_routes and not query.asks_who_is_missing:
            coverage = self._outcomes(planner, resolved.selection(), coverage)
        if isinstance(query, EnrollmentQuery) and isinstance(coverage, Coverage):
            coverage = self._pairs(planner, query, resolved.selection(), coverage)
        if isinstance(query, EnrollmentQuery) and isinstance(coverage, Coverage):
            coverage = self._certificates(planner, query, resolved.selection(), coverage, portal)
        if isinstance(coverage, FetchPlan):
            return coverage
        return ReadyQuestion(resolved, _with_lists(planner, query, coverage), portal)

    def _resolve_users(self, planner: FetchPlanner, terms: tuple[str, ...]) -> FetchPlan | tuple[ResolvedTerm, ...]:
        """Resolve people: an unknown e-mail address or id is looked up by itself, a name in the directory.

        People who joined after the directory was fetched are not in it. So an unknown name makes a directory stale that
        is older than courses may be.
        """
        connection, account, by = planner.connection, self._account, GroupBy.LEARNER
        matches_by_term: dict[str, tuple[Match, ...]] = {}
        for term in terms:
            matches: tuple[Match, ...] = ()
            if "@" in term or term.isdigit():
                matches = name_resolution.find_matches(connection, account, by, term, whole=True)
                if not matches and (plan := planner.person(term)) is not None:
                    return plan
            if not matches:
                if (plan := planner.directory()) is not None:
                    return plan
                matches = name_resolution.find_matches(connection, account, by, term)
            if not matches and (plan := planner.directory(self._settings.max_age_seconds)) is not None:
                return plan
            matches_by_term[term] = matches
        return name_resolution.require_matches(connection, account, by, matches_by_term, self._columns)

    def _join_people(
        self, planner: FetchPlanner, query: EnrollmentFilter, loaded_people: LoadedPeople
    ) -> FetchPlan | tuple[str, ...]:
        """Have the store hold what people are grouped by: the people file, and the teams that only the LMS has."""
        connection, account, people = planner.connection, self._account, loaded_people.people
        if people is not None and self._columns.aliases:  # whom its values name depends on the people of the directory
            directory = planner.state.lists[LEARNERS]
            people = replace(people, digest=f"{people.digest} {directory.fetched_at}")
        if not dimensions.has_people_file(connection, account, people):
            key = f"people file {people.digest if people is not None else ''}"
            if key not in planner.budget.attempts:  # another process may have another file
                return StoreUpdate(key, write=lambda writer: self._store_people(writer, people))
        notes: list[str] = []
        if loaded_people.note:
            notes.append(loaded_people.note)
        unmatched = dimensions.count_unmatched(connection, account) if people else 0
        if unmatched:
            notes.append(f"Not in the LMS: {unmatched:,} of the people file.")
        names = query.dimensions - {*(people.columns if people is not None else ())}
        try:
            if (plan := self._teams(planner, with_singulars(names))) is not None:
                return plan
        except AccessDenied:
            raise
        except SourceError as error:
            notes.append(f"Teams could not be read: {error}")
        lists = planner.state.lists
        notes += [
            f"Not listed by the LMS: {lists[key].unusable:,} of its {key}."
            for kind, key in TEAMS.items()
            if names & {dimensions.TEAM, kind} and key in lists and lists[key].unusable
        ]
        return tuple(notes)

    def _teams(self, planner: FetchPlanner, names: frozenset[str]) -> FetchPlan | None:
        """Plan the fetch of branches and groups; groups are teams where the LMS has no branches.

        Raises:
            SourceError: they could not be read, and there are none in the store.
        """
        if names & {dimensions.TEAM, TeamKind.BRANCH} and (plan := planner.teams(TeamKind.BRANCH)) is not None:
            return plan
        has_branches = dimensions.has_branches(planner.connection, self._account)
        if TeamKind.GROUP in names or (dimensions.TEAM in names and not has_branches):
            return planner.teams(TeamKind.GROUP)
        return None

    def _store_people(self, connection: Connection, people: People | None) -> None:
        """Write the people file, without what is excluded of people."""
        pseudonymizer = self._pseudonymizer
        if people is not None and pseudonymizer is not None and self._columns.aliases:
            learners = dimensions.sealed_learners(connection, self._account)
            people = redact_people(people, pseudonymizer, learners)
        elif people is not None and pseudonymizer is not None and "user.emails" not in self._columns:
            people = seal_emails(people, pseudonymizer)
        dimensions.replace_people_file(connection, self._account, people)

    def _outcomes(self, planner: FetchPlanner, selection: Selection, coverage: Coverage) -> FetchPlan | Coverage:
        """Plan the transcripts with the outcomes that the answer rests on, where they fit the call budget.

        The others are read in the background, and the answer announces them.
        """
        refined = planner.outcomes(selection, most=self._settings.call_budget)
        if isinstance(refined, FetchPlan):
            return refined
        return coverage if refined is None else replace(coverage, trouble=refined.trouble or coverage.trouble)

    def _pairs(
        self, planner: FetchPlanner, query: EnrollmentQuery, selection: Selection, coverage: Coverage
    ) -> FetchPlan | Coverage:
        """Plan the pairs of the match where a column is shown that only a pair fills, within the call budget."""
        shown = choose_columns(query, self._columns)
        columns = [column for column in shown if column.path in planner.capabilities.filled_by_pair]
        if not columns:
            return coverage
        paths = [column.path for column in columns]
        pairs = pairs_to_refine.unfilled_pairs(planner.connection, selection, paths)
        scopes = [Scope(user_id=user, course_id=course) for user, course in pairs]
        refined = self._refine(planner, PAIRS, scopes, LEARNER_MAX_AGE_SECONDS)
        if isinstance(refined, FetchPlan):
            return refined
        if refined.complete:
            return coverage
        headers = ", ".join(column.header for column in columns)
        missing = f"{headers} not read yet for {refined.wanted - refined.read:,}; ask again to continue."
        return replace(coverage, trouble=f"{refined.trouble} {missing}" if refined.trouble else missing)

    def _certificates(
        self, planner: FetchPlanner, query: EnrollmentQuery, selection: Selection, coverage: Coverage, portal: Portal
    ) -> FetchPlan | Coverage:
        """Plan transcripts that were never read where a certificate is shown and only a pair reported the outcome."""
        reported = CERTIFICATE_COLUMNS.keys() - portal.unreported
        shows_any = any(column.path in reported for column in choose_columns(query, self._columns))
        if not shows_any or not planner.is_open(FetchRoute.LEARNER):
            return coverage
        people = pairs_to_refine.people_of_pairs(planner.connection, selection)
        scopes = [Scope(user_id=user) for user in people]
        refined = self._refine(planner, CERTIFICATES, scopes, inf)
        if isinstance(refined, FetchPlan):
            return refined
        missing = refined.wanted - refined.read
        return replace(coverage, transcripts_missing=missing, trouble=refined.trouble or coverage.trouble)

    def _refine(
        self, planner: FetchPlanner, purpose: str, scopes: list[Scope], max_age_seconds: float
    ) -> FetchPlan | Coverage:
        return planner.scopes(
            purpose,
            scopes,
            max_age_seconds=max_age_seconds,
            most=self._settings.call_budget,
            own_state_only=True,
        )


def _with_lists(planner: FetchPlanner, query: EnrollmentFilter, coverage: Coverage) -> Coverage:
    """Add the age and the gaps of the lists that an answer rests on.

    The directory says who is active, and whom an answer about people without an enrollment may count; the course list
    says which courses there are. Named courses, and people whose transcripts were read, count whatever the lists say.
    """
    by_transcript = bool(query.user) and coverage.unit != COURSES
    stored, named = planner.state.lists, {COURSES: query.course or by_transcript, LEARNERS: by_transcript}
    units = {COURSES: "courses", LEARNERS: "people"}
    lists = [(units[key], stored[key]) for key, is_named in named.items() if not is_named and key in stored]
    unlisted = tuple((unit, state.unusable) for unit, state in lists if state.unusable)
    as_of = min([coverage.as_of, *(state.fetched_at for _, state in lists)])
    return replace(coverage, as_of=as_of, unlisted=unlisted)
