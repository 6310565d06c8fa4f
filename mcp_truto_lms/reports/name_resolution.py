"""Resolution of names that people type to learners and courses. Two matches are never merged silently.

An id, an e-mail address or a code matches exactly, and so does a login that is in nobody's name. A whole name, with its
words in any order, matches all who have it. Part of a name matches all names with words that begin with all its words,
as `J. Doe`; only if there are none, names that contain them. Case, accents and punctuation do not matter. A typo
matches nobody: the nearest names are offered, in an error if no other term has a match, else in the answer for the
others.

Active people and current courses come first. A name stands for an inactive person or an archived course only if it has
no other match, and the answer then includes them, because they were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.nearest_name import nearest_names, split_words
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.domain.redaction import storable
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store import name_search
from mcp_truto_lms.store.name_search import Match

MAX_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class ResolvedTerm:
    """A term of the question, and its matches.

    Args:
        nearest: the nearest names, if there is no match
    """

    term: str
    matches: tuple[Match, ...]
    nearest: tuple[str, ...] = ()


def resolve_terms(
    connection: Connection, account: str, by: GroupBy, terms: Sequence[str], columns: Columns = ALL_COLUMNS
) -> tuple[ResolvedTerm, ...]:
    """Resolve terms.

    Raises:
        QueryError: no term has a match, and the message offers the nearest names; or a term has too many.
    """
    matches = {term: find_matches(connection, account, by, term) for term in terms}
    return require_matches(connection, account, by, matches, columns)


def require_matches(
    connection: Connection,
    account: str,
    by: GroupBy,
    matches_by_term: Mapping[str, tuple[Match, ...]],
    columns: Columns = ALL_COLUMNS,
) -> tuple[ResolvedTerm, ...]:
    """Return terms with their matches; a term without any has the nearest names instead.

    Raises:
        QueryError: no term has a match, and the message offers the nearest names; or a term has too many.
    """
    for term, matches in matches_by_term.items():
        if len(matches) > name_search.MAX_MATCHES:
            many = "courses" if by is GroupBy.COURSE else "people"
            raise QueryError(
                f"{term[:80]!r} is part of the names of more than {name_search.MAX_MATCHES:,} {many}: write more of it."
            )
    if matches_by_term and not any(matches_by_term.values()):
        unknown = list(matches_by_term)[:MAX_SUGGESTIONS]
        raise QueryError(" ".join(_no_match(connection, account, by, term, columns) for term in unknown))
    return tuple(
        ResolvedTerm(term, matches, () if matches else _nearest(connection, account, by, term, columns))
        for term, matches in matches_by_term.items()
    )


def find_matches(
    connection: Connection, account: str, by: GroupBy, term: str, *, whole: bool = False
) -> tuple[Match, ...]:
    """Find the matches of a term in the store.

    Args:
        connection: to the store
        account: whose people and courses
        by: whether the term names a learner or a course
        term: as it was typed
        whole: whether the term must be an id, an e-mail address, a login, a code or a whole name
    """
    term = storable(term)
    matches = name_search.exact_matches(connection, account, by, term)
    words = [] if whole else _words(term)
    if not matches and words:  # a term of marks alone has no words, and would match every name
        partial = name_search.partial_matches(connection, account, by, words)
        matches = [match for match in partial if sorted(_words(match.name)) == sorted(words)] or partial
    if not matches and by is GroupBy.LEARNER:
        matches = name_search.login_matches(connection, account, term)
    return tuple(match for match in matches if not match.excluded) or tuple(matches)


def complete_name(connection: Connection, account: str, by: GroupBy, prefix: str, limit: int = 20) -> list[str]:
    """List names with a word that begins so: active people and current courses first, then by name."""
    start = normalize(storable(prefix).rstrip("-'\u2019 "))
    return [clean(name) for name in name_search.names_beginning(connection, account, by, start, limit=limit)]


def _words(text: str) -> list[str]:
    return split_words(normalize(text))


def _nearest(connection: Connection, account: str, by: GroupBy, term: str, columns: Columns) -> tuple[str, ...]:
    """List the names that are near a term, where names are shown."""
    if by is not GroupBy.COURSE and ("user.name" not in columns or columns.aliases):
        return ()
    names = name_search.normalized_names(connection, account, by)
    near = nearest_names(normalize(term), names, limit=MAX_SUGGESTIONS)
    shown = name_search.shown_names(connection, account, by, near)
    return tuple(clean(shown[name]) for name in near)


def _no_match(connection: Connection, account: str, by: GroupBy, term: str, columns: Columns) -> str:
    near = _nearest(connection, account, by, term, columns)
    number = len(name_search.normalized_names(connection, account, by))
    kind = "course with this id, code or title" if by is GroupBy.COURSE else _learner_words(columns)
    hint = f" Nearest: {', '.join(near)}." if near else ""
    return f"No {kind}: {term[:80]!r}, among {number:,} names.{hint}"


def _learner_words(columns: Columns) -> str:
    if columns.aliases:
        return "learner with this alias"
    has_emails = "user.emails" in columns
    if "user.name" in columns:
        return "learner with this id, e-mail or name" if has_emails else "learner with this id or name"
    return "learner with this id or e-mail" if has_emails else "learner with this id"
