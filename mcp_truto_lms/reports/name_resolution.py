"""Resolution of names that people type to learners and courses. Two matches are never merged silently.

An id, an e-mail address or a code matches exactly. A whole name, with its words in any order, matches all who have it.
Part of a name matches all names that contain all its words; a single letter, as in `J. Doe`, is the beginning of a
word. Case, accents and punctuation do not matter. A typo matches nobody: the error offers the nearest names.

Active people and current courses come first. A name stands for an inactive person or an archived course only if it has
no other match, and the answer then includes them, because they were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """A term of the question, and its matches."""

    term: str
    matches: tuple[Match, ...]


def resolve_terms(
    connection: Connection, account: str, by: GroupBy, terms: Sequence[str], columns: Columns = ALL_COLUMNS
) -> tuple[ResolvedTerm, ...]:
    """Resolve terms.

    Raises:
        QueryError: a term has no match, and the message offers the nearest names; or it has too many.
    """
    return tuple(
        require_matches(connection, account, by, term, find_matches(connection, account, by, term), columns)
        for term in terms
    )


def require_matches(
    connection: Connection,
    account: str,
    by: GroupBy,
    term: str,
    matches: tuple[Match, ...],
    columns: Columns = ALL_COLUMNS,
) -> ResolvedTerm:
    """Return a term with its matches.

    Raises:
        QueryError: there is no match, and the message offers the nearest names; or there are too many.
    """
    if not matches:
        raise QueryError(_no_match(connection, account, by, term, columns))
    if len(matches) > name_search.MAX_MATCHES:
        many = "courses" if by is GroupBy.COURSE else "people"
        raise QueryError(
            f"{term[:80]!r} is part of the names of more than {name_search.MAX_MATCHES:,} {many}: write more of it."
        )
    return ResolvedTerm(term, matches)


def find_matches(
    connection: Connection, account: str, by: GroupBy, term: str, *, whole: bool = False
) -> tuple[Match, ...]:
    """Find the matches of a term in the store.

    Args:
        connection: to the store
        account: whose people and courses
        by: whether the term names a learner or a course
        term: as it was typed
        whole: whether the term must be an id, an e-mail address, a code or a whole name
    """
    term = storable(term)
    matches = name_search.exact_matches(connection, account, by, term)
    words = [] if whole else _words(term)
    if not matches and words:  # a term of marks alone has no words, and would match every name
        partial = name_search.partial_matches(connection, account, by, words)
        matches = [match for match in partial if sorted(_words(match.name)) == sorted(words)] or partial
    return tuple(match for match in matches if not match.excluded) or tuple(matches)


def complete_name(connection: Connection, account: str, by: GroupBy, prefix: str, limit: int = 20) -> list[str]:
    """List names with a word that begins so: active people and current courses first, then by name."""
    start = normalize(storable(prefix).rstrip("-'\u2019 "))
    return [clean(name) for name in name_search.names_beginning(connection, account, by, start, limit=limit)]


def _words(text: str) -> list[str]:
    return split_words(normalize(text))


def _no_match(connection: Connection, account: str, by: GroupBy, term: str, columns: Columns) -> str:
    names = name_search.normalized_names(connection, account, by)
    has_names = by is GroupBy.COURSE or ("user.name" in columns and not columns.aliases)
    near = nearest_names(normalize(term), names, limit=MAX_SUGGESTIONS) if has_names else []
    shown = name_search.shown_names(connection, account, by, near)
    kind = "course with this id, code or title" if by is GroupBy.COURSE else _learner_words(columns)
    hint = f" Nearest: {', '.join(clean(shown[name]) for name in near)}." if near else ""
    return f"No {kind}: {term[:80]!r}, among {len(names):,} names.{hint}"


def _learner_words(columns: Columns) -> str:
    if columns.aliases:
        return "learner with this alias"
    has_emails = "user.emails" in columns
    if "user.name" in columns:
        return "learner with this id, e-mail or name" if has_emails else "learner with this id or name"
    return "learner with this id or e-mail" if has_emails else "learner with this id"
